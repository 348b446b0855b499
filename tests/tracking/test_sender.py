"""Whoever writes, fails or is killed: what trackers note is sent, once, in order, and holds up nobody.

The process that sends takes seconds to start, for it imports mlflow: here a thread does its work.
"""

import os
import shutil
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
from fake_mlflow import FAULTS, Flaky, Killed, Store, close, in_turn, start
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srlab.cli import main
from srlab.errors import SrlabError
from srlab.tracking.journal import PARENT, Progress, header, journals, num_waiting
from srlab.tracking.sender import LOG, Outbox, _alone, is_followed, send, serve

DEAD = "http://127.0.0.1:9"  # the port `discard`, where nothing listens
GIVE_UP = 120  # seconds, so that a hang ends; no claim about speed
pytestmark = pytest.mark.usefixtures("quickly")


def until(met: Callable[[], bool]) -> None:
    give_up = time.monotonic() + GIVE_UP
    while not met():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.02)


def run_of(store: Store, key: str) -> Any:
    (run,) = (run for run in store.runs.values() if key in (run.info.run_id, run.data.tags["srlab.key"]))
    return run


ACTS = ("tell", "tell", "round", "round", "end", "kill")


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
    """
    store, pending = Store(), in_turn(faults)
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


def test_what_is_damaged_harms_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store, before, after = Store(), start(tmp_path), start(tmp_path)
    first, second = journals(tmp_path)
    close(before)
    close(after)
    first.write_bytes(b"\x00" * 100)
    second.with_suffix(".sent").write_text('{"run_id": "')
    capfd.readouterr()
    send(tmp_path, make_client=lambda _: store)
    set_aside, again = capfd.readouterr().err.splitlines()
    assert set_aside == f"{first} has no header: damaged, set aside as {tmp_path}/set-aside/{first.name}"
    assert again.startswith(f"{second.with_suffix('.sent')} is damaged")
    assert run_of(store, after.run_id).info.status == "FINISHED"
    assert journals(tmp_path) == []
    close(start(tmp_path, live=True, uri=DEAD))  # nor does it stop a training


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


def test_a_run_is_put_below_its_parent(tmp_path: Path) -> None:
    """By the parent's key, all that is known of it where nothing is sent at once, or by its id."""
    parent, store, others = start(tmp_path), Store(), ["0123456789abcdef", "local-of-another-store"]
    children = [start(tmp_path, tags={PARENT: key}) for key in (parent.run_id, *others)]
    Outbox(tmp_path, make_client=lambda _: store).round()  # the parent is written meanwhile
    below = [run_of(store, child.run_id).data.tags[PARENT] for child in children]
    assert below == [run_of(store, parent.run_id).info.run_id, *others]


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


def test_a_server_that_never_answers_loses_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow's defaults keep one call waiting for 251 s, and a repeated one could open a run twice
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
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


def test_a_copied_project_sends_to_its_own_store(tmp_path: Path) -> None:
    """A training was killed in it, say: what waits there is not told to the original's MLflow."""
    project, copy = tmp_path / "project", tmp_path / "copy"
    start(project / "mlflow-outbox", f"sqlite:///{project}/mlflow.db")
    shutil.copytree(project, copy)
    for folder in (project, copy):
        (journal,) = journals(folder / "mlflow-outbox")
        assert header(journal)["uri"] == f"sqlite:///{folder}/mlflow.db"
        assert header(journal)["artifacts"] == str(folder / "artifacts")
