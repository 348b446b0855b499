"""What a training leaves in MLflow's registry, and what can be done with it."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import requests
import torch
from fake_mlflow import start
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.scoring_server import invocations

from srlab.images.resample import to_uint8
from srlab.models.base.weights import save_network
from srlab.models.espcn import ESPCN
from srlab.tracking.questions import run_list
from srlab.tracking.sender import send

NETWORK = {"_target_": "srlab.models.espcn.ESPCN", "scale": 2}
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
IMAGES[0, 0, 0] = 0, 128, 255


def net() -> ESPCN:
    torch.manual_seed(0)
    return ESPCN(2)


def enlarged() -> np.ndarray:
    sr = net().upscale(torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255, 2)
    return to_uint8(sr).permute(0, 2, 3, 1).numpy()


def trained(folder: Path, psnr: float, data: str = "photos", name: str = "espcn") -> None:
    """Tell a store in `folder` of a training that ended."""
    save_network(folder / "best.safetensors", net(), {})
    tracker = start(folder / "outbox", f"sqlite:///{folder}/mlflow.db", tags={"srlab.method": name})
    with tracker.closing():
        tracker.model(folder / "best.safetensors", name, NETWORK, "val/psnr", 1, {"val/psnr": psnr, "data": data})
    send(folder / "outbox")


@pytest.fixture(scope="module")
def folder(sqlite: Callable[[Path], str], without_git: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registry")
    sqlite(folder)
    trained(folder, 28.0)
    return folder


@pytest.fixture
def client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    uri = f"sqlite:///{folder}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)


def test_the_list_of_trainings_has_an_address(folder: Path) -> None:
    uri = f"sqlite:///{folder}/mlflow.db"
    assert run_list(uri, "srlab") == "/#/experiments/1/runs?workflowType=machine_learning"
    assert run_list(uri, "nothing") == ""


def test_the_best_enlarges_images(client: MlflowClient, folder: Path) -> None:
    model = mlflow.pyfunc.load_model("models:/srlab-espcn@best")
    np.testing.assert_array_equal(model.predict(IMAGES), enlarged())
    assert len(list(folder.glob("artifacts/**/*.safetensors"))) == 1  # the weights are there once
    (run,) = client.search_runs(["1"])
    (logged,) = run.outputs.model_outputs
    best: Any = client.get_model_version_by_alias("srlab-espcn", "best")
    assert (best.run_id, best.source) == (run.info.run_id, client.get_logged_model(logged.model_id).artifact_location)


def test_the_alias_goes_to_the_best_of_the_latest_data(client: MlflowClient, folder: Path) -> None:
    found = []
    for psnr, data in ((29.0, "photos"), (27.0, "photos"), (20.0, "others"), (19.0, "others")):
        trained(folder, psnr, data, "other")
        best: Any = client.get_model_version_by_alias("srlab-other", "best")
        found.append((str(best.version), best.tags["val/psnr"]))
    assert found == [("1", "29.0"), ("1", "29.0"), ("3", "20.0"), ("3", "20.0")]


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        (IMAGES / 255, "float64 (2, 6, 5, 3)"),
        (IMAGES.astype(int) + 1, "int64 (2, 6, 5, 3) of 1 to 256"),
        (IMAGES.astype(int) - 1, "int64 (2, 6, 5, 3) of -1 to 254"),
        (IMAGES > 9, "bool (2, 6, 5, 3)"),
        (IMAGES[0], "int64 (6, 5, 3)"),
        (IMAGES[..., :1], "int64 (2, 6, 5, 1)"),
        (IMAGES[:0], "float64 (0,)"),
        (np.array("photo.png"), "<U9 ()"),
    ],
)
def test_a_server_says_in_a_line_what_does_not_fit(client: MlflowClient, inputs: np.ndarray, found: str) -> None:
    model = mlflow.pyfunc.load_model("models:/srlab-espcn@best")
    sent = json.dumps({"inputs": inputs.tolist()})
    with pytest.raises(MlflowException) as error:  # which a server answers as JSON
        invocations(sent, "application/json", model, model.metadata.get_input_schema())
    wanted = f"images are RGB, whole numbers of 0 to 255, (number, height, width, 3), not {found}: convert them"
    assert json.loads(error.value.serialize_as_json())["message"] == wanted
    assert error.value.get_http_status_code() == 400


@pytest.mark.server
def test_a_server_of_mlflow_enlarges_images(client: MlflowClient, folder: Path) -> None:
    """As its users start it; srlab is where they start it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    words = ["models", "serve", "-m", "models:/srlab-espcn@best", "--env-manager", "local", "--port", port]
    with subprocess.Popen([sys.executable, "-m", "mlflow", *words]) as server:
        try:
            give_up = time.monotonic() + 600  # it imports for long on a busy machine
            while True:
                try:
                    if requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok:
                        break
                except requests.ConnectionError:
                    assert time.monotonic() < give_up
                    assert server.poll() is None
                    time.sleep(1)
            asked = json.dumps({"inputs": IMAGES.tolist()})
            headers = {"Content-Type": "application/json"}
            answer = requests.post(f"http://127.0.0.1:{port}/invocations", asked, headers=headers, timeout=120)
            np.testing.assert_array_equal(answer.json()["predictions"], enlarged())
        finally:
            server.terminate()
