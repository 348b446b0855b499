"""A picture that is quickly learned, the trainer of conf/ and what watches a training."""

from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import OmegaConf

TRAINER = Path(__file__).parents[2] / "conf/trainer/default.yaml"


def smooth(seed: int) -> np.ndarray:
    """uint8 (40, 40, 3): three waves per channel, which a small network soon learns to enlarge."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:40, :40]
    waves = [
        np.sin(rows * a + columns * b + c) for a, b, c in generator.uniform((0.05, 0.05, 0), (0.6, 0.6, 6.0), (9, 3))
    ]
    return (127.5 + 42 * np.stack(waves).reshape(3, 3, 40, 40).sum(0).transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)


def trainer(max_epochs: int) -> Any:
    """The `_partial_` Trainer of conf/, on the CPU."""
    return instantiate(OmegaConf.merge(OmegaConf.load(TRAINER), {"max_epochs": max_epochs, "accelerator": "cpu"}))


class Recorder:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, float]] = {}
        self.images: dict[int, np.ndarray] = {}

    def metrics(self, row: dict[str, float], step: int) -> None:
        self.rows[step] = row

    def image(self, image: np.ndarray, key: str, step: int) -> None:
        self.images[step] = image
