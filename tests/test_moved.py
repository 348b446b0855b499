"""A project that was moved or copied, into a folder of any name, works with its own files alone."""

import shutil
import sys
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from srlab.moved import renew_scripts, renew_store
from srlab.sweeps.trial import storage_of
from srlab.tracking.delivery import client_of
from srlab.tracking.sender import send
from srlab.tracking.tracker import Tracker

SIGNS = "a%20b?c#d {e}$f"  # what URLs, Hydra and shells read otherwise


def uri_of(project: Path) -> str:
    return f"sqlite:///{project}/mlflow.db"


def told(project: Path, run_id: str = "") -> None:
    """A run that logs a file into the project's store."""
    tracker = Tracker(uri_of(project), str(project / "mlartifacts"), "srlab", str(project / "mlflow-outbox"), False)
    (project / "weights.txt").write_text("1")
    with tracker.start("espcn", {}, {}, run_id).closing():
        tracker.artifact(project / "weights.txt", "again" if run_id else "checkpoint")
    send(project / "mlflow-outbox")


def test_a_copy_under_any_name_keeps_its_runs_and_leaves_the_original_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, copy = tmp_path / "srlab", tmp_path / SIGNS / "srlab"
    original.mkdir()
    told(original)
    run_id = next((original / "mlartifacts").iterdir()).name
    shutil.copytree(original, copy)
    _artifact_repos_cache.clear()  # another process would have none
    monkeypatch.chdir(copy)  # as the sender does
    told(copy, run_id)
    assert {path.name for path in tmp_path.iterdir()} == {"srlab", SIGNS}
    assert not (original / "mlartifacts" / run_id / "artifacts/again").exists()
    assert (copy / "mlartifacts" / run_id / "artifacts/again/weights.txt").exists()
    client = client_of(uri_of(copy))
    run = client.get_run(run_id)
    assert run.info.artifact_uri == f"{(copy / 'mlartifacts').as_uri()}/{run_id}/artifacts"
    assert {file.path for file in client.list_artifacts(run_id)} == {"again", "checkpoint"}
    assert client_of(uri_of(original)).get_run(run_id).info.artifact_uri.startswith(original.as_uri())

    moved = tmp_path / "moved"
    copy.rename(moved)
    _artifact_repos_cache.clear()
    renew_store(moved / "mlflow.db", moved / "mlartifacts")
    file = client_of(uri_of(moved)).download_artifacts(run_id, "checkpoint/weights.txt", str(tmp_path))
    assert Path(file).read_text() == "1"

    (tmp_path / "other/mlartifacts").mkdir(parents=True)
    renew_store(moved / "mlflow.db", tmp_path / "other/mlartifacts")  # a store that projects share
    assert client_of(uri_of(moved)).get_run(run_id).info.artifact_uri.startswith(moved.as_uri())


def test_a_study_lies_in_its_folder_whatever_that_is_called(tmp_path: Path) -> None:
    folder = tmp_path / SIGNS
    folder.mkdir()
    storage_of(None, folder)
    assert sorted(tmp_path.rglob("*")) == [folder, folder / "study.db"]


def test_scripts_name_the_python_that_renews_them(tmp_path: Path) -> None:
    renew_scripts(tmp_path)
    assert (tmp_path / "dvc").read_text().startswith(f"#!{sys.executable}\n")
