"""Test sets in memory, as `evaluate` and the canary read them."""

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


def standard(name: str, scale: int) -> Store:
    root = os.environ.get("SRLAB_DATASETS")
    if not root:
        pytest.skip("set SRLAB_DATASETS to the folder that holds Set5, Set14 and BSD100")
    return Store({path.stem: read_image(path) for path in sorted(Path(root, name).glob("*.png"))}, scale)
