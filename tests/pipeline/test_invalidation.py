"""`dvc repro` runs what an edit concerns and nothing else; runs by hand leave what DVC owns alone."""

import json
from pathlib import Path

import pytest
from branches import LOWER_RATE, Finished
from workspace import Workspace, stages_run

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


def test_another_learning_rate_reruns_that_model_alone(lower_rate: Finished) -> None:
    again = [
        "compare_sets",  # patch sizes against those of the images
        "train@espcn",
        "evaluate@espcn",
        "evaluate_pretrained@srgan_half",
        "report",
    ]  # the last but one: all weights
    assert stages_run(lower_rate.output) == again


def test_an_edit_of_one_network_concerns_no_other(smoke: Workspace) -> None:
    with smoke.edited(("src/srlab/adversarial/discriminator.py", "", "# an edit\n")):
        assert set(smoke.status()) == {"train_gan@srgan"}


@pytest.mark.parametrize(("edit", "stages"), [
    (("conf/model/espcn.yaml", "kind_label: ESPCN", "kind_label: E"), {"train@espcn", "evaluate@espcn"}),
    (("conf/trainer/default.yaml", "chunk: 8", "chunk: 4"),
     {"train@espcn", "train@srresnet", "train_gan@srgan"}),
])  # fmt: skip
def test_an_edit_in_conf_concerns_what_reads_it(smoke: Workspace, edit: tuple[str, str, str], stages: set[str]) -> None:
    with smoke.edited(edit):
        assert {stage for stage in smoke.status() if not stage.startswith("evaluate_pretrained")} == stages


def test_an_edit_of_one_data_set_concerns_no_other(smoke: Workspace) -> None:
    with smoke.edited(("conf/dataset/heldout.yaml", "skimage:rocket", "skimage:retina")):
        changed = set(smoke.status())
    assert "fetch@heldout" in changed
    assert {stage.partition("@")[2] for stage in changed} == {"heldout"}


def test_diffs_name_the_number_and_what_became_of_it(lower_rate: Finished) -> None:
    params = json.loads(lower_rate.workspace.run("dvc", "params", "diff", "--json"))
    assert params["params.yaml"]["models.espcn.lr"] | {"diff": 0} == {"old": 0.001, "new": LOWER_RATE, "diff": 0}
    metrics = json.loads(lower_rate.workspace.run("dvc", "metrics", "diff", "--json"))
    assert set(metrics) == {"reports/metrics/espcn.json"}  # and no costs, which differ on every run
    scores = {f"protocols.{era}.datasets.heldout.{name}" for era in ("modern", "classic") for name in ("psnr", "ssim")}
    assert scores <= set(metrics["reports/metrics/espcn.json"])


def test_an_experiment_changes_the_number_it_is_given(lower_rate: Finished, tmp_path: Path) -> None:
    workspace = lower_rate.workspace.copy(tmp_path / "srlab")
    workspace.run("git", "reset", "--quiet", "--hard")
    change = f"models.espcn.lr={LOWER_RATE}"
    output = workspace.run("dvc", "exp", "run", "--name", "lower", "-S", change, "evaluate@espcn")
    assert "Ran experiment(s): lower" in output
    assert stages_run(output) == []  # `dvc repro` ran this before: nothing is computed twice
    assert workspace.params()["models"]["espcn"]["lr"] == LOWER_RATE
    metrics = "reports/metrics/espcn.json"
    assert workspace.bytes_of(metrics) == lower_rate.workspace.bytes_of(metrics)


def test_a_run_by_hand_lands_in_outputs(smoke: Workspace) -> None:
    smoke.run("python", "pipelines/degrade.py", "name=photos", "seed=1")
    assert len(list(smoke.root.glob("outputs/*/*/pairs/train/photos/index.json"))) == 1
    assert smoke.status() == {}


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
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    parent, *trials = runs
    assert [run.info.run_name for run in trials] == ["espcn-000", "espcn-001", "espcn-002"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FINISHED", "FAILED"]
    assert "lower lr" in trials[2].data.tags["srlab.why"]
    assert parent.data.params["models.espcn.lr"] == "1e-3,3e-4,1e30"
    best = max(run.data.metrics["val/psnr"] for run in trials[:2])
    assert parent.data.metrics["best/val/psnr"] == pytest.approx(best)
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"plots", "trials.json"}
    plots = {file.path for file in client.list_artifacts(parent.info.run_id, "plots")}
    assert plots == {"plots/history.png", "plots/parallel.png"}  # two complete trials tell nothing of importances

    before = (smoke.root / "params.yaml").read_bytes()
    try:
        rate = 1e-3 if trials[0].data.metrics["val/psnr"] == best else 3e-4
        for what in ("command_line", parent.info.run_id):
            assert "now: dvc repro" in smoke.run("python", "-m", "srlab.cli", "promote", what)
            assert smoke.params()["models"]["espcn"]["lr"] == rate
        other = trials[0 if rate == 3e-4 else 1].info.run_id
        smoke.run("python", "-m", "srlab.cli", "promote", other)
        assert smoke.params()["models"]["espcn"]["lr"] != rate
        assert "is no sweep in" in smoke.fail("python", "-m", "srlab.cli", "promote", "nonsense")
    finally:
        (smoke.root / "params.yaml").write_bytes(before)
