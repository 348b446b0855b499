"""Trainings are followed by a process that sends what they note, and no end of any of them loses anything.

Starting that process takes seconds, for it imports mlflow; so few tests start one. In the others a thread does its
work.
"""

import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from test_delivery import FAULTS, PARENT, Flaky, Killed, Store
from werkzeug.serving import make_server

from srlab.cli import main
from srlab.tracking.journal import header, is_held, journals, num_waiting, sending
from srlab.tracking.sender import Sender
from srlab.tracking.sending import AT_ONCE, Follower, follow, send
from srlab.tracking.tracker import Tracker

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
    """Stands for the process of a sender; `kill` ends it at the next look at its standard input."""

    def __init__(self, outbox: Path, **how: Any) -> None:
        self._reading, writing = os.pipe()
        self.stdin = os.fdopen(writing, "wb")
        self._thread = Thread(target=lambda: follow(outbox, self._reading, **how), daemon=True)
        self._thread.start()

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else 0

    def kill(self) -> None:
        self.stdin.close()

    def wait(self) -> None:
        pass


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower that does not wait, and is a thread; and no questions to Git."""
    monkeypatch.setattr("srlab.tracking.sending.POLL", 0.01)
    monkeypatch.setattr("srlab.tracking.sender._process", Beside)
    monkeypatch.setattr("srlab.tracking.tracker.code_tags", dict)


def start(outbox: Path, uri: str = "http://store", tags: dict[str, str] | None = None, **how: Any) -> Tracker:
    tracker = Tracker(uri, str(outbox.parent / "artifacts"), EXPERIMENT, str(outbox), how.get("live", False))
    return tracker.start("espcn", tags or {}, {"lr": 0.1})


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
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_lost_or_doubled_whoever_is_killed(
    acts: list[tuple[str, int]], faults: list[tuple[int, str]]
) -> None:
    """A sweep and two trials below it, and their follower, of which each may be killed at any time.

    Args:
        acts: what happens, and to which of the three.
        faults: (fine calls before it, kind) of each.
    """
    store, pending = Store(), iter([kind for gap, fault in faults for kind in [*["fine"] * gap, fault]])

    def born() -> Follower:
        return Follower(lambda _: Flaky(store, pending))

    with tempfile.TemporaryDirectory() as folder:
        outbox, follower = Path(folder, "outbox"), born()
        parent = start(outbox)
        writing = {0: parent, **{number: start(outbox, tags={PARENT: parent.run_id}) for number in (1, 2)}}
        keys = [tracker.run_id for tracker in writing.values()]
        del parent
        told, status = [0, 0, 0], ["KILLED"] * 3

        def turn(follower: Follower) -> Follower:
            try:
                follower.round(journals(outbox), closed=True)
            except Killed:
                return born()
            return follower

        for act, number in acts:
            if act == "round":
                follower = turn(follower)
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
            follower = turn(follower)
        assert journals(outbox) == []
    assert len(store.runs) == 3
    runs = [run_of(store, key) for key in keys]
    assert [run.info.status for run in runs] == status
    assert [run.data.tags[PARENT] for run in runs[1:]] == [runs[0].info.run_id] * 2
    arrived = {run.info.run_id: [one[3] for one in store.metrics if one[0] == run.info.run_id] for run in runs}
    assert list(arrived.values()) == [list(range(number)) for number in told]


@pytest.mark.usefixtures("quickly")
def test_what_a_killed_training_left_goes_where_the_one_that_goes_on_goes(tmp_path: Path) -> None:
    """In a copy of a project's folder, the journal names the store of the folder that it was copied from."""
    stores: dict[str, Store] = {}
    follower = Follower(lambda uri: stores.setdefault(uri, Store()))
    killed = start(tmp_path, "http://there")
    killed.metrics({"lr": 0.1}, 0)
    key = killed.run_id
    del killed
    goes_on = Tracker("http://here", str(tmp_path / "artifacts"), EXPERIMENT, str(tmp_path), False)
    goes_on.start("espcn", {}, {"lr": 0.1}, key).metrics({"lr": 0.1}, 1)
    for _ in range(3):
        follower.round(journals(tmp_path))
    assert list(stores) == ["http://here"]
    assert [one[3] for one in stores["http://here"].metrics] == [0, 1]
    close(goes_on)


@pytest.mark.usefixtures("quickly")
def test_a_long_journal_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    store = Store()
    long, short = start(tmp_path), start(tmp_path)
    for number in range(10 * AT_ONCE):
        long.tags({"number": str(number)})
    short.tags({"number": "0"})
    close(short)
    follower = Follower(lambda _: store)
    assert follower.round(journals(tmp_path))  # there is more
    assert run_of(store, short.run_id).info.status == "FINISHED"
    assert int(run_of(store, long.run_id).data.tags["number"]) < AT_ONCE
    while follower.round(journals(tmp_path)):
        pass
    assert run_of(store, long.run_id).data.tags["number"] == str(10 * AT_ONCE - 1)


@pytest.mark.usefixtures("quickly")
def test_a_store_that_is_dead_is_mentioned_once_and_holds_up_no_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tries, clock = Store(), [0], [0.0]
    monkeypatch.setattr("srlab.tracking.sending.POLL", 0.3)
    monkeypatch.setattr("srlab.tracking.sending.time.monotonic", lambda: clock[0])

    def client(uri: str) -> Store:
        if uri == DEAD:
            tries[0] += 1
            raise requests.ConnectionError("refused\nand more")
        return store

    dead, alive = [start(tmp_path, DEAD) for _ in range(3)], start(tmp_path)
    follower = Follower(client)
    for epoch in range(600):
        clock[0] += 1.0
        alive.metrics({"lr": 0.1}, epoch)
        before = tries[0]
        follower.round(journals(tmp_path))
        assert tries[0] - before <= 1  # for each may take as long as a server that swallows what it is sent
    assert [one[3] for one in store.metrics] == list(range(600))
    assert 3 * 600 / 60 <= tries[0] < 3 * (600 / 60 + 8)  # in 10 minutes; 8 pauses are shorter than one
    text = f"MLflow at {DEAD} does not answer, so what it is told waits in {tmp_path}: refused\n"
    assert capfd.readouterr().err == text
    waiting = journals(tmp_path)[:3]
    assert [num_waiting(path) for path in waiting] == [1, 1, 1]
    del dead, alive


@pytest.mark.usefixtures("quickly")
def test_an_entry_that_fails_again_and_again_holds_up_no_other_run(tmp_path: Path) -> None:
    """A file of it is lost, say, which no other try brings back."""
    store = Store()
    first, second = start(tmp_path), start(tmp_path)
    (tmp_path / "file").write_text("1")
    first.artifact(tmp_path / "file", "")
    next(tmp_path.glob("*.files/0/file")).unlink()
    close(first)
    close(second)
    follower = Follower(lambda _: store)
    for _ in range(2):
        follower.round(journals(tmp_path), closed=True)
    assert run_of(store, second.run_id).info.status == "FINISHED"
    assert len(journals(tmp_path)) == 1


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("num_killed", [0, 1, 3])
def test_when_who_started_it_is_gone_it_sends_what_is_left_and_ends(tmp_path: Path, num_killed: int) -> None:
    """What somebody still writes is sent as far as it goes, and left open."""
    store = Store()
    written, killed = start(tmp_path), [start(tmp_path) for _ in range(num_killed)]
    written.metrics({"lr": 0.1}, 0)
    key, keys = written.run_id, [tracker.run_id for tracker in killed]
    killed.clear()
    reading, writing = os.pipe()
    os.close(writing)
    follow(tmp_path, reading, lambda _: store)
    assert [run_of(store, key).info.status for key in keys] == ["KILLED"] * num_killed
    (left,) = journals(tmp_path)
    assert is_held(left)
    assert run_of(store, key).info.status == "RUNNING"
    assert [one[3] for one in store.metrics] == [0]


@pytest.mark.usefixtures("quickly")
def test_an_empty_outbox_takes_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srlab.tracking.sending.time.sleep", pytest.fail)
    reading, writing = os.pipe()
    os.close(writing)
    follow(tmp_path / "outbox", reading, pytest.fail)
    assert list((tmp_path / "outbox").iterdir()) == []


@pytest.mark.usefixtures("quickly")
def test_a_second_follower_waits_for_the_first_and_takes_over(tmp_path: Path) -> None:
    stores = [Store(), Store()]
    followers = [Beside(tmp_path, make_client=lambda _, one=one: one) for one in stores]
    close(start(tmp_path))
    until(lambda: not journals(tmp_path))
    assert sorted(len(store.runs) for store in stores) == [0, 1]
    first, second = sorted(followers, key=lambda one: not stores[followers.index(one)].runs)
    first.kill()
    until(lambda: first.poll() == 0)
    close(start(tmp_path))
    until(lambda: not journals(tmp_path))
    assert [len(store.runs) for store in stores] == [1, 1]
    second.kill()
    until(lambda: second.poll() == 0)


def test_what_is_followed_is_not_sent_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    close(start(tmp_path))
    with sending(tmp_path, alone=True):
        send(tmp_path, make_client=pytest.fail)
    assert capsys.readouterr().out == f"{tmp_path}: sent by a process that is still running, and left to it\n"


@pytest.mark.usefixtures("quickly")
def test_what_a_live_training_tells_is_in_mlflow_when_it_has_ended(
    store: tuple[str, MlflowClient], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri, client = store
    tracker = start(tmp_path / "outbox", uri, live=True)
    with tracker.closing():
        tracker.metrics({"lr": 0.1}, 0)
        run_id = tracker.known_id()
        tracker.metrics({"lr": 0.1}, 1)
    assert tracker.run_id == run_id
    assert client.get_run(run_id).info.status == "FINISHED"
    assert steps(client, run_id, "lr") == [0, 1]
    assert list((tmp_path / "outbox").iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_one_process_sends_what_a_sweep_and_its_trials_tell(
    store: tuple[str, MlflowClient], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri, client = store
    left = start(tmp_path, uri)
    left_key = left.run_id
    del left  # as of a training that was killed some time before
    with Sender(tmp_path) as sender:
        sweep = start(tmp_path, uri)
        assert sweep.run_id.startswith("local-")
        with sweep.closing():
            sweep_id = sweep.known_id(sender)
            assert client.get_run(sweep_id).info.status == "RUNNING"
            for number in range(3):
                trial = start(tmp_path, uri, {PARENT: sweep_id, "number": str(number)})
                trial.metrics({"lr": 0.1}, 0)
                close(trial)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert client.get_run(sweep_id).info.status == "FINISHED"
    trials = [run for run in runs(client) if run.data.tags.get(PARENT) == sweep_id]
    assert sorted(run.data.tags["number"] for run in trials) == ["0", "1", "2"]
    assert {(run.info.status, run.data.metrics["lr"]) for run in trials} == {("FINISHED", 0.1)}
    assert [run.info.status for run in runs(client) if run.data.tags["srlab.key"] == left_key] == ["KILLED"]


@pytest.mark.usefixtures("quickly")
def test_a_sender_of_many_says_in_one_line_what_is_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Sender(tmp_path) as sender:
        sweep = start(tmp_path, DEAD)
        assert sweep.known_id(sender) == sweep.run_id
        assert sweep.run_id.startswith("local-")
        close(start(tmp_path, DEAD))
        close(sweep)
        written = start(tmp_path, DEAD)  # by somebody else, who is not waited for
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"MLflow at {DEAD} does not answer (")
    assert line.endswith(f"): 4 entries wait in 2 files of {tmp_path}, `srlab send` brings them there")
    close(written)


TRAINING = """
import signal, sys, time
from pathlib import Path
from srlab.tracking.tracker import Tracker
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
uri, folder, key, first = sys.argv[1:]
tracker = Tracker(uri, folder, "srlab", folder + "/outbox", live=True).start("espcn", {}, {"lr": 0.1}, key)
Path(folder, "key").write_text(tracker.run_id)
with tracker.closing():
    for epoch in range(int(first), 10**6):  # until it is killed, however slow the machine
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
        time.sleep(0.1)
"""


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


@pytest.mark.usefixtures("quickly")
def test_a_server_that_never_answers_loses_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srlab.tracking.sending.WARN_AFTER", 10**6)  # over before, without `quickly`
    tracker = start(tmp_path / "outbox", DEAD, live=True)
    (tmp_path / "file.txt").write_text("1")
    with tracker.closing():
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
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(server.uri, "", "on the server", str(tmp_path / "outbox"), live=True)
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


def test_eight_processes_at_once_lose_nothing_in_one_new_sqlite_store(
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
