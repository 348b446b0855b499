"""Real processes, a real store and a real server: no end of any of them loses anything."""

import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from fake_mlflow import EXPERIMENT, close, start
from mlflow import MlflowClient
from test_sender import GIVE_UP, until
from werkzeug.serving import make_server

from srlab.cli import main
from srlab.tracking.journal import journals, num_waiting
from srlab.tracking.sender import LOG, is_followed, send
from srlab.tracking.tracker import Tracker

PROCESSES, EPOCHS = 3, 10
IMAGE = np.zeros((4, 4, 3), np.uint8)


def runs(client: MlflowClient, name: str = EXPERIMENT) -> list[Any]:
    (experiment,) = (one for one in client.search_experiments() if one.name == name)
    return list(client.search_runs([experiment.experiment_id]))


TRAINING = """
import signal, sys, time
from pathlib import Path
from srlab.tracking.tracker import Tracker
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
uri, folder, key, first, last = sys.argv[1:]
tracker = Tracker(uri, folder, "srlab", folder + "/outbox", live=True).start("espcn", {}, {"lr": 0.1}, key)
Path(folder, "key").write_text(tracker.run_id)
with tracker.closing():
    for epoch in range(int(first), int(last)):
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
        time.sleep(0.1)
"""


def test_one_process_serves_trainings_one_after_the_other_whoever_is_killed(
    sqlite: Callable[[Path], str], tmp_path: Path
) -> None:
    """Ctrl-C reaches the training alone, which says how it ended; what a SIGKILL left is sent, too."""
    uri = sqlite(tmp_path)
    client = MlflowClient(uri)
    words = [sys.executable, "-c", TRAINING, uri, str(tmp_path)]
    training = subprocess.Popen([*words, "", "0", str(10**6)], start_new_session=True)
    until(lambda: bool(list(tmp_path.glob("outbox/*.sent"))))
    key = (tmp_path / "key").read_text()
    training.kill()
    training.wait()
    until(lambda: not journals(tmp_path / "outbox"))
    (killed,) = runs(client)
    run_id = killed.info.run_id

    def seen() -> tuple[str, list[int]]:
        steps = [metric.step for metric in client.get_metric_history(run_id, "lr")]
        return client.get_run(run_id).info.status, steps

    status, epochs = seen()
    assert (killed.data.tags["srlab.key"], status, epochs) == (key, "KILLED", list(range(len(epochs))))

    resumed = [run_id, str(max(len(epochs) - 3, 0)), str(10**6)]  # with some epochs that it has told already
    training = subprocess.Popen([*words, *resumed], start_new_session=True)
    until(lambda: seen()[1] != epochs)
    os.killpg(training.pid, signal.SIGINT)
    training.wait()
    status, epochs = seen()
    assert (status, epochs) == ("KILLED", list(range(len(epochs))))

    last = str(len(epochs) + 1)
    ended = subprocess.run([*words, run_id, str(len(epochs)), last], capture_output=True, timeout=GIVE_UP, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")  # and no pipe was left open, which `run` would wait for
    assert seen() == ("FINISHED", [*epochs, len(epochs)])
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [LOG]
    assert is_followed(tmp_path / "outbox")
    shutil.rmtree(tmp_path / "outbox")  # it ends by that


class Server:
    """MLflow's tracking server, which answers in threads of this process; its artifacts go through it."""

    port = 0  # any at first, then the same again

    def start(self) -> None:
        from mlflow.server import app

        self._server = make_server("127.0.0.1", self.port, app, threaded=True)
        self.port = self._server.port
        Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(sqlite: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    settings = {  # as `mlflow server` passes its options on
        "_MLFLOW_SERVER_FILE_STORE": sqlite(tmp_path),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(tmp_path / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server()
    server.start()
    yield server
    server.kill()


@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi")  # of the import of the server, whose own it is
@pytest.mark.usefixtures("quickly")
def test_a_server_that_dies_in_mid_run_gets_the_rest_by_one_command(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srlab.tracking.sender.RETRY", 1000.0)  # the command is to be faster
    tracker = Tracker(server.uri, "", "on the server", str(tmp_path / "outbox"), live=True)
    (tmp_path / "best.safetensors").write_bytes(b"weights")
    with tracker.start("espcn", {"srlab.method": "espcn"}, {"lr": 0.1}).closing():
        tracker.image(IMAGE, "validation", 0)
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, 0)
        (journal,) = journals(tmp_path / "outbox")
        until(lambda: num_waiting(journal) == 0)
        run_id = tracker.known_id()
        server.kill()
        for epoch in range(1, 4):
            tracker.metrics({"val/psnr": 28.0 + epoch, "lr": 0.1}, epoch)
        tracker.image(IMAGE, "validation", 3)
        tracker.artifact(tmp_path / "best.safetensors", "checkpoint")
        tracker.tags({"srlab.label": "ESPCN"})
    assert tracker.run_id == run_id
    (tmp_path / "best.safetensors").unlink()
    assert "7 entries wait in" in capfd.readouterr().err
    server.start()
    main(["send", "--outbox", str(tmp_path / "outbox")])
    assert capfd.readouterr().out == f"{journal.name}: 7 entries sent to {server.uri}, run {run_id}\n"

    client = MlflowClient(server.uri)
    (run,) = runs(client, "on the server")
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


def train(folder: Path, number: int, together: Any) -> None:
    tracker = start(folder / "outbox", f"sqlite:///{folder}/mlflow.db", params={"number": number})
    for epoch in range(EPOCHS):
        tracker.metrics({"val/psnr": number + epoch, "lr": 0.1}, epoch)
    close(tracker)
    together.wait()
    send(folder / "outbox")


def test_processes_at_once_lose_nothing_in_one_new_sqlite_store(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They create the store, and send whatever is in the outbox, all at the same time."""
    server = multiprocessing.get_context("forkserver")  # which imports once; a fork of this process is full of threads
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)  # by which it finds this file
    server.set_forkserver_preload(["pytest", __name__, "mlflow.store.tracking.sqlalchemy_store"])
    together = server.Barrier(PROCESSES)
    workers = [server.Process(target=train, args=(tmp_path, number, together)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert "lock" not in "".join(capfd.readouterr()).replace("unlock", "")
    assert journals(tmp_path / "outbox") == []
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    found = sorted(runs(client), key=lambda run: run.data.params["number"])
    assert [(run.info.status, run.data.params) for run in found] == [
        ("FINISHED", {"number": str(number)}) for number in range(PROCESSES)
    ]
    for number, run in enumerate(found):
        history = client.get_metric_history(run.info.run_id, "val/psnr")
        assert [metric.value for metric in history] == [number + epoch for epoch in range(EPOCHS)]
