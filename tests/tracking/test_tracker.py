"""MLflow holds what a training tells it, and never stands in its way.

Most trackers here are not live: what they noted is sent in this process, which has mlflow imported. See test_sender.py
for those that are.
"""

import fcntl
import json
import re
import resource
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fake_mlflow import EXPERIMENT, close
from mlflow import MlflowClient

from srlab.tracking.journal import journals
from srlab.tracking.sender import LOG, Outbox
from srlab.tracking.tracker import Tracker, dvc_md5


@pytest.fixture(scope="module")
def folder(sqlite: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    sqlite(folder)
    return folder


@pytest.fixture(scope="module")
def make(folder: Path) -> Callable[[], Tracker]:
    """Makes trackers of one store."""
    return lambda: Tracker(
        f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"), EXPERIMENT, str(folder / "outbox"), False
    )


@pytest.fixture(scope="module")
def client(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


@pytest.fixture
def tracker(make: Callable[[], Tracker]) -> Tracker:
    return make().start("espcn", {"srlab.method": "espcn"}, {"lr": 0.1})


def delivered(tracker: Tracker) -> str:
    """Send what trackers noted that are gone; MLflow's id of the newest run."""
    return Outbox(tracker.outbox).round()[-1].run_id


def sent(tracker: Tracker) -> str:
    """Close a tracker and send what it noted; MLflow's id of the run."""
    close(tracker)
    return delivered(tracker)


def steps(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, key)]


def test_a_run_has_its_name_tags_params_and_commit(
    make: Callable[[], Tracker], client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@espcn")
    params = {f"number{index}": index for index in range(230)}  # more than MLflow takes in one call
    run = client.get_run(sent(make().start("espcn", {"srlab.method": "espcn"}, params)))
    assert run.info.run_name == "espcn"
    assert run.data.params == {key: str(value) for key, value in params.items()}
    assert (run.data.tags["srlab.method"], run.data.tags["dvc.stage"]) == ("espcn", "train@espcn")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    assert run.data.tags.get("mlflow.source.git.commit", "") == commit.stdout.strip()  # "" where Git is not


@pytest.mark.parametrize(
    ("remembered", "arrived"),  # whether MLflow had the first part when the second began
    [("by its key", True), ("by its key", False), ("by its id", True)],  # it gives the id when it has it
)
def test_a_resumed_run_logs_no_epoch_twice(
    make: Callable[[], Tracker], client: MlflowClient, remembered: str, arrived: bool
) -> None:
    first = make().start("espcn", {"srlab.method": "espcn"}, {"lr": 0.1})
    key = run_id = first.run_id
    for epoch in range(2):
        first.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
        first.image(np.zeros((4, 4, 3), np.uint8), "validation", epoch)
    if arrived:
        run_id = sent(first)
    else:
        del first  # its journal is nobody's then, as after a kill
    resumed = make().start("espcn", {}, {"lr": 0.1}, key if remembered == "by its key" else run_id)
    for epoch in (1, 2):
        resumed.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
        resumed.image(np.zeros((4, 4, 3), np.uint8), "validation", epoch)
    run_id = sent(resumed)
    assert [step for step, _ in steps(client, run_id, "val/psnr")] == [0, 1, 2]
    images = {file.path for file in client.list_artifacts(run_id, "images") if file.path.endswith(".png")}
    assert len(images) == 3
    same = client.search_runs([client.get_run(run_id).info.experiment_id], f"tags.`srlab.key` = '{key}'")
    assert [one.info.run_id for one in same] == [run_id]
    assert same[0].data.tags["srlab.method"] == "espcn"


def test_test_scores_join_the_run_of_the_training(
    tracker: Tracker, make: Callable[[], Tracker], client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epoch in range(3):
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, epoch)
    run_id, now = sent(tracker), time.time()
    for hours, score in ((0, 27.0), (1, 27.3), (9, 27.5)):  # evaluated again, while somebody sets the clock back
        monkeypatch.setattr(time, "time", lambda hours=hours: now - 3600 * hours)
        evaluation = make().start("espcn", {}, {"scale": 4}, run_id)
        evaluation.scores({"Set5/psnr": score})
        assert sent(evaluation) == run_id
    data = client.get_run(run_id).data
    assert data.metrics["Set5/psnr"] == 27.5
    assert data.params == {"lr": "0.1"}


def test_the_last_of_many_scores_at_once_counts(tracker: Tracker, client: MlflowClient) -> None:
    """MLflow tells them apart by their milliseconds, and takes the larger one of two that have the same."""
    for score in range(20, 0, -1):
        tracker.scores({"Set5/psnr": score})
    run_id = sent(tracker)
    assert [value for _, value in steps(client, run_id, "Set5/psnr")] == list(range(20, 0, -1))
    assert client.get_run(run_id).data.metrics["Set5/psnr"] == 1


@pytest.mark.parametrize("unknown", ["", "local-0123456789abcdef", "0123456789abcdef0123456789abcdef", "deleted"])
def test_an_unknown_run_opens_a_new_one(make: Callable[[], Tracker], client: MlflowClient, unknown: str) -> None:
    if unknown == "deleted":
        client.delete_run(unknown := sent(make().start("espcn", {}, {})))
    tracker = make().start("espcn", {}, {}, unknown)
    key = tracker.run_id
    run_id = sent(tracker)
    assert run_id != unknown
    assert client.get_run(run_id).info.status == "FINISHED"
    if unknown != "deleted":
        assert sent(make().start("espcn", {}, {}, key)) == run_id  # whoever remembers the key finds it from now on


def test_the_last_table_of_a_name_counts(tracker: Tracker, client: MlflowClient) -> None:
    tracker.table([{"method": "ESPCN", "psnr": 28.5}], "comparison.json")
    tracker.table([{"method": "ESPCN", "psnr": 28.75}, {"method": "A+", "psnr": float("inf")}], "comparison.json")
    text = Path(client.download_artifacts(sent(tracker), "comparison.json")).read_text()
    content = json.loads(text, parse_constant=pytest.fail)  # a figure that is not finite is no JSON
    assert content == {"columns": ["method", "psnr"], "data": [["ESPCN", 28.75], ["A+", None]]}


def test_tables_and_images_are_marked_and_named_as_mlflow_does_it(tracker: Tracker, client: MlflowClient) -> None:
    """Its pages find them by that."""
    image = np.zeros((20, 30, 3), np.uint8)
    tracker.table([{"psnr": 28.5}], "comparison.json")
    tracker.image(image, "validation", 7)
    ours = client.get_run(sent(tracker))
    theirs = client.create_run(ours.info.experiment_id)
    client.log_table(theirs.info.run_id, {"psnr": [28.5]}, "comparison.json")
    client.log_image(theirs.info.run_id, image, key="validation", step=7)

    def marks(run_id: str) -> tuple[set[str], list[str], str]:
        tags = client.get_run(run_id).data.tags
        names = [file.path for file in client.list_artifacts(run_id, "images")]
        anonymous = sorted(re.sub(r"timestamp\+\d+\+[0-9a-f-]+", "timestamp+T+ID", name) for name in names)
        return {key for key in tags if key.startswith("mlflow.logged")}, anonymous, tags["mlflow.loggedArtifacts"]

    assert marks(ours.info.run_id) == marks(theirs.info.run_id)


def test_files_and_folders_become_artifacts(
    tracker: Tracker, client: MlflowClient, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/one.txt").write_text("1")
    tracker.artifact(tmp_path / "pictures", "figures")
    tracker.artifact(tmp_path / "pictures/one.txt", "")
    (tmp_path / "pictures/one.txt").write_text("changed before it is sent")
    run_id = sent(tracker)
    assert Path(client.download_artifacts(run_id, "figures/one.txt")).read_text() == "1"
    assert Path(client.download_artifacts(run_id, "one.txt")).read_text() == "1"
    assert len(list((folder / "artifacts").rglob(f"{run_id}/**/one.txt"))) == 2  # in the folder that was asked for


def test_the_data_set_is_an_input_with_the_md5_of_dvc(
    tracker: Tracker, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = "data/pairs/train/photos", tmp_path / "dvc.lock"
    outs = [{"path": path, "md5": "4d1c0ffee4d1c0ffee4d1c0ffee4d1c0.dir"}]
    monkeypatch.chdir(tmp_path)
    assert dvc_md5(path) is None
    for text in ("", "schema: '2.0'\nstages:\n  a: {cmd: x}\n"):
        lock.write_text(text)
        assert dvc_md5(path) is None
    lock.write_text(yaml.safe_dump({"stages": {"degrade@photos": {"cmd": "x", "outs": outs}}}))
    tracker.dataset(path, "pixels")
    run: Any = client.get_run(sent(tracker))
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "photos"
    assert dataset.dataset.digest == outs[0]["md5"]


def test_the_description_links_to_the_newest_pipeline_runs(
    make: Callable[[], Tracker], client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_run = sent(make().start("srcnn", {"srlab.method": "srcnn"}, {}))
    monkeypatch.setenv("DVC_STAGE", "train@srcnn")
    old, new = (sent(make().start("srcnn", {"srlab.method": "srcnn"}, {})) for _ in range(2))
    report = make().start("comparison", {}, {})
    report.describe("# Table", ["srcnn", "never trained"])
    text = client.get_run(sent(report)).data.tags["mlflow.note.content"]
    assert text.startswith("# Table")
    assert f"/runs/{new})" in text
    assert old not in text
    assert hand_run not in text
    assert "never trained" not in text


class Pruned(Exception):
    mlflow_status = "KILLED"


@pytest.mark.parametrize(
    ("error", "status", "why"),
    [
        (None, "FINISHED", None),
        (ValueError("no such key\nand more"), "FAILED", "no such key"),
        (ValueError("a" * 300), "FAILED", "a" * 250),
        (Pruned(), "KILLED", "Pruned"),
        (KeyboardInterrupt(), "KILLED", None),
    ],
)
def test_a_run_ends_as_its_block_does_and_says_why(
    tracker: Tracker, client: MlflowClient, error: BaseException | None, status: str, why: str | None
) -> None:
    with suppress(ValueError, Pruned, KeyboardInterrupt), tracker.closing():
        if error:
            raise error
    run = client.get_run(delivered(tracker))
    assert (run.info.status, run.data.tags.get("srlab.why")) == (status, why)


@pytest.mark.parametrize("is_followed", [False, True])
def test_who_is_not_live_says_where_the_entries_wait_unless_another_process_sends_them(
    tracker: Tracker, capfd: pytest.CaptureFixture[str], is_followed: bool
) -> None:
    tracker.metrics({"lr": 0.1}, 0)
    (journal,) = journals(tracker.outbox)
    with (tracker.outbox / LOG).open("w") as log:
        if is_followed:
            fcntl.flock(log, fcntl.LOCK_EX)
        close(tracker)
    line = f"MLflow at {tracker.uri} is told nothing now: 3 entries wait in {journal}, `srlab send` sends them\n"
    assert capfd.readouterr().err == ("" if is_followed else line)
    delivered(tracker)


def test_a_full_disk_is_mentioned_once_and_does_not_raise(
    tracker: Tracker, client: MlflowClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker.metrics({"val/psnr": 28.0}, 0)
    (journal,) = journals(tracker.outbox)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + 20, before[1]))  # less than an entry takes
    try:
        for epoch in (1, 2):
            tracker.metrics({"val/psnr": 28.0}, epoch)
            tracker.image(np.zeros((4, 4, 3), np.uint8), "validation", epoch)
        tracker.artifact(tmp_path, "folder")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"MLflow is told no more of this run, since it cannot be noted in {tracker.outbox}: ")
    run_id = sent(tracker)  # the half entry does not damage the others
    assert steps(client, run_id, "val/psnr") == [(0, 28.0)]
    assert client.get_run(run_id).info.status == "FINISHED"


def test_an_outbox_that_cannot_be_made_does_not_raise(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    tracker = Tracker("http://127.0.0.1:9", str(tmp_path), EXPERIMENT, str(tmp_path / "file/outbox"), True)
    with tracker.start("espcn", {}, {}).closing():
        tracker.metrics({"lr": 0.1}, 0)
    assert tracker.run_id.startswith("local-")
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_processes_of_further_devices_stay_silent(make: Callable[[], Tracker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")  # as Lightning marks the processes that it starts
    follower = make().start("espcn", {}, {}, "remembered")
    before = journals(follower.outbox)
    with follower.closing():
        follower.metrics({"val/psnr": 1.0, "lr": 0.1}, 0)
    assert follower.run_id == "remembered"
    assert journals(follower.outbox) == before
