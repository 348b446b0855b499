"""Trainings have a process beside them that sends what they note, and no end of any of them loses anything.

Starting that process takes seconds, for it imports mlflow; so few tests start one. In the others a thread does its
work.
"""

import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import requests
from fake_mlflow import FAULTS, Flaky, Killed, Store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from werkzeug.serving import make_server

from srlab.cli import main
from srlab.errors import SrlabError
from srlab.tracking.journal import PARENT, Progress, header, journals, num_waiting
from srlab.tracking.sender import LOG, Outbox, _alone, is_followed, send, serve
from srlab.tracking.tracker import Tracker

EXPERIMENT = "srlab"
DEAD = "http://127.0.0.1:9"  # the port `discard`, where nothing listens
PROCESSES, EPOCHS = 4, 10
GIVE_UP = 120  # seconds, so that a hang ends; no claim about speed


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, MlflowClient]:
    """A sqlite store with the experiment; it takes seconds to create."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    client.create_experiment(EXPERIMENT, f"file://{folder}/artifacts")
    return uri, client


def runs(client: MlflowClient, name: str = EXPERIMENT) -> list[Any]:
    (experiment,) = (one for one in client.search_experiments() if one.name == name)
    return list(client.search_runs([experiment.experiment_id]))


def steps(client: MlflowClient, run_id: str, key: str) -> list[int]:
    return [metric.step for metric in client.get_metric_history(run_id, key)]


def until(met: Callable[[], bool]) -> None:
    give_up = time.monotonic() + GIVE_UP
    while not met():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.02)


class Beside:
    """Stands for the process that sends."""

    def __init__(self, outbox: Path) -> None:
        self._thread = Thread(target=serve, args=[outbox], daemon=True)
        self._thread.start()

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else 0


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that does not wait, and is a thread; and no questions to Git."""
    monkeypatch.setattr("srlab.tracking.sender.POLL", 0.01)
    monkeypatch.setattr("srlab.tracking.sender.LINGER", 0.1)
    monkeypatch.setattr("srlab.tracking.sender.RETRY", 0.0)
    monkeypatch.setattr("srlab.tracking.sender._process", Beside)
    monkeypatch.setattr("srlab.tracking.tracker.code_tags", dict)


def start(outbox: Path, uri: str = "http://store", tags: dict[str, str] | None = None, **how: Any) -> Tracker:
    tracker = Tracker(uri, str(outbox.parent / "artifacts"), EXPERIMENT, str(outbox), how.get("live", False))
    return tracker.start("espcn", tags or {}, {"lr": 0.1}, how.get("key", ""))


def close(tracker: Tracker) -> None:
    with tracker.closing():
        pass


def run_of(store: Store, key: str) -> Any:
    (run,) = (run for run in store.runs.values() if key in (run.info.run_id, run.data.tags["srlab.key"]))
    return run


ACTS = ("tell", "tell", "round", "round", "end", "kill")


@pytest.mark.usefixtures("quickly")
@given(
    st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 2)), max_size=40),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(list(FAULTS))), max_size=12),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_lost_or_doubled_whoever_is_killed(
    acts: list[tuple[str, int]], faults: list[tuple[int, str]]
) -> None:
    """A sweep and two trials below it, and their sender, of which each may be killed at any time.

    Args:
        acts: what happens, and to which of the three.
        faults: (fine calls before it, kind) of each.
    """
    store, pending = Store(), iter([kind for gap, fault in faults for kind in [*["fine"] * gap, fault]])
    with tempfile.TemporaryDirectory() as folder:
        outbox = Path(folder, "outbox")

        def born() -> Outbox:
            return Outbox(outbox, make_client=lambda _: Flaky(store, pending))

        def turn(sender: Outbox) -> Outbox:
            try:
                sender.round()
            except Killed:
                return born()
            return sender

        parent, sender = start(outbox), born()
        writing = {0: parent, **{number: start(outbox, tags={PARENT: parent.run_id}) for number in (1, 2)}}
        keys = [tracker.run_id for tracker in writing.values()]
        del parent
        told, status = [0, 0, 0], ["KILLED"] * 3
        for act, number in acts:
            if act == "round":
                sender = turn(sender)
            elif number not in writing:
                continue
            elif act == "tell":
                writing[number].metrics({"lr": 0.1}, told[number])
                told[number] += 1
            else:
                tracker = writing.pop(number)
                if act == "end":
                    close(tracker)
                    status[number] = "FINISHED"
                del tracker
        writing.clear()
        for _ in range(100):
            sender = turn(sender)
        assert journals(outbox) == []
    assert len(store.runs) == 3
    runs = [run_of(store, key) for key in keys]
    assert [run.info.status for run in runs] == status
    assert [run.data.tags[PARENT] for run in runs[1:]] == [runs[0].info.run_id] * 2
    arrived = {run.info.run_id: [one[3] for one in store.metrics if one[0] == run.info.run_id] for run in runs}
    assert list(arrived.values()) == [list(range(number)) for number in told]


@pytest.mark.usefixtures("quickly")
def test_what_is_damaged_harms_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store, before, after = Store(), start(tmp_path), start(tmp_path)
    first, second = journals(tmp_path)
    close(before)
    close(after)
    first.write_bytes(b"\x00" * 100)
    Progress("id").note(second)
    second.with_suffix(".sent").write_text('{"run_id": "')
    capfd.readouterr()
    send(tmp_path, make_client=lambda _: store)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == f"{first} has no header: damaged, set aside as {tmp_path}/set-aside/{first.name}"
    assert lines[1].startswith(f"{second.with_suffix('.sent')} is damaged")
    assert len(lines) == 2
    assert run_of(store, after.run_id).info.status == "FINISHED"
    assert journals(tmp_path) == []
    close(start(tmp_path, live=True, uri=DEAD))  # nor does it stop a training


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("is_silent", "tries"), [(True, 1), (False, 2)])
def test_a_failure_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_silent: bool, tries: int
) -> None:
    """A silent store is asked once for all its journals, since each time may take as long as a call waits."""
    store, asked, clock = Store(), [], [0.0]
    monkeypatch.setattr("srlab.tracking.sender.RETRY", 10.0)
    monkeypatch.setattr("srlab.tracking.sender.time.monotonic", lambda: clock[0])

    def client(uri: str) -> Store:
        if uri == DEAD:
            asked.append(uri)
            raise requests.ConnectionError("refused") if is_silent else RuntimeError("refused")
        return store

    bad = [start(tmp_path, DEAD) for _ in range(2)]
    good, outbox = start(tmp_path), Outbox(tmp_path, make_client=client)
    for epoch in range(40):
        clock[0] += 1.0
        good.metrics({"lr": 0.1}, epoch)
        outbox.round()
    assert [one[3] for one in store.metrics] == list(range(40))
    assert len(asked) == 4 * tries  # in 40 s
    said = f"MLflow at {DEAD} {'does not answer' if is_silent else 'fails'} (refused)"
    assert [Progress.of(path).failure for path in journals(tmp_path)] == [said, said, ""]
    with pytest.raises(SrlabError, match="2 entries in 2 files still wait"):
        close(good)
        send(tmp_path, make_client=client)
    assert run_of(store, good.run_id).info.status == "FINISHED"
    del bad


@pytest.mark.usefixtures("quickly")
def test_a_journal_waits_for_those_before_it_of_the_same_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store, first = Store(), start(tmp_path)
    first.metrics({"lr": 0.1}, 0)
    second = start(tmp_path, key=first.run_id)
    second.metrics({"lr": 0.1}, 1)
    close(second)
    send(tmp_path, make_client=lambda _: store)
    assert [one[3] for one in store.metrics] == [0]
    assert capfd.readouterr().out.endswith("nothing to send now, a process still writes to its run\n")
    close(first)
    send(tmp_path, make_client=lambda _: store)
    assert [one[3] for one in store.metrics] == [0, 1]
    assert len(store.runs) == 1


@pytest.mark.usefixtures("quickly")
def test_a_run_is_put_below_its_parent(tmp_path: Path) -> None:
    """By the parent's key, all that is known of it where nothing is sent at once, or by its id."""
    parent, store = start(tmp_path), Store()
    tags = [{PARENT: key} for key in (parent.run_id, "0123456789abcdef", "local-of-another-store")]
    children = [start(tmp_path, tags=tag) for tag in tags]
    outbox = Outbox(tmp_path, make_client=lambda _: store)
    outbox.round()  # the parent is written meanwhile
    below = [run_of(store, child.run_id).data.tags[PARENT] for child in children]
    assert below == [run_of(store, parent.run_id).info.run_id, "0123456789abcdef", "local-of-another-store"]


@pytest.mark.usefixtures("quickly")
def test_a_sender_serves_who_writes_and_ends_some_time_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, tracker = Store(), start(tmp_path)
    first = Thread(target=serve, args=[tmp_path, lambda _: store])
    first.start()
    until(lambda: len(store.runs) == 1)
    assert is_followed(tmp_path)
    serve(tmp_path, pytest.fail)  # a second one leaves the outbox to the first
    time.sleep(0.3)
    assert first.is_alive()
    killed = start(tmp_path)
    del killed
    close(tracker)
    first.join(GIVE_UP)
    assert [run.info.status for run in store.runs.values()] == ["FINISHED", "KILLED"]
    assert [path.name for path in tmp_path.iterdir()] == [LOG]
    assert not is_followed(tmp_path)
    monkeypatch.setattr("srlab.tracking.sender.LINGER", 1000.0)
    lingering = Thread(target=serve, args=[tmp_path])
    lingering.start()
    until(lambda: is_followed(tmp_path))
    shutil.rmtree(tmp_path)  # as of a test
    lingering.join(GIVE_UP)
    assert not lingering.is_alive()


@pytest.mark.usefixtures("quickly")
def test_a_sender_that_is_about_to_end_finds_who_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And started no other one."""
    store, late = Store(), []

    @contextmanager
    def alone(outbox: Path) -> Iterator[bool]:
        for tracker in late:
            close(tracker)
        with _alone(outbox) as is_alone:
            yield is_alone
            if not late:
                late.append(start(outbox))

    monkeypatch.setattr("srlab.tracking.sender._alone", alone)
    serve(tmp_path, lambda _: store)
    assert len(store.runs) == 1


@pytest.mark.usefixtures("quickly")
def test_a_live_run_is_in_mlflow_when_it_has_ended_and_so_are_its_trials(
    store: tuple[str, MlflowClient], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri, client = store
    sweep = start(tmp_path, uri, live=True)
    with sweep.closing():
        sweep.metrics({"lr": 0.1}, 0)
        run_id = sweep.known_id()
        for number in range(2):
            trial = start(tmp_path, uri, {PARENT: run_id, "number": str(number)})
            trial.metrics({"lr": 0.1}, 0)
            close(trial)
    assert sweep.run_id == run_id
    assert (client.get_run(run_id).info.status, steps(client, run_id, "lr")) == ("FINISHED", [0])
    trials = [run for run in runs(client) if run.data.tags.get(PARENT) == run_id]
    assert sorted(run.data.tags["number"] for run in trials) == ["0", "1"]
    assert {(run.info.status, run.data.metrics["lr"]) for run in trials} == {("FINISHED", 0.1)}
    assert [path.name for path in tmp_path.iterdir()] == [LOG]
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("quickly")
def test_what_the_process_said_is_shown_at_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it cannot import mlflow, say."""
    (tmp_path / LOG).write_text("of a run before\n")

    def broken(outbox: Path) -> Any:
        with (outbox / LOG).open("a") as log:
            log.write("no mlflow\n")
        return SimpleNamespace(poll=lambda: 1)

    monkeypatch.setattr("srlab.tracking.sender._process", broken)
    tracker = start(tmp_path, live=True)
    assert tracker.known_id().startswith("local-")
    close(tracker)
    *said, left = capfd.readouterr().err.splitlines()
    assert set(said) == {"no mlflow"}
    assert left.startswith("MLflow has not taken everything yet: 2 entries wait in ")


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
    store: tuple[str, MlflowClient], tmp_path: Path
) -> None:
    """Ctrl-C reaches the training alone, which says how it ended; what a SIGKILL left is sent, too."""
    uri, client = store
    words = [sys.executable, "-c", TRAINING, uri, str(tmp_path)]
    training = subprocess.Popen([*words, "", "0", str(10**6)], start_new_session=True)
    until(lambda: bool(list(tmp_path.glob("outbox/*.sent"))))
    key = (tmp_path / "key").read_text()
    training.kill()
    training.wait()
    until(lambda: not journals(tmp_path / "outbox"))
    (killed,) = (run for run in runs(client) if run.data.tags["srlab.key"] == key)
    run_id = killed.info.run_id
    assert client.get_run(run_id).info.status == "KILLED"
    num_epochs = len(steps(client, run_id, "lr"))
    assert steps(client, run_id, "lr") == list(range(num_epochs))

    resumed = [run_id, str(max(num_epochs - 3, 0)), str(10**6)]  # with some epochs that it has told already
    training = subprocess.Popen([*words, *resumed], start_new_session=True)
    until(lambda: steps(client, run_id, "lr")[num_epochs:] != [])
    os.killpg(training.pid, signal.SIGINT)
    training.wait()
    assert client.get_run(run_id).info.status == "KILLED"
    epochs = steps(client, run_id, "lr")
    assert epochs == list(range(len(epochs)))

    last = str(len(epochs) + 1)
    ended = subprocess.run([*words, run_id, str(len(epochs)), last], capture_output=True, timeout=GIVE_UP, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")  # and no pipe was left open, which `run` would wait for
    assert client.get_run(run_id).info.status == "FINISHED"
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [LOG]
    assert is_followed(tmp_path / "outbox")
    shutil.rmtree(tmp_path / "outbox")  # it ends by that
    assert not Path(tmp_path, "outbox").exists()


@pytest.mark.usefixtures("quickly")
def test_a_server_that_never_answers_loses_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = start(tmp_path / "outbox", DEAD, live=True)
    (tmp_path / "file.txt").write_text("1")
    with tracker.closing():
        assert tracker.known_id().startswith("local-")  # by now it is known to be dead
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, 0)
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, 1)
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 0)
        tracker.artifact(tmp_path / "file.txt", "folder")
    (journal,) = journals(tmp_path / "outbox")
    what = f"MLflow at {DEAD} does not answer ([Errno 111] Connection refused)"
    assert capfd.readouterr().err.splitlines() == [
        f"{what}: what it is told waits in {tmp_path}/outbox",
        f"{what}: 6 entries wait in {journal}, `srlab send` sends them",
    ]
    assert tracker.run_id == header(journal)["key"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="6 entries in 1 files still wait in outbox") as caught:
        main(["send", "--outbox", "outbox"])
    assert str(caught.value).startswith(f"error: {what}: ")
    assert num_waiting(journal) == 6


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
def server(store: tuple[str, MlflowClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    uri, _ = store
    settings = {  # as `mlflow server` passes its options on
        "_MLFLOW_SERVER_FILE_STORE": uri,
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
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 0)
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, 0)
        (journal,) = journals(tmp_path / "outbox")
        until(lambda: num_waiting(journal) == 0)
        run_id = tracker.known_id()
        server.kill()
        for epoch in range(1, 4):
            tracker.metrics({"val/psnr": 28.0 + epoch, "lr": 0.1}, epoch)
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 3)
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


def test_processes_at_once_lose_nothing_in_one_new_sqlite_store(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They create the store, and send whatever is in the outbox, all at the same time."""
    server = multiprocessing.get_context("forkserver")  # which imports once; a fork of this process is full of threads
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)  # by which it finds this file
    server.set_forkserver_preload(["pytest", __name__, "mlflow.store.tracking.sqlalchemy_store"])
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
    """MLflow's defaults keep one call waiting for 251 s; `delivery` lowers them before it imports mlflow."""
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"  # a repeated call could open a run twice, too
    assert int(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 10


def test_a_copied_project_sends_to_its_own_store(tmp_path: Path) -> None:
    """A training was killed in it, say: what waits there is not told to the original's MLflow."""
    project, copy = tmp_path / "project", tmp_path / "copy"
    tracker = start(project / "mlflow-outbox", f"sqlite:///{project}/mlflow.db", live=False)
    tracker.metrics({"val/psnr": 30.0}, step=0)
    shutil.copytree(project, copy)
    (left,) = journals(copy / "mlflow-outbox")
    assert header(left)["uri"] == f"sqlite:///{copy}/mlflow.db"
    assert header(left)["artifacts"] == str(copy / "artifacts")
    (original,) = journals(project / "mlflow-outbox")
    assert header(original)["uri"] == f"sqlite:///{project}/mlflow.db"
