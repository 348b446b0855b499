"""A sweep against its trainings: what a trial costs beside its training, what a second worker and pruning bring.

On the packed data of this folder (`make repro` first, profile quick), which is left as it is.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SMOKE = {"max_epochs": 2, "patience": 2, "batch_size": 4, "patch_size": 32, "patches_per_epoch": 16}  # as conf/profile
REAL = {"max_epochs": 10, "patience": 10, "patches_per_epoch": 200}
TIMED = """
import runpy, sys, time
import srlab.training.fit as module
inner, seconds = module.fit, []
def fit(*args, **kwargs):
    start = time.perf_counter()
    try:
        return inner(*args, **kwargs)
    finally:
        seconds.append(time.perf_counter() - start)
module.fit = fit
sys.argv[0] = "pipelines/train.py"
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("seconds in fit:", sum(seconds))
"""

pytestmark = pytest.mark.skipif(
    not (ROOT / "data/pairs/train/photos").exists(), reason="no data in data/pairs/train/photos: make repro"
)


def sweep(folder: Path, sizes: dict[str, int], *words: str) -> tuple[float, float, dict[str, Any]]:
    """Seconds from start to end, those within `fit` in this process, and sweep.json of ESPCN's 24 trials."""
    numbers = [f"models.espcn.{key}={value}" for key, value in sizes.items()]
    places = [f"sweep.folder={folder}", f"root={folder}", f"tracking.outbox={folder}/outbox"]
    places += [f"tracking.uri=sqlite:///{folder}/mlflow.db", f"tracking.artifacts={folder}/artifacts"]
    chosen = ["-m", "sweep=espcn_lr_batch", "sweep/pruner=none", *numbers, *places, *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", TIMED, *chosen], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    wall = time.perf_counter() - start
    (file,) = folder.glob("espcn_lr_batch-*/sweep.json")
    return wall, float(done.stdout.rpartition("seconds in fit:")[2]), json.loads(file.read_text())


def test_beside_its_training(benchmark: Any, tmp_path: Path) -> None:
    """Everything but `fit`, imports, checks and MLflow included, a trial; and a second worker, over the whole sweep."""
    wall, training, _ = benchmark.pedantic(sweep, (tmp_path / "one", SMOKE), rounds=1)
    with_two, _, _ = sweep(tmp_path / "two", SMOKE, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    benchmark.extra_info["seconds a trial beside its training"] = (wall - training) / 24
    benchmark.extra_info["share of training"] = training / wall
    benchmark.extra_info["speed-up with 2 workers"] = wall / with_two


def test_what_a_second_worker_brings(benchmark: Any, tmp_path: Path) -> None:
    """To trainings of some seconds, where starting the workers weighs little."""
    wall, _, _ = benchmark.pedantic(sweep, (tmp_path / "one", REAL), rounds=1)
    with_two, _, _ = sweep(tmp_path / "two", REAL, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    benchmark.extra_info["speed-up with 2 workers"] = wall / with_two


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_what_pruning_saves(benchmark: Any, tmp_path: Path, pruner: str) -> None:
    """The same 24 random points with and without; the winner has to be the same."""
    words = ["sweep/sampler=random"]
    _, _, whole = sweep(tmp_path / "whole", REAL, *words)
    _, _, cut = benchmark.pedantic(sweep, (tmp_path / "cut", REAL, *words, f"sweep/pruner={pruner}"), rounds=1)
    num_epochs = sum(row["reported_epochs"] for row in cut["trials"])
    benchmark.extra_info["epochs saved"] = 1 - num_epochs / (24 * REAL["max_epochs"])
    benchmark.extra_info["winner kept"] = whole["best"][0]["trial"] == cut["best"][0]["trial"]
    benchmark.extra_info["val/psnr"] = (whole["best"][0]["val/psnr"], cut["best"][0]["val/psnr"])
