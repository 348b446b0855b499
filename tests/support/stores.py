"""Small packed stores for the tests of this folder."""

from pathlib import Path

import numpy as np

from srlab.datasets.augmentation import build_index
from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import pack
from srlab.degradation.pairs import PairStore
from srlab.files import read_json
from srlab.images.files import write_png

SIZES = {"colour": (37, 50, 3), "grey": (41, 33, 1), "square": (32, 32, 3), "tall": (64, 35, 3)}


def originals() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.integers(0, 256, size, dtype=np.uint8) for name, size in SIZES.items()}


def images_folder(folder: Path, images: dict[str, np.ndarray]) -> Path:
    for name, image in images.items():
        write_png(folder / "in" / f"{name}.png", image)
    fetch_images(Folder(str(folder / "in"), None), folder / "images", 16)
    return folder / "images"


def packed(
    folder: Path, images: dict[str, np.ndarray], role: str = "train", scale: int = 2, num_val: int = 1
) -> PairStore:
    source = images_folder(folder, images)
    index = build_index(read_json(source / "manifest.json"), role, num_val, 8, seed=0)
    pack(source, index, Bicubic(scale), folder / "pairs", 16)
    return PairStore(folder / "pairs")
