"""Whatever fails and whoever is killed, MLflow ends with every entry once, in order."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE

from srlab.errors import SrlabError
from srlab.tracking.delivery import Delivery, deliver
from srlab.tracking.journal import InUse, Progress, concerning, journals, num_waiting
from srlab.tracking.sending import send
from srlab.tracking.tracker import Tracker

URI = "http://store"
PARENT = "mlflow.parentRunId"  # MLflow's name for it


@pytest.fixture(autouse=True, scope="module")
def without_git() -> Iterator[None]:
    """Its answers take most of the time of a start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("srlab.tracking.tracker.code_tags", dict)
        yield


class Killed(BaseException):
    """Ends everything, like a SIGKILL: no `except Exception` sees it."""


@dataclass
class Store:
    """What MLflow keeps, as far as it matters here: metrics by MLflow's primary key, in the order of their arrival."""

    runs: dict[str, Any] = field(default_factory=dict)
    metrics: dict[tuple[str, str, int, int, float], None] = field(default_factory=dict)
    artifacts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    refused: str = ""  # a metric of this name
    calls: int = 0  # of log_batch

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id=name)

    def create_run(self, experiment_id: str, start_time: int, tags: dict[str, str], run_name: str) -> Any:
        run_id = f"{len(self.runs):032x}"
        info = SimpleNamespace(run_id=run_id, start_time=start_time, lifecycle_stage="active", status="RUNNING")
        self.runs[run_id] = SimpleNamespace(info=info, data=SimpleNamespace(tags=dict(tags), params={}))
        return self.runs[run_id]

    def get_run(self, run_id: str) -> Any:
        if run_id not in self.runs:
            raise MlflowException(f"Run with id={run_id} not found", RESOURCE_DOES_NOT_EXIST)
        return self.runs[run_id]

    def search_runs(self, experiment_ids: list[str], filter_string: str, order_by: list[str]) -> list[Any]:
        return [run for run in self.runs.values() if f"= '{run.data.tags['srlab.key']}'" in filter_string]

    def update_run(self, run_id: str, status: str) -> None:
        self.get_run(run_id).info.status = status

    def set_terminated(self, run_id: str, status: str, end_time: int | None) -> None:
        self.get_run(run_id).info.status = status

    def get_metric_history(self, run_id: str, key: str) -> list[Any]:
        return [SimpleNamespace(step=one[3]) for one in self.metrics if one[:2] == (run_id, key)]

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        data = self.get_run(run_id).data
        self.calls += 1
        assert len(metrics) <= 1000  # of MLflow's REST API
        if self.refused in [metric.key for metric in metrics]:
            raise MlflowException("Invalid metric name\nand more", INVALID_PARAMETER_VALUE)
        for one in metrics:
            self.metrics[run_id, one.key, one.timestamp, one.step, one.value] = None
        data.params.update({one.key: one.value for one in params})
        data.tags.update({one.key: one.value for one in tags})

    def log_artifact(self, run_id: str, path: str, folder: str | None) -> None:
        self.get_run(run_id)
        self.artifacts[run_id, f"{folder}/{Path(path).name}"] = Path(path).read_bytes()


FAULTS: dict[str, tuple[bool, BaseException | None]] = {  # (whether the call has its effect, what its caller sees)
    "fine": (True, None),
    "no answer": (False, requests.ConnectionError("refused")),
    "answer lost": (True, requests.Timeout("timed out")),
    "busy": (False, MlflowException("(sqlite3.OperationalError) database is locked", TEMPORARILY_UNAVAILABLE)),
    "killed before": (False, Killed()),
    "killed after": (True, Killed()),
}


class Flaky:
    """A client of a store whose calls meet the faults one after the other, and none when these are used up."""

    def __init__(self, store: Store, faults: Iterator[str]) -> None:
        self.store, self.faults = store, faults

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            happens, error = FAULTS[next(self.faults, "fine")]
            result = getattr(self.store, name)(*args, **kwargs) if happens else None
            if error:
                raise error
            return result

        return call


def start(outbox: Path, key: str = "", params: dict[str, Any] | None = None) -> Tracker:
    return Tracker(URI, "", "srlab", str(outbox), live=False).start("espcn", {"made": "by me"}, params or {}, key)


def bring(outbox: Path, store: Store, faults: Iterator[str]) -> int:
    """`srlab send` until nothing is left; how often that was."""
    times = 0
    while journals(outbox):
        times += 1
        try:
            send(outbox, make_client=lambda _: Flaky(store, faults))
        except (Killed, SrlabError):
            continue
    return times


def train(tracker: Tracker, epochs: range, file: Path) -> None:
    for epoch in epochs:
        tracker.metrics({"val/psnr": 28.0 + epoch, "lr": 0.1}, epoch)
        tracker.tags({"epoch": str(epoch)})
    file.write_text(str(epochs))
    tracker.artifact(file, "checkpoint")


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(list(FAULTS))), max_size=12),
    st.integers(0, 5),
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_every_entry_arrives_once_and_in_order(
    faults: list[tuple[int, str]], killed_at: int, resumed_at: int, is_first_sent: bool, is_over: bool
) -> None:
    """A training of six epochs that is killed once and goes on at an earlier epoch or the next, then is evaluated.

    Args:
        faults: (fine calls before it, kind) of each.
    """
    store, pending = Store(), iter([kind for gap, fault in faults for kind in [*["fine"] * gap, fault]])
    with tempfile.TemporaryDirectory() as folder:
        outbox, file = Path(folder, "outbox"), Path(folder, "file")
        first = start(outbox, params={"lr": 0.1})
        key = first.run_id
        train(first, range(killed_at), file)
        del first
        if is_first_sent:
            bring(outbox, store, pending)
        second = start(outbox, key)
        train(second, range(min(resumed_at, killed_at), 6), file)
        if is_over:
            with second.closing():
                pass
        del second
        evaluation = start(outbox, key)
        with evaluation.closing():
            evaluation.scores({"Set5/psnr": 27.0})
        bring(outbox, store, pending)
        assert list(Path(outbox).iterdir()) == []
    (run,) = store.runs.values()
    assert run.data.params == {"lr": "0.1"}
    assert run.data.tags.items() >= {"made": "by me", "srlab.key": key, "epoch": "5"}.items()
    assert run.info.status == "FINISHED"
    arrived = [(name, step, value) for _, name, _, step, value in store.metrics if name != "lr"]
    epochs = [("val/psnr", epoch, 28.0 + epoch) for epoch in range(6)]
    assert arrived == [*epochs, ("Set5/psnr", 0, 27.0)]
    assert {content.decode() for content in store.artifacts.values()} == {str(range(min(resumed_at, killed_at), 6))}


def test_what_the_store_refuses_does_not_hold_up_the_rest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tracker, store = start(tmp_path), Store(refused="bad name")
    with tracker.closing():
        for name in ("first", "bad name", "last"):
            tracker.scores({name: 1.0})
    capfd.readouterr()
    bring(tmp_path, store, iter([]))
    assert [name for _, name, *_ in store.metrics] == ["first", "last"]
    assert capfd.readouterr().err == (
        f"MLflow at {URI} refuses an entry (scores), which is left out: Invalid metric name\n"
    )


def test_what_waited_for_hours_is_sent_in_few_calls(tmp_path: Path) -> None:
    tracker, store = start(tmp_path), Store()
    with tracker.closing():
        for epoch in range(1001):
            tracker.metrics({"val/psnr": 28.0, "val/ssim": 0.8, "lr": 0.1}, epoch)
    bring(tmp_path, store, iter([]))
    assert [step for _, name, _, step, _ in store.metrics if name == "lr"] == list(range(1001))
    assert store.calls == 4  # of 333 rows, the last one of the 2 that are left


def test_a_store_that_lost_the_run_gets_all_of_it_again(tmp_path: Path) -> None:
    """A server that was started again on another store, say."""
    tracker, store = start(tmp_path, params={"lr": 0.1}), Store()
    tracker.metrics({"lr": 0.1}, 0)
    (journal,) = journals(tmp_path)
    delivery = Delivery(journal, make_client=lambda _: store)
    delivery.advance(closed=False)
    store.runs.clear()
    store.metrics.clear()
    tracker.metrics({"lr": 0.1}, 1)
    with pytest.raises(MlflowException):
        delivery.advance(closed=False)
    delivery.advance(closed=False)
    (run,) = store.runs.values()
    assert run.data.params == {"lr": "0.1"}
    assert [step for _, _, _, step, _ in store.metrics] == [0, 1]


def test_entries_are_sent_while_the_training_goes_on(tmp_path: Path) -> None:
    tracker, store = start(tmp_path), Store()
    (journal,) = journals(tmp_path)
    delivery = Delivery(journal, make_client=lambda _: store)
    for epoch in range(3):
        tracker.metrics({"lr": 0.1}, epoch)
        assert delivery.advance(closed=False)
        assert [step for _, _, _, step, _ in store.metrics] == list(range(epoch + 1))
        assert num_waiting(journal) == 0
    assert tracker.run_id == delivery.progress.run_id
    with tracker.closing():
        pass
    assert delivery.advance(closed=False)
    assert store.runs[delivery.progress.run_id].info.status == "RUNNING"  # until its writer is gone
    assert delivery.advance(closed=True)
    assert store.runs[delivery.progress.run_id].info.status == "FINISHED"


def test_as_much_is_sent_as_is_asked_for(tmp_path: Path) -> None:
    tracker, store = start(tmp_path), Store()
    (journal,) = journals(tmp_path)
    for number in range(5):
        tracker.tags({"number": str(number)})
    delivery = Delivery(journal, make_client=lambda _: store)
    del tracker
    assert [delivery.advance(True, most=2) for _ in range(3)] == [False, False, True]
    (run,) = store.runs.values()
    assert (run.data.tags["number"], run.info.status) == ("4", "KILLED")


def child(outbox: Path, parent: str) -> Tracker:
    return Tracker(URI, "", "srlab", str(outbox), live=False).start("trial", {PARENT: parent}, {})


@pytest.mark.parametrize("is_parent_sent_before", [True, False])
def test_a_run_finds_the_one_above_it_by_its_key(tmp_path: Path, is_parent_sent_before: bool) -> None:
    """Which is all that is known of it where nothing is sent at once."""
    parent, store = start(tmp_path), Store()
    key = parent.run_id
    with parent.closing():
        pass
    if is_parent_sent_before:
        bring(tmp_path, store, iter([]))
    with child(tmp_path, key).closing():
        pass
    bring(tmp_path, store, iter([]))
    above, below = store.runs.values()
    assert below.data.tags[PARENT] == above.info.run_id


def test_a_run_waits_for_the_one_above_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    parent, store = start(tmp_path), Store()
    with child(tmp_path, parent.run_id).closing():
        pass
    send(tmp_path, make_client=lambda _: store)
    assert capfd.readouterr().out.count("in use by a process that is still running") == 2
    assert store.runs == {}
    del parent
    bring(tmp_path, store, iter([]))
    above, below = store.runs.values()
    assert below.data.tags[PARENT] == above.info.run_id


@pytest.mark.parametrize("parent", ["0123456789abcdef0123456789abcdef", "local-of-another-store"])
def test_what_is_known_of_the_run_above_is_kept(tmp_path: Path, parent: str) -> None:
    tracker, store = child(tmp_path, parent), Store()
    del tracker
    bring(tmp_path, store, iter([]))
    (run,) = store.runs.values()
    assert run.data.tags[PARENT] == parent


def test_a_journal_waits_for_those_before_it(tmp_path: Path) -> None:
    """Else it would open a run of its own for the same training."""
    first, store = start(tmp_path), Store()
    second = start(tmp_path, first.run_id)
    (_, journal) = journals(tmp_path)
    with second.closing():
        second.metrics({"lr": 0.1}, 0)
    with pytest.raises(InUse):
        deliver(journal, make_client=lambda _: store)
    assert store.runs == {}
    assert Progress.of(journal).failure == ""  # of the store
    del first
    deliver(journal, make_client=lambda _: store)
    assert len(store.runs) == 1
    assert journals(tmp_path) == []


def test_a_training_that_still_writes_is_left_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tracker, store = start(tmp_path), Store()
    (journal,) = journals(tmp_path)
    send(tmp_path, make_client=lambda _: store)
    assert "in use by a process that is still running" in capfd.readouterr().out
    assert store.runs == {}
    assert concerning(tmp_path, tracker.run_id) == [journal]


def test_mlflow_itself_takes_every_entry_twice_without_harm(tmp_path: Path) -> None:
    """What the tests above take for granted of their store: a whole journal once more, as after a lost note of it."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tracker = Tracker(uri, str(tmp_path / "artifacts"), "srlab", str(tmp_path / "outbox"), live=False)
    (tmp_path / "file.txt").write_text("1")
    with tracker.start("espcn", {"srlab.method": "espcn"}, {"lr": 0.1}).closing():
        tracker.dataset("data/pairs/train/photos", "pixels")
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1, "gap": float("nan")}, 0)
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 0)
        tracker.scores({"Set5/psnr": 27.0})
        tracker.table([{"psnr": 27.0}], "table.json")
        tracker.artifact(tmp_path / "file.txt", "checkpoint")
        tracker.describe("text", ["espcn"])
    client, once = MlflowClient(uri), tmp_path / "once"
    shutil.copytree(tmp_path / "outbox", once)

    def content(run_id: str) -> Any:
        run: Any = client.get_run(run_id)
        history = {key: [repr(one) for one in client.get_metric_history(run_id, key)] for key in run.data.metrics}
        found = sorted(str(path) for path in (tmp_path / "artifacts").rglob("*"))
        return run.info.status, run.data.tags, run.data.params, history, found, len(run.inputs.dataset_inputs)

    (journal,) = journals(tmp_path / "outbox")
    before = content(run_id := deliver(journal))
    assert len(before[3]["val/psnr"]) == 1
    assert deliver(once / journal.name) == run_id
    assert content(run_id) == before
