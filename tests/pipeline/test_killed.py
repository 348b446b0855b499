"""A killed training resumes where it stopped, unless its settings are others by then; what is trained again is equal.

With a network or without.
"""

import re

import pytest
from kept import EPOCHS
from workspace import Finished, Killed, Workspace, stages_run

pytestmark = pytest.mark.pipeline
ESPCN = ("models/espcn/best.safetensors", "models/espcn/history.csv")


def test_a_killed_training_leaves_no_half_result_and_goes_on_after_its_last_epoch(killed: Killed) -> None:
    assert killed.results == []
    (epoch,) = re.findall(r"resumes after epoch (\d+)", killed.resumed.output)
    assert 1 <= int(epoch) < EPOCHS


def test_a_resumed_training_ends_like_an_uninterrupted_one(killed: Killed, smoke: Workspace) -> None:
    assert killed.resumed.workspace.bytes_of(*ESPCN) == smoke.bytes_of(*ESPCN)
    assert list((killed.resumed.workspace.root / "work").iterdir()) == []


def test_a_resumed_training_is_one_run_with_every_epoch_once(killed: Killed) -> None:
    workspace = killed.resumed.workspace
    client, run_id = workspace.mlflow(), workspace.read_json("models/espcn/run.json")["run_id"]
    assert client.get_run(run_id).info.status == "FINISHED"
    assert [metric.step for metric in client.get_metric_history(run_id, "val/psnr")] == list(range(EPOCHS))
    runs = client.search_runs([client.get_run(run_id).info.experiment_id], "tags.`dvc.stage` = 'train@espcn'")
    assert len(runs) == 2  # with the first one, whose fingerprint is the same


def test_a_killed_training_starts_from_scratch_with_another_learning_rate(changed: Finished) -> None:
    assert "train espcn: starts from scratch, the unfinished training" in changed.output
    assert "resumes after" not in changed.output


def test_a_gan_trained_and_evaluated_again_is_the_same(changed: Finished, smoke: Workspace) -> None:
    weights, run = ("models/srgan/best.safetensors", "models/srgan/history.csv"), "models/srgan/run.json"
    scores = tuple(f"reports/metrics/{name}.json" for name in ("srgan", "srgan_half"))
    assert changed.workspace.bytes_of(*weights, *scores) == smoke.bytes_of(*weights, *scores)
    assert changed.workspace.bytes_of(run) != smoke.bytes_of(run)  # it was trained, and not fetched from the cache


def test_training_evaluation_and_report_need_no_network(without_network: tuple[str, ...], changed: Finished) -> None:
    if not without_network:
        pytest.skip("the kernel refuses a network namespace (unshare -rn, unshare -n)")
    attempt = "import socket; socket.create_connection(('127.0.0.1', 1))"
    assert "unreachable" in changed.workspace.fail(*without_network, "python", "-c", attempt)  # not even loopback
    assert {"train@espcn", "train_gan@srgan", "evaluate_gan@srgan", "report"} <= set(stages_run(changed.output))
