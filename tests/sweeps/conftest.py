"""A folder in which `pipelines/train.py` trains small networks on a small store within a second."""

import copy
import runpy
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from profiles import PROFILES

from srlab.datasets.augmentation import build_index
from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import pack
from srlab.files import read_json
from srlab.images.files import write_png

ROOT = Path(__file__).parents[2]
SMALL = {"patch_size": 16, "batch_size": 4, "patches_per_epoch": 8}


@dataclass(frozen=True)
class Bench:
    """The folder, and what was printed by what ran in it."""

    root: Path
    script: Callable[..., int]
    read: Callable[[], Any]

    def sweep(self, *words: str) -> list[str]:
        """Lines that a sweep printed to standard output; it has to end well."""
        status = self.script("-m", *words)
        shown = self.read()
        assert status == 0, shown.err
        return shown.out.splitlines()

    def refused(self, *words: str) -> str:
        """The one line that a sweep ends with, but for those about what MLflow is to be told."""
        assert self.script("-m", *words) == 1
        (line,) = (line for line in self.read().err.splitlines() if not line.startswith("MLflow "))
        return line

    def result(self, name: str) -> dict[str, Any]:
        """sweep.json of the only sweep of that name."""
        (folder,) = (self.root / "sweeps").glob(f"{name}-*")
        return read_json(folder / "sweep.json")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A x2 store of two training images and one validation image, 40 px wide: waves, which are soon learned."""
    folder = tmp_path_factory.mktemp("store")
    rows, columns = np.mgrid[:40, :40]
    for seed in range(3):
        generator = np.random.default_rng(seed)
        waves = [np.sin(rows * a + columns * b) for a, b in generator.uniform(0.05, 0.6, (3, 2))]
        write_png(folder / "in" / f"{seed}.png", np.uint8(127.5 + 120 * np.stack(waves, 2)))
    fetch_images(Folder(str(folder / "in"), None), folder / "images", 16)
    index = build_index(read_json(folder / "images" / "manifest.json"), "train", 1, 1, seed=0)
    pack(folder / "images", index, Bicubic(2), folder / "pairs", 16)
    return folder / "pairs"


@pytest.fixture
def bench(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    """Profile `smoke` at x2 with the small store; MLflow is told later."""
    params = copy.deepcopy(PROFILES["smoke"]) | {"scale": 2}
    params["kernels"] = "native"  # which torch has begun with in this process
    for line in params["models"].values():
        line.update(SMALL)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    shutil.copytree(store, tmp_path / "data/pairs/train/photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))

    def script(*words: str) -> int:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["train.py", *words, "tracking.live=false"])
        try:
            runpy.run_path(str(ROOT / "pipelines/train.py"), run_name="__main__")
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            return 1 if isinstance(end.code, str) else int(end.code or 0)
        return 0

    return Bench(tmp_path, script, capfd.readouterr)
