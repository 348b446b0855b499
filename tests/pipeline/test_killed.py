"""A killed training resumes where it stopped, unless its settings are others by then."""

import re

import pytest
from branches import EPOCHS, ESPCN, Finished, Killed
from workspace import Workspace

pytestmark = pytest.mark.pipeline


def test_a_killed_training_leaves_no_half_result(killed: Killed) -> None:
    left = [path for path in (killed.left.root / "models/espcn").rglob("*") if path.is_file()]
    assert [path for path in left if ".hydra" not in path.parts] == []  # .hydra holds the config, no result


def test_a_killed_training_resumes_after_its_last_epoch(killed: Killed) -> None:
    (epoch,) = re.findall(r"resumes after epoch (\d+)", killed.resumed.output)
    assert 1 <= int(epoch) < EPOCHS


def test_a_resumed_training_ends_like_an_uninterrupted_one(killed: Killed, lower_rate: Finished) -> None:
    assert killed.resumed.workspace.bytes_of(*ESPCN) == lower_rate.workspace.bytes_of(*ESPCN)


def test_a_resumed_training_is_one_run_with_every_epoch_once(killed: Killed) -> None:
    workspace = killed.resumed.workspace
    client = workspace.mlflow()
    run = client.get_run(workspace.read_json("models/espcn/run.json")["run_id"])
    fingerprint = run.data.tags["srlab.fingerprint"]
    same = client.search_runs([run.info.experiment_id], f"tags.`srlab.fingerprint` = '{fingerprint}'")
    assert [one.info.run_id for one in same] == [run.info.run_id]
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "val/psnr")
    assert [metric.step for metric in history] == list(range(EPOCHS))


def test_a_finished_training_leaves_nothing_to_resume(killed: Killed) -> None:
    assert list((killed.resumed.workspace.root / "work").iterdir()) == []


def test_a_killed_training_starts_from_scratch_with_another_learning_rate(killed: Killed, smoke: Workspace) -> None:
    assert "resumes after epoch" not in killed.again.output
    assert killed.again.workspace.bytes_of(*ESPCN) == smoke.bytes_of(*ESPCN)
