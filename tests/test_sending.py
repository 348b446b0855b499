"""A training that is live: another process sends what it notes, and no end of either of them loses anything.

Starting that process takes seconds, for it imports mlflow; so does a server. Hence few tests, which look at much.
"""

import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from srlab.cli import main
from srlab.outbox import header, journals, num_waiting
from srlab.sending import send
from srlab.tracking import Tracker

EXPERIMENT = "srlab"
DEAD = "http://127.0.0.1:9"  # the port `discard`, where nothing listens
PROCESSES, EPOCHS = 8, 20
GIVE_UP = 120  # seconds, so that a hang ends; no claim about speed


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, MlflowClient]:
    """A sqlite store with the experiment; it takes seconds to create."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    client.create_experiment(EXPERIMENT, f"file://{folder}/artifacts")
    return uri, client


def runs(client: MlflowClient) -> list[Any]:
    (experiment,) = (one for one in client.search_experiments() if one.name == EXPERIMENT)
    return list(client.search_runs([experiment.experiment_id]))


def steps(client: MlflowClient, run_id: str, key: str) -> list[int]:
    return [metric.step for metric in client.get_metric_history(run_id, key)]


def until(met: Callable[[], bool]) -> None:
    give_up = time.monotonic() + GIVE_UP
    while not met():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.02)


TRAINING = """
import sys, time
from pathlib import Path
from srlab.tracking import Tracker
uri, folder, key, first = sys.argv[1:]
tracker = Tracker(uri, folder, "srlab", folder + "/outbox", live=True).start("espcn", {}, {"lr": 0.1}, key)
Path(folder, "key").write_text(tracker.run_id)
with tracker.closing():
    for epoch in range(int(first), 10**6):  # until it is killed, however slow the machine
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
        time.sleep(0.1)
"""


def test_what_a_live_training_tells_is_in_mlflow_when_it_has_ended(
    store: tuple[str, MlflowClient], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri, client = store
    tracker = Tracker(uri, "", EXPERIMENT, str(tmp_path / "outbox"), live=True)
    with tracker.start("espcn", {}, {"lr": 0.1}).closing():
        assert tracker.run_id.startswith("local-")
        tracker.metrics({"lr": 0.1}, 0)
        run_id = tracker.known_id()
        tracker.metrics({"lr": 0.1}, 1)
    assert tracker.run_id == run_id
    assert client.get_run(run_id).info.status == "FINISHED"
    assert steps(client, run_id, "lr") == [0, 1]
    assert list((tmp_path / "outbox").iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_training_that_is_killed_leaves_a_sender_that_ends_its_work(
    store: tuple[str, MlflowClient], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C reaches both; it ends the training alone. What a kill of both would leave, the next one sends."""
    uri, client = store
    words = [sys.executable, "-c", TRAINING, uri, str(tmp_path)]
    training = subprocess.Popen([*words, "", "0"], start_new_session=True)
    until(lambda: bool(list(tmp_path.glob("outbox/*.sent"))))
    key = (tmp_path / "key").read_text()
    training.kill()
    training.wait()
    until(lambda: not journals(tmp_path / "outbox"))
    (killed,) = (run for run in runs(client) if run.data.tags["srlab.key"] == key)
    assert killed.info.status == "KILLED"
    num_epochs = len(steps(client, killed.info.run_id, "lr"))
    assert steps(client, killed.info.run_id, "lr") == list(range(num_epochs))

    goes_on = [killed.info.run_id, str(max(num_epochs - 3, 0))]  # with some epochs that it has told already
    training = subprocess.Popen([*words, *goes_on], start_new_session=True)
    until(lambda: steps(client, killed.info.run_id, "lr")[num_epochs:] != [])
    os.killpg(training.pid, signal.SIGINT)
    training.wait()
    assert client.get_run(killed.info.run_id).info.status == "KILLED"
    epochs = steps(client, killed.info.run_id, "lr")
    assert epochs == list(range(len(epochs)))
    assert journals(tmp_path / "outbox") == []
    assert [line for line in capfd.readouterr().err.splitlines() if "MLflow" in line] == []


def test_a_server_that_never_answers_is_mentioned_once_and_loses_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(DEAD, str(tmp_path), EXPERIMENT, str(tmp_path / "outbox"), live=True)
    (tmp_path / "file.txt").write_text("1")
    with tracker.start("espcn", {}, {"lr": 0.1}).closing():
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, 0)
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 0)
        tracker.dataset("data", "pixels")
        tracker.table([{"a": 1}], "table.json")
        tracker.artifact(tmp_path / "file.txt", "folder")
        tracker.describe("text", ["espcn"])
    (journal,) = journals(tmp_path / "outbox")
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"MLflow at {DEAD} does not answer (")
    assert line.endswith(f"): 8 entries wait in {journal}, `srlab send` brings them there")
    assert tracker.run_id == header(journal)["key"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(["send", "--outbox", "outbox"])
    assert re.fullmatch(
        rf"error: {DEAD} does not answer \(.*\): 8 entries in 1 files still wait in outbox, .*", str(caught.value)
    )
    assert num_waiting(journal) == 8


class Server:
    """A real tracking server on a sqlite store; its artifacts go through it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"
        self.store = f"sqlite:///{folder}/mlflow.db"

    def start(self) -> None:
        options = {
            "--port": str(self.port),
            "--workers": "1",
            "--backend-store-uri": self.store,
            "--artifacts-destination": str(self.folder / "artifacts"),
        }
        words = [word for option in options.items() for word in option]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, "the server ended"
        try:
            return urllib.request.urlopen(f"{self.uri}/health").status == 200
        except OSError:
            return False

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_server_that_dies_in_mid_run_gets_the_rest_by_one_command(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(server.uri, "", EXPERIMENT, str(tmp_path / "outbox"), live=True)
    (tmp_path / "best.safetensors").write_bytes(b"weights")
    with tracker.start("espcn", {"srlab.method": "espcn"}, {"lr": 0.1}).closing():
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 0)
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, 0)
        (journal,) = journals(tmp_path / "outbox")
        until(lambda: tracker.run_id == tracker.known_id() and num_waiting(journal) == 0)
        server.kill()
        for epoch in range(1, 4):
            tracker.metrics({"val/psnr": 28.0 + epoch, "lr": 0.1}, epoch)
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 3)
        tracker.artifact(tmp_path / "best.safetensors", "checkpoint")
        tracker.tags({"srlab.label": "ESPCN"})
    run_id = tracker.run_id
    (tmp_path / "best.safetensors").unlink()
    assert "7 entries wait in" in capfd.readouterr().err
    server.start()
    main(["send", "--outbox", str(tmp_path / "outbox")])
    assert capfd.readouterr().out == f"{journal.name}: 7 entries sent to {server.uri}, run {run_id}\n"

    client = MlflowClient(server.uri)
    (run,) = runs(client)
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    history = client.get_metric_history(run_id, "val/psnr")
    assert [(metric.step, metric.value) for metric in history] == [(epoch, 28.0 + epoch) for epoch in range(4)]
    assert run.data.params == {"lr": "0.1"}
    assert run.data.tags.items() >= {"srlab.method": "espcn", "srlab.label": "ESPCN"}.items()
    assert len(client.list_artifacts(run_id, "images")) == 4  # two of them, in two sizes
    checkpoint = client.download_artifacts(run_id, "checkpoint/best.safetensors", str(tmp_path))
    assert Path(checkpoint).read_bytes() == b"weights"
    main(["send", "--outbox", str(tmp_path / "outbox")])
    assert capfd.readouterr().out.startswith("nothing waits in ")


def train(folder: str, number: int, together: Any) -> None:
    uri, outbox = f"sqlite:///{folder}/mlflow.db", Path(folder, "outbox")
    tracker = Tracker(uri, f"{folder}/artifacts", EXPERIMENT, str(outbox), live=False)
    tracker.start(f"run {number}", {}, {"number": number})
    for epoch in range(EPOCHS):
        tracker.metrics({"val/psnr": number + epoch, "lr": 0.1}, epoch)
    with tracker.closing():
        pass
    together.wait()
    send(outbox)


def test_eight_processes_at_once_lose_nothing_in_one_new_sqlite_store(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """They create the store, and send whatever is in the outbox, all at the same time."""
    server = multiprocessing.get_context("forkserver")  # which imports once; a fork of this process is full of threads
    server.set_forkserver_preload(["pytest", "srlab.cli", "srlab.sending", "mlflow.store.tracking.sqlalchemy_store"])
    together = server.Barrier(PROCESSES)
    workers = [server.Process(target=train, args=(str(tmp_path), number, together)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert "lock" not in "".join(capfd.readouterr()).replace("unlock", "")
    assert journals(tmp_path / "outbox") == []
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    found = {run.info.run_name: run for run in runs(client)}
    assert sorted(found) == [f"run {number}" for number in range(PROCESSES)]
    for number in range(PROCESSES):
        run = found[f"run {number}"]
        assert (run.info.status, run.data.params) == ("FINISHED", {"number": str(number)})
        history = client.get_metric_history(run.info.run_id, "val/psnr")
        assert [metric.value for metric in history] == [number + epoch for epoch in range(EPOCHS)]


def test_calls_to_a_dead_server_are_not_repeated_for_minutes() -> None:
    """MLflow's defaults keep one call waiting for 251 s; `srlab.delivery` lowers them before it imports mlflow."""
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"  # a repeated call could open a run twice, too
    assert int(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 10
