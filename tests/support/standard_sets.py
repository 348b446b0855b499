"""The public data, and test sets in memory, as `evaluate` and the canary read them."""

import os
from pathlib import Path

import numpy as np
import pytest

from srlab.degradation.imaging import Bicubic
from srlab.images.files import read_image


class Store:
    """What an evaluation needs of a PairStore, in memory."""

    def __init__(self, images: dict[str, np.ndarray], scale: int = 4) -> None:
        self.scale = scale
        self.test = list(images)
        self.degradation = str(Bicubic(scale))
        self.pairs = {name: Bicubic(scale)(image) for name, image in images.items()}

    def hr(self, name: str) -> np.ndarray:
        return self.pairs[name][0]

    def lr(self, name: str) -> np.ndarray:
        return self.pairs[name][1]


def mirror(*parts: str) -> Path:
    """A place in the folder of the public data; without that folder the test is skipped."""
    if not os.environ.get("SRLAB_DATASETS"):
        pytest.skip("SRLAB_DATASETS is not set: it names the folder that holds the public data sets (docs/datasets.md)")
    return Path(os.environ["SRLAB_DATASETS"], *parts)


def standard_images(name: str) -> dict[str, np.ndarray]:
    return {path.stem: read_image(path) for path in sorted(mirror(name).glob("*.png"))}


def standard(name: str, scale: int) -> Store:
    return Store(standard_images(name), scale)
