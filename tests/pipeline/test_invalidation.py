"""`dvc repro` runs what an edit concerns and nothing else; runs by hand leave what DVC owns alone."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from kept import LINES, LOWER_RATE
from workspace import Finished, Workspace, stages_run

pytestmark = pytest.mark.pipeline


def test_a_second_repro_runs_nothing(smoke: Workspace) -> None:
    output = smoke.run("dvc", "repro")
    assert stages_run(output) == []
    assert "up to date" in output


def test_a_comment_trains_nothing_again(smoke: Workspace) -> None:
    files = ["params.yaml", *(str(path.relative_to(smoke.root)) for path in (smoke.root / "conf").rglob("*.yaml"))]
    with smoke.edited(*((file, "", "# a comment\n") for file in files)):
        changed = {stage.partition("@")[0] for stage in smoke.status()}
    assert changed.isdisjoint({"fetch", "train"})


def test_another_rate_and_an_edit_of_a_network_rerun_those_two_alone(changed: Finished) -> None:
    again = ["compare_sets", "train@espcn", "evaluate@espcn", "train_gan@srgan", "evaluate_gan@srgan"]  # patch sizes
    assert sorted(stages_run(changed.output)) == sorted([*again, "evaluate_pretrained@srgan_half", "report"])


def test_edits_concern_who_reads_them(smoke: Workspace) -> None:
    """A kind, a data set, and a new network beside the others."""
    line = yaml.safe_dump(
        {"plain_9": LINES["models"]["plain_8"] | {"net": "other"}}, default_flow_style=True, width=999
    )
    with smoke.edited(
        ("conf/model/espcn.yaml", "kind_label: ESPCN", "kind_label: E"),
        ("conf/dataset/heldout.yaml", "skimage:rocket", "skimage:retina"),
        ("src/srlab/models/other.py", "", (smoke.root / "src/srlab/models/plain.py").read_text()),
        ("conf/model/other.yaml", "", (smoke.root / "conf/model/plain.yaml").read_text()),
        ("params.yaml", "models:\n", f"models:\n  {line.strip()[1:-1]}\n"),
    ):
        changed = {stage for stage in smoke.status() if not stage.startswith("evaluate_pretrained")}
    assert changed == {
        "compare_sets", "train@espcn", "evaluate@espcn", "fetch@heldout", "train@plain_9", "evaluate@plain_9", "report",
    }  # fmt: skip


def test_an_edit_of_the_trainer_concerns_what_it_trains(smoke: Workspace) -> None:
    with smoke.edited(("conf/trainer/default.yaml", "chunk: 8", "chunk: 4")):
        assert set(smoke.status()) == {"train@plain_8", "train@espcn", "train@srresnet", "train_gan@srgan"}


def test_diffs_name_the_number_and_what_became_of_it(changed: Finished) -> None:
    params = json.loads(changed.workspace.run("dvc", "params", "diff", "--json"))
    assert params["params.yaml"]["models.espcn.lr"] | {"diff": 0} == {"old": 0.001, "new": LOWER_RATE, "diff": 0}
    metrics = json.loads(changed.workspace.run("dvc", "metrics", "diff", "--json"))
    assert set(metrics) == {"reports/metrics/espcn.json"}  # and no costs, which differ on every run
    scores = {f"protocols.{era}.datasets.heldout.{name}" for era in ("modern", "classic") for name in ("psnr", "ssim")}
    assert scores <= set(metrics["reports/metrics/espcn.json"])


def test_an_experiment_changes_the_number_it_is_given(changed: Finished, tmp_path: Path) -> None:
    workspace = changed.workspace.copy(tmp_path / "srlab")
    workspace.run("git", "reset", "--quiet", "--hard")
    change = f"models.espcn.lr={LOWER_RATE}"
    output = workspace.run("dvc", "exp", "run", "--name", "lower", "-S", change, "evaluate@espcn")
    assert "Ran experiment(s): lower" in output
    assert stages_run(output) == []  # `dvc repro` ran this before: nothing is computed twice
    assert workspace.params()["models"]["espcn"]["lr"] == LOWER_RATE
    metrics = "reports/metrics/espcn.json"
    assert workspace.bytes_of(metrics) == changed.workspace.bytes_of(metrics)


def test_a_sweep_lands_in_sweeps_and_in_mlflow(smoke: Workspace) -> None:
    """With what it tried, above a run for each trial; what DVC owns stays as it is until the winner is promoted."""
    sweep = ["-m", "model=espcn", "models.espcn.lr=1e-3,3e-4,1e30", "models.espcn.max_epochs=1"]
    output = smoke.fail("python", "pipelines/train.py", *sweep)
    assert "error: 1 of 3 trials failed, as trial 2: " in output
    (folder,) = smoke.root.glob("sweeps/command_line-*")
    assert sorted(path.parent.name for path in folder.glob("*/best.safetensors")) == ["0", "1"]
    assert smoke.status() == {}
    assert smoke.run("git", "status", "--porcelain") == ""
    assert not list((smoke.root / "mlflow-outbox").glob("*.jsonl"))

    client = smoke.mlflow()
    experiment = client.get_experiment_by_name("sweeps")
    assert experiment is not None
    parent, *trials = runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    assert [run.info.run_name for run in trials] == ["espcn-000", "espcn-001", "espcn-002"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FINISHED", "FAILED"]
    assert "lower lr" in trials[2].data.tags["srlab.why"]
    scores = [run.data.metrics["val/psnr"] for run in trials[:2]]
    assert parent.data.metrics["best/val/psnr"] == pytest.approx(max(scores))
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"plots", "trials.json"}
    plots = {file.path for file in client.list_artifacts(parent.info.run_id, "plots")}
    assert plots == {"plots/history.png", "plots/parallel.png"}  # two complete trials tell nothing of importances

    best = scores.index(max(scores))
    with smoke.edited(("params.yaml", "", "")):
        for what, rate in (("command_line", (1e-3, 3e-4)[best]), (trials[1 - best].info.run_id, (3e-4, 1e-3)[best])):
            assert "now: dvc repro" in smoke.run("python", "-m", "srlab.cli", "promote", what)
            assert smoke.params()["models"]["espcn"]["lr"] == rate


def test_a_bad_setting_stops_before_the_first_stage(smoke: Workspace) -> None:
    with smoke.edited(("params.yaml", "batch_size: 4", "batch_size: 0")):
        lines = smoke.fail("srlab", "check").splitlines()
        assert "error: models.espcn.batch_size is 0: use a whole number at least 1" in lines
        assert lines == smoke.fail("python", "pipelines/degrade.py", "name=photos").splitlines()


def test_make_help_lists_every_target(smoke: Workspace) -> None:
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (smoke.root / "Makefile").read_text(), re.MULTILINE)
    listed = [line.split(maxsplit=1) for line in smoke.run("make", "--no-print-directory", "help").splitlines()]
    assert sorted(target for target, _ in listed) == sorted(phony.split())
