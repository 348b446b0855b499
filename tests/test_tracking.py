"""MLflow holds what a training tells it, and never stands in its way."""

import multiprocessing
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient

from srlab.tracking import Tracker, code_tags, dvc_md5

EXPERIMENT = "srlab"
DEAD = "http://127.0.0.1:9"  # the port `discard`, where nothing listens


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def make(folder: Path) -> Callable[[], Tracker]:
    """Makes trackers of one store, which takes seconds to create."""
    return lambda: Tracker(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"), EXPERIMENT)


@pytest.fixture(scope="module")
def client(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


@pytest.fixture
def tracker(make: Callable[[], Tracker]) -> Tracker:
    return make().start("espcn", {"srlab.method": "espcn"}, {"lr": 0.1})


def steps(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, key)]


def downloaded(client: MlflowClient, run_id: str, path: str) -> Path:
    return Path(client.download_artifacts(run_id, path))


def test_a_run_has_its_name_tags_and_params(tracker: Tracker, client: MlflowClient) -> None:
    run = client.get_run(tracker.run_id)
    assert run.info.run_name == "espcn"
    assert run.data.params == {"lr": "0.1"}
    assert run.data.tags["srlab.method"] == "espcn"


def test_more_params_than_mlflow_takes_in_one_call_arrive(make: Callable[[], Tracker], client: MlflowClient) -> None:
    params = {f"number{index}": index for index in range(230)}
    run = client.get_run(make().start("many", {}, params).run_id)
    assert run.data.params == {key: str(value) for key, value in params.items()}


def test_a_run_knows_the_commit_it_was_made_from(tracker: Tracker, client: MlflowClient) -> None:
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=here, check=False)
    if commit.returncode:
        pytest.skip("this is no Git repository")
    assert client.get_run(tracker.run_id).data.tags["mlflow.source.git.commit"] == commit.stdout.strip()


def test_the_dvc_stage_is_a_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@espcn")
    assert code_tags()["dvc.stage"] == "train@espcn"


def test_metrics_make_curves(tracker: Tracker, client: MlflowClient) -> None:
    for epoch in range(3):
        tracker.metrics({"val/psnr": 28.0 + epoch, "lr": 0.1}, epoch)
    assert steps(client, tracker.run_id, "val/psnr") == [(0, 28.0), (1, 29.0), (2, 30.0)]


def test_a_resumed_run_logs_no_epoch_twice(tracker: Tracker, make: Callable[[], Tracker], client: MlflowClient) -> None:
    for epoch in range(2):
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", epoch)
    resumed = make().start("espcn", {}, {"lr": 0.1}, tracker.run_id)
    assert resumed.run_id == tracker.run_id
    for epoch in (1, 2):
        resumed.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
        resumed.image(np.zeros((4, 4, 3), np.uint8), "validation", epoch)
    assert [step for step, _ in steps(client, tracker.run_id, "val/psnr")] == [0, 1, 2]
    images = {file.path for file in client.list_artifacts(tracker.run_id, "images") if file.path.endswith(".png")}
    assert len(images) == 3


def test_test_scores_join_the_run_of_the_training(
    tracker: Tracker, make: Callable[[], Tracker], client: MlflowClient
) -> None:
    for epoch in range(3):
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
    for score in (27.0, 27.5):  # evaluated, and evaluated anew
        make().start("espcn", {}, {}, tracker.run_id).scores({"Set5/psnr": score})
    assert client.get_run(tracker.run_id).data.metrics["Set5/psnr"] == 27.5


@pytest.mark.parametrize("unknown", ["", "0123456789abcdef0123456789abcdef"])
def test_an_unknown_run_opens_a_new_one(make: Callable[[], Tracker], client: MlflowClient, unknown: str) -> None:
    run_id = make().start("espcn", {}, {}, unknown).run_id
    assert run_id != unknown
    assert client.get_run(run_id).info.status == "RUNNING"


def test_a_deleted_run_is_not_revived(tracker: Tracker, make: Callable[[], Tracker], client: MlflowClient) -> None:
    client.delete_run(tracker.run_id)
    assert make().start("espcn", {}, {}, tracker.run_id).run_id != tracker.run_id


def test_a_table_keeps_its_rows(tracker: Tracker, client: MlflowClient) -> None:
    rows = [{"method": "ESPCN", "psnr": 28.5}, {"method": "Bicubic", "psnr": 27.25}]
    tracker.table(rows, "comparison.json")
    content = yaml.safe_load(downloaded(client, tracker.run_id, "comparison.json").read_text())
    assert [dict(zip(content["columns"], row, strict=True)) for row in content["data"]] == rows


def test_a_table_of_the_same_name_is_replaced(tracker: Tracker, client: MlflowClient) -> None:
    for psnr in (28.5, 28.75):
        tracker.table([{"method": "ESPCN", "psnr": psnr}], "comparison.json")
    content = yaml.safe_load(downloaded(client, tracker.run_id, "comparison.json").read_text())
    assert content == {"columns": ["method", "psnr"], "data": [["ESPCN", 28.75]]}


def test_files_and_folders_become_artifacts(tracker: Tracker, client: MlflowClient, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/one.txt").write_text("1")
    tracker.artifact(tmp_path / "pictures", "figures")
    tracker.artifact(tmp_path / "pictures/one.txt", "")
    assert downloaded(client, tracker.run_id, "figures/one.txt").read_text() == "1"
    assert downloaded(client, tracker.run_id, "one.txt").read_text() == "1"


def test_artifacts_lie_in_the_folder_that_was_asked_for(tracker: Tracker, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("1")
    tracker.artifact(tmp_path / "here.txt", "")
    assert len(list((folder / "artifacts").rglob(f"{tracker.run_id}/**/here.txt"))) == 1


def test_the_data_set_is_an_input_with_the_md5_of_dvc(
    tracker: Tracker, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outs = [{"path": "data/pairs/train/photos", "md5": "4d1c0ffee4d1c0ffee4d1c0ffee4d1c0.dir"}]
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {"degrade@photos": {"cmd": "x", "outs": outs}}}))
    monkeypatch.chdir(tmp_path)
    tracker.dataset("data/pairs/train/photos", "pixels")
    run: Any = client.get_run(tracker.run_id)
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "photos"
    assert dataset.dataset.digest == outs[0]["md5"]


@pytest.mark.parametrize("lock", [None, "", "schema: '2.0'\nstages:\n  a: {cmd: x}\n"])
def test_data_that_dvc_does_not_know_have_no_md5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    if lock is not None:
        (tmp_path / "dvc.lock").write_text(lock)
    assert dvc_md5("data/pairs/train/photos") is None


def test_the_description_links_to_the_newest_pipeline_runs(
    make: Callable[[], Tracker], client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_run = make().start("srcnn", {"srlab.method": "srcnn"}, {})
    monkeypatch.setenv("DVC_STAGE", "train@srcnn")
    old, new = (make().start("srcnn", {"srlab.method": "srcnn"}, {}) for _ in range(2))
    report = make().start("comparison", {}, {})
    report.describe("# Table", ["srcnn", "never trained"])
    text = client.get_run(report.run_id).data.tags["mlflow.note.content"]
    assert text.startswith("# Table")
    assert new.run_id in text
    assert old.run_id not in text
    assert hand_run.run_id not in text
    assert "never trained" not in text


@pytest.mark.parametrize(
    ("failure", "status"), [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_run_ends_as_its_block_does(
    tracker: Tracker, client: MlflowClient, failure: type[BaseException] | None, status: str
) -> None:
    def block() -> None:
        with tracker.closing():
            if failure:
                raise failure

    if failure:
        with pytest.raises(failure):
            block()
    else:
        block()
    assert client.get_run(tracker.run_id).info.status == status


def test_a_dead_server_is_mentioned_once_and_does_not_raise(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tracker = Tracker(DEAD, str(tmp_path), EXPERIMENT).start("espcn", {}, {"lr": 0.1})
    with tracker.closing():
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, 0)
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 0)
        tracker.dataset("data", "pixels")
        tracker.table([{"a": 1}], "table.json")
        tracker.artifact(tmp_path, "folder")
        tracker.describe("text", ["espcn"])
    error = capfd.readouterr().err
    assert error.count("does not answer") == 1
    assert error.splitlines()[-1].startswith(f"MLflow at {DEAD} does not answer, so this run is not complete there: ")


def test_a_store_that_fails_midway_is_mentioned_once(
    tracker: Tracker, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full\nand more")

    monkeypatch.setattr(tracker.client, "log_batch", fail)
    for epoch in range(3):
        tracker.metrics({"lr": 0.1}, epoch)
    assert capfd.readouterr().err.splitlines() == [
        f"MLflow at {tracker.uri} does not answer, so this run is not complete there: disk full"
    ]


def test_calls_to_a_dead_server_are_not_repeated_for_minutes() -> None:
    """MLflow's defaults keep one call waiting for 251 s; `srlab.tracking` lowers them before it imports mlflow."""
    assert int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) <= 1
    assert int(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 10


def test_processes_of_further_devices_stay_silent(
    make: Callable[[], Tracker], tracker: Tracker, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")  # as Lightning marks the processes that it starts
    follower = make().start("espcn", {}, {}, tracker.run_id)
    with follower.closing():
        follower.metrics({"val/psnr": 1.0, "lr": 0.1}, 0)
    assert follower.run_id == tracker.run_id
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.metrics) == ("RUNNING", {})


def open_run(folder: Path) -> None:
    tracker = Tracker(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"), EXPERIMENT).start("one", {}, {})
    with tracker.closing():
        tracker.metrics({"val/psnr": 28.0}, 0)


def test_processes_that_create_one_store_at_once_all_succeed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fork = multiprocessing.get_context("fork")  # `spawn` would import mlflow three times and blunt the race
    processes = [fork.Process(target=open_run, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert "does not answer" not in capfd.readouterr().err
    store = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = (one for one in store.search_experiments() if one.name == EXPERIMENT)
    runs = store.search_runs([experiment.experiment_id])
    assert [(run.info.status, run.data.metrics) for run in runs] == [("FINISHED", {"val/psnr": 28.0})] * 3
