"""Fixtures: a tiny packed store to train on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import Recorder, fitted, smooth

from srlab.datasets.augmentation import build_index
from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import pack
from srlab.files import read_json
from srlab.images.files import write_png
from srlab.patches.datamodule import PairData
from srlab.training.fit import Fitted

Train = Callable[..., Fitted]


def small_store(folder: Path, num_val: int) -> Path:
    """A x2 store of two training images under 8 operations and some validation images, 40 px wide."""
    for seed in range(2 + num_val):
        write_png(folder / "in" / f"image{seed}.png", smooth(seed))
    fetch_images(Folder(str(folder / "in"), None), folder / "images", 16)
    index = build_index(read_json(folder / "images" / "manifest.json"), "train", num_val, 8, seed=0)
    pack(folder / "images", index, Bicubic(2), folder / "pairs", 16)
    return folder / "pairs"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with one validation image."""
    return small_store(tmp_path_factory.mktemp("store"), 1)


@pytest.fixture
def data(store: Path) -> Callable[..., PairData]:
    """Makes a PairData: 2 steps an epoch."""

    def make(**changes: Any) -> PairData:
        numbers = {
            "folder": str(store),
            "scale": 2,
            "seed": 7,
            "patch_size": 16,
            "batch_size": 4,
            "patches_per_epoch": 8,
        }
        return PairData(**{**numbers, **changes})

    return make


@pytest.fixture
def train(data: Callable[..., PairData], tmp_path: Path) -> Train:
    """Trains a module, in a folder of its own unless `name` names it; `feed` changes what `data` makes."""

    def run(
        module: Any,
        epochs: int = 1,
        watcher: Any = None,
        name: str = "",
        feed: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Fitted:
        work = tmp_path / (name or f"training-{len(list(tmp_path.iterdir()))}")
        return fitted(module, data(**feed or {}), work, watcher or Recorder(), epochs, **changes)

    return run
