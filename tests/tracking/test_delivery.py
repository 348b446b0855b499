"""Whatever fails and whoever is killed, MLflow ends with every entry once, in order."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import requests
from fake_mlflow import EXPERIMENT, FAULTS, Flaky, Killed, Store, close, in_turn, start
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException

from srlab.errors import SrlabError
from srlab.tracking.answers import is_permanent, is_silent, trouble
from srlab.tracking.delivery import Delivery
from srlab.tracking.journal import files, journals
from srlab.tracking.sender import send
from srlab.tracking.tracker import Tracker

pytestmark = pytest.mark.usefixtures("without_git")
NONE: Iterator[str] = iter(())


def bring(outbox: Path, store: Store, faults: Iterator[str] = NONE) -> None:
    """`srlab send` until nothing is left."""
    for _ in range(100):
        if not journals(outbox):
            return
        with suppress(Killed, SrlabError):
            send(outbox, make_client=lambda _: Flaky(store, faults))
    pytest.fail("something is never sent")


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
@settings(max_examples=60, deadline=None)
def test_every_entry_arrives_once_and_in_order(
    faults: list[tuple[int, str]], killed_at: int, resumed_at: int, is_first_sent: bool, is_over: bool
) -> None:
    """A training of six epochs that is killed once and resumed at an earlier epoch or the next, then is evaluated."""
    store, pending = Store(), in_turn(faults)
    with tempfile.TemporaryDirectory() as folder:
        outbox, file = Path(folder, "outbox"), Path(folder, "file")
        first = start(outbox, tags={"made": "by me"})
        key = first.run_id
        train(first, range(killed_at), file)
        del first
        if is_first_sent:
            bring(outbox, store, pending)
        second = start(outbox, key=key)
        train(second, range(min(resumed_at, killed_at), 6), file)
        if is_over:
            close(second)
        del second
        evaluation = start(outbox, key=key)
        evaluation.scores({"Set5/psnr": 27.0})
        close(evaluation)
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


def test_what_the_store_refuses_is_set_aside_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = Store(refused="bad name")
    tracker = start(tmp_path, params={"lr": 0.1, "bad name": 1})
    (journal,) = journals(tmp_path)
    tracker.metrics({"lr": 0.1, "bad name": 1.0, "val/psnr": 28.0}, 0)
    tracker.tags({"bad name": "x", "good": "y"})
    close(tracker)
    capfd.readouterr()
    bring(tmp_path, store)
    (run,) = store.runs.values()
    assert (run.info.status, run.data.params, run.data.tags["good"]) == ("FINISHED", {"lr": "0.1"}, "y")
    assert [name for _, name, *_ in store.metrics] == ["lr", "val/psnr"]
    place = tmp_path / "set-aside" / journal.name
    line = f"MLflow at http://store refuses an entry (Invalid metric name): set aside in {place}, and the rest is sent"
    assert capfd.readouterr().err.splitlines() == [line] * 3
    kept = [json.loads(line) for line in place.read_text().splitlines()]
    assert [next(iter(one["entry"])) for one in kept] == ["params", "metrics", "tags"]
    assert kept[1]["entry"]["metrics"]["value"] == 1.0


@pytest.mark.parametrize("damage", ["a line", "a file", "an image"])
def test_what_is_damaged_is_set_aside_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: str) -> None:
    tracker, store = start(tmp_path), Store()
    (journal,) = journals(tmp_path)
    (tmp_path / "file").write_text("1")
    tracker.tags({"first": "1"})
    if damage == "an image":
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 0)
        (files(journal) / "0/image.npy").write_bytes(b"\x93NUM")
    else:
        tracker.artifact(tmp_path / "file", "")
    tracker.tags({"last": "2"})
    close(tracker)
    if damage == "a file":
        (files(journal) / "0/file").unlink()
    elif damage == "a line":
        journal.write_bytes(journal.read_bytes().replace(b'{"kind": "artifact"', b'\x00\x00"'))
    capfd.readouterr()
    bring(tmp_path, store)
    (run,) = store.runs.values()
    assert (run.info.status, run.data.tags["first"], run.data.tags["last"]) == ("FINISHED", "1", "2")
    assert store.artifacts == {}
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith(f"{journal} is damaged (")
    assert len((tmp_path / "set-aside" / journal.name).read_text().splitlines()) == 1


def test_what_waited_for_hours_is_sent_in_few_calls(tmp_path: Path) -> None:
    tracker, store = start(tmp_path, params={}), Store()
    for epoch in range(1001):
        tracker.metrics({"val/psnr": 28.0, "val/ssim": 0.8, "lr": 0.1}, epoch)
    close(tracker)
    bring(tmp_path, store)
    assert [step for _, name, _, step, _ in store.metrics if name == "lr"] == list(range(1001))
    assert store.calls == 4  # of 333 rows, the last one of the 2 that are left


def test_a_store_that_lost_the_run_gets_all_of_it_again(tmp_path: Path) -> None:
    """A server that was started again on another store, say."""
    tracker, store = start(tmp_path), Store()
    tracker.metrics({"lr": 0.1}, 0)
    (journal,) = journals(tmp_path)
    Delivery(journal, make_client=lambda _: store).advance(is_written=True)
    store.runs.clear()
    store.metrics.clear()
    tracker.metrics({"lr": 0.1}, 1)
    Delivery(journal, make_client=lambda _: store).advance(is_written=True)
    (run,) = store.runs.values()
    assert run.data.params == {"lr": "0.1"}
    assert [step for _, _, _, step, _ in store.metrics] == [0, 1]


def http_error(status: int) -> requests.HTTPError:
    return requests.HTTPError(f"{status} for url", response=SimpleNamespace(status_code=status))  # type: ignore[arg-type]


CUT = "API request to http://a failed with exception HTTPConnectionPool: [Errno 111] Connection refused'))"


@pytest.mark.parametrize(
    ("error", "is_for_good", "is_for_all", "said"),
    [
        (MlflowException(CUT), False, True, "does not answer ([Errno 111] Connection refused)"),
        (requests.Timeout("Read timed out."), False, True, "does not answer (timed out)"),
        (MlflowException("failed with error code 401 != 200"), False, False, "refuses user and password (401): see "),
        (MlflowException("failed with error code 413 != 200"), True, False, "fails ("),
        (MlflowException("failed with error code 503 != 200"), False, False, "fails ("),
        (RestException({"error_code": "INVALID_PARAMETER_VALUE"}), True, False, "fails ("),
        (RestException({"error_code": "REQUEST_LIMIT_EXCEEDED"}), False, False, "fails ("),
        (RestException({"error_code": "BAD_REQUEST", "message": "(DatabaseError)"}), False, False, "fails ("),
        (http_error(404), True, False, "fails (404 for url)"),
        (http_error(408), False, False, "fails (408 for url)"),
        (PermissionError("[Errno 13] no"), False, False, "fails ([Errno 13] no)"),
    ],
)
def test_an_error_is_called_what_it_is(error: Exception, is_for_good: bool, is_for_all: bool, said: str) -> None:
    assert (is_permanent(error), is_silent(error)) == (is_for_good, is_for_all)
    assert trouble(error).startswith(said)


def test_a_deleted_experiment_and_a_read_only_database_are_named_with_the_cure(
    sqlite: Callable[[Path], str], tmp_path: Path
) -> None:
    uri, outbox = sqlite(tmp_path), tmp_path / "outbox"
    client = MlflowClient(uri)
    number = client.create_experiment(EXPERIMENT, f"file://{tmp_path}/artifacts")
    client.delete_experiment(number)
    close(start(outbox, uri))
    close(Tracker(uri, str(tmp_path / "artifacts"), "other", str(outbox), False).start("espcn", {}, {}))
    with pytest.raises(SrlabError, match=r"srlab among the deleted ones: .* mlflow experiments restore") as caught:
        send(outbox)
    assert f"--experiment-id {number}`: 2 entries in 1 files still wait" in str(caught.value)
    assert len(client.search_runs([client.get_experiment_by_name("other").experiment_id])) == 1  # pyright: ignore
    client.restore_experiment(number)
    send(outbox)
    assert len(client.search_runs([number])) == 1
    close(start(outbox, uri))

    def read_only(_: str) -> Any:
        text = "(sqlite3.OperationalError) attempt to write a readonly database\n[SQL: INSERT"
        return SimpleNamespace(get_experiment_by_name=lambda _: (_ for _ in ()).throw(MlflowException(text)))

    with pytest.raises(SrlabError, match=f"{uri} has a read-only database: make its file and folder writable"):
        send(outbox, make_client=read_only)


def test_mlflow_itself_takes_every_entry_twice_without_harm(sqlite: Callable[[Path], str], tmp_path: Path) -> None:
    """What the tests above take for granted of their store: a whole journal once more, as after a lost note of it."""
    uri = sqlite(tmp_path)
    (tmp_path / "file.txt").write_text("1")
    tracker = start(tmp_path / "outbox", uri, tags={"srlab.method": "espcn"})
    with tracker.closing():
        tracker.dataset("data/pairs/train/photos", "pixels")
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1, "gap": float("nan")}, 0)
        tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", 0)
        tracker.scores({"Set5/psnr": 27.0})
        tracker.table([{"psnr": 27.0}], "table.json")
        tracker.artifact(tmp_path / "file.txt", "checkpoint")
        tracker.model(tmp_path / "file.txt", "espcn", {}, "val/psnr", 1, {"val/psnr": 28.0, "data": "pixels"})
        tracker.describe("text", ["espcn"])
    client, once = MlflowClient(uri), tmp_path / "once"
    shutil.copytree(tmp_path / "outbox", once)

    def sent(outbox: Path) -> Any:
        send(outbox)
        (run,) = client.search_runs([client.get_experiment_by_name("srlab").experiment_id])  # pyright: ignore
        found: Any = client.get_run(run.info.run_id)
        history = {
            key: [repr(one) for one in client.get_metric_history(run.info.run_id, key)] for key in found.data.metrics
        }
        artifacts = sorted(str(path) for path in (tmp_path / "artifacts").rglob("*"))
        entities = found.inputs.dataset_inputs, found.outputs.model_outputs, client.search_model_versions()
        return found.info, found.data.tags, found.data.params, history, artifacts, [len(one) for one in entities]

    info, *before = sent(tmp_path / "outbox")
    assert info.status == "FINISHED"
    assert len(before[2]["val/psnr"]) == 1
    assert before[-1] == [1, 1, 1]
    assert sent(once)[1:] == tuple(before)
