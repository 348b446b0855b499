"""What the whole `smoke` pipeline leaves behind, for people, Git and MLflow."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kept import KEPT
from PIL import Image
from workspace import Finished, Workspace, stages_run

pytestmark = pytest.mark.pipeline

METHODS = [name for family, names in KEPT.items() if family != "datasets" for name in names]
SETS = ["heldout", "mine"]  # of one image each
NETWORKS = [*KEPT["models"], *KEPT["gans"]]
TRAINED = [*KEPT["examples"], *NETWORKS]
LEARNED = [*TRAINED, *KEPT["pretrained"]]
FIGURES = ["comparison", "visual", "quality_and_time", "family_tree", "frames", "training_curves"]
LABELS = ["Soft", "Bicubic", "IBP", "Nearest atom", "Plain", "ESPCN", "SRResNet", "SRGAN (MSE", "SRGAN (alpha 0.5"]


def test_every_stage_runs(first_run: Finished) -> None:
    listed = first_run.workspace.run("dvc", "stage", "list", "--name-only").split()
    assert sorted(stages_run(first_run.output)) == sorted(listed)


@pytest.mark.parametrize("method", METHODS)
def test_metrics_and_costs_have_the_documented_form(smoke: Workspace, method: str) -> None:
    """The scores have those of a metric that is none of the repository's, too."""
    metrics, cost = (smoke.read_json(f"reports/{kind}/{method}.json") for kind in ("metrics", "costs"))
    assert (metrics["method"], metrics["scale"]) == (method, 4)
    assert list(metrics["protocols"]) == ["modern", "classic"]
    assert all("BT.601" in found["protocol"] for found in metrics["protocols"].values())
    datasets = metrics["protocols"]["modern"]["datasets"]
    assert sorted(datasets) == SETS
    for found in datasets.values():
        (image,) = found["images"].values()
        assert {key: value for key, value in found.items() if key != "images"} == image
        assert 0 < image["psnr"] < 60  # dB
        assert -1 <= image["ssim"] <= 1
        assert image["mae"] > 0
    assert (cost["num_parameters"] > 0) == (method in LEARNED)
    assert cost["ms_per_megapixel"] > 0
    assert "thread" in cost["device"] or "NVIDIA" in cost["device"]


def test_the_summary_holds_the_table(smoke: Workspace) -> None:
    lines = (smoke.root / "reports/summary.md").read_text().splitlines()
    table = [[cell.strip(" *") for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")]
    heading, _, *rows = table[: len(METHODS) + 2]
    columns = [heading.index(f"heldout (1 image): {name}") for name in ("PSNR (dB)", "SSIM", "MAE (levels)")]
    for row, method, label in zip(rows, METHODS, LABELS, strict=True):
        found = smoke.read_json(f"reports/metrics/{method}.json")["protocols"]["modern"]["datasets"]["heldout"]
        assert row[0].startswith(label)
        assert [row[column] for column in columns] == [
            f"{found['psnr']:.2f}", f"{found['ssim']:.4f}", f"{found['mae']:.2f}",
        ]  # fmt: skip
        assert len(row) == len(heading)


def test_several_frames_beat_one(smoke: Workspace) -> None:
    psnr = {
        (name, count): sets["heldout"]["psnr"]
        for name in KEPT["classical"]
        for count, sets in smoke.read_json(f"reports/metrics/{name}.json")["frames"]["protocols"]["modern"].items()
    }
    assert psnr["ibp", "4"] > psnr["ibp", "1"] > psnr["bicubic", "1"]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_a_picture_that_the_summary_shows(smoke: Workspace, name: str) -> None:
    with Image.open(smoke.root / f"reports/figures/{name}.png") as picture:
        picture.load()
    darkest, lightest = picture.convert("L").getextrema()
    assert darkest != lightest
    assert f"(figures/{name}.png)" in (smoke.root / "reports/summary.md").read_text()


def test_show_prints_the_table_and_where_to_look_next(smoke: Workspace) -> None:
    output = smoke.run("python", "-m", "srlab.show")
    for method in METHODS:
        found = smoke.read_json(f"reports/metrics/{method}.json")["protocols"]["modern"]["datasets"]["heldout"]
        assert f"{found['psnr']:.2f}" in output
    assert "make ui" in output


# --- MLflow


@dataclass
class Store:
    """The runs of the clone's MLflow store that DVC started: {name of the run: run}, all of them, and a client."""

    client: Any
    runs: dict[str, Any]
    names: list[str]

    def artifacts(self, name: str, folder: str = "") -> list[str]:
        return [file.path for file in self.client.list_artifacts(self.runs[name].info.run_id, folder)]


@pytest.fixture(scope="module")
def store(smoke: Workspace) -> Store:
    client = smoke.mlflow()
    experiment = client.get_experiment_by_name("srlab")
    assert experiment is not None
    runs = [run for run in client.search_runs([experiment.experiment_id]) if "dvc.stage" in run.data.tags]
    return Store(client, {str(run.info.run_name): run for run in runs}, [str(run.info.run_name) for run in runs])


def test_every_method_has_one_run_and_so_has_the_comparison(store: Store) -> None:
    expected = [*METHODS, "comparison"]
    assert sorted(name for name in store.names if name in expected) == sorted(expected)
    assert {run.info.status for run in store.runs.values()} == {"FINISHED"}


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_run_has_the_test_metrics_and_the_cost(store: Store, smoke: Workspace, name: str) -> None:
    found = smoke.read_json(f"reports/metrics/{name}.json")["protocols"]["modern"]["datasets"]["heldout"]
    metrics = store.runs[name].data.metrics
    assert (metrics["modern/heldout/psnr"], metrics["modern/heldout/ssim"]) == (found["psnr"], found["ssim"])
    assert metrics.get("cost/ms_per_megapixel") == smoke.read_json(f"reports/costs/{name}.json")["ms_per_megapixel"]


@pytest.mark.parametrize("name", TRAINED)
def test_the_run_of_a_training_knows_its_data_its_stage_and_its_line(store: Store, smoke: Workspace, name: str) -> None:
    run = store.runs[name]
    (given,) = run.inputs.dataset_inputs
    lock = yaml.load((smoke.root / "dvc.lock").read_text(), yaml.CSafeLoader)
    (out,) = lock["stages"]["degrade@photos"]["outs"]
    assert (given.dataset.name, given.dataset.digest) == ("photos", out["md5"])
    stages = {"examples": "train_examples", "models": "train", "gans": "train_gan"}
    (family,) = (family for family in stages if name in KEPT[family])
    assert run.data.tags["dvc.stage"] == f"{stages[family]}@{name}"
    trained_at = smoke.run("git", "rev-parse", "HEAD~1").strip()  # HEAD holds the results
    assert run.data.tags["mlflow.source.git.commit"] == trained_at
    assert name not in NETWORKS or run.data.params[f"{family}.{name}.batch_size"] == "4"
    assert smoke.read_json(f"models/{name}/run.json") == {"run_id": run.info.run_id}


def test_a_dictionarys_run_has_its_learning_and_the_file(store: Store, smoke: Workspace, tmp_path: Path) -> None:
    run = store.runs["nearest_atom"]
    steps = store.client.get_metric_history(run.info.run_id, "train/ksvd_rmse")
    assert len(steps) == smoke.params()["examples"]["nearest_atom"]["iterations"]
    kept = store.client.download_artifacts(run.info.run_id, "checkpoint/dictionary.safetensors", str(tmp_path))
    assert Path(kept).read_bytes() == (smoke.root / "models/nearest_atom/dictionary.safetensors").read_bytes()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_models_run_has_every_epoch_the_model_and_images(store: Store, smoke: Workspace, name: str) -> None:
    params = smoke.params()
    epochs = (params["models"] | params["gans"])[name]["max_epochs"]
    for key in ("train/loss", "val/psnr", "val/ssim", "lr"):
        history = store.client.get_metric_history(store.runs[name].info.run_id, key)
        assert [metric.step for metric in history] == list(range(epochs)), key
    best = store.client.get_model_version_by_alias(f"srlab-{name}", "best")
    kept = Path(str(best.source).removeprefix("file://"), "data/weights/network.safetensors")
    assert best.run_id == store.runs[name].info.run_id
    assert kept.read_bytes() == (smoke.root / f"models/{name}/best.safetensors").read_bytes()
    assert any(file.endswith(".png") for file in store.artifacts(name, "images"))  # of the epochs
    assert "test_images/heldout" in store.artifacts(name, "test_images")


def test_the_comparison_run_holds_the_table(store: Store, smoke: Workspace, tmp_path: Path) -> None:
    run = store.runs["comparison"].info.run_id
    content = json.loads(Path(store.client.download_artifacts(run, "comparison.json", str(tmp_path))).read_text())
    rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
    assert sorted((row["method"], row["protocol"], row["set"]) for row in rows) == sorted(
        (method, protocol, name) for method in METHODS for protocol in ("modern", "classic") for name in SETS
    )
    for row in rows:
        protocols = smoke.read_json(f"reports/metrics/{row['method']}.json")["protocols"]
        found = protocols[row["protocol"]]["datasets"][row["set"]]
        # MLflow writes tables with ten decimals.
        assert (row["psnr"], row["ssim"]) == pytest.approx((found["psnr"], found["ssim"]), abs=1e-10)


def test_the_comparison_run_holds_the_figures_and_links_to_the_others(store: Store) -> None:
    assert {"index.html", "summary.md"} <= set(store.artifacts("comparison"))
    assert store.artifacts("comparison", "figures") == [f"figures/{name}.png" for name in sorted(FIGURES)]
    description = store.runs["comparison"].data.tags["mlflow.note.content"]
    for method in METHODS:
        assert f"/runs/{store.runs[method].info.run_id})" in description


# --- No network


def test_the_pipeline_opens_no_connection(first_run: Finished) -> None:
    connections = first_run.workspace.connections
    assert not connections.exists(), connections.read_text()


def test_a_connection_would_have_been_noticed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "connections.txt")
    attempt = "import urllib.request; urllib.request.urlopen('http://192.0.2.1')"  # TEST-NET-1: nobody's address
    assert "tests open no connection" in workspace.fail("python", "-c", attempt)
    assert "192.0.2.1" in workspace.connections.read_text()
