"""A picture that is quickly learned, the trainer of conf/ and what watches a training."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from srlab.patches.datamodule import PairData
from srlab.training.fit import Fitted, fit

TRAINER = Path(__file__).parents[2] / "conf/trainer/default.yaml"


def smooth(seed: int) -> np.ndarray:
    """uint8 (40, 40, 3): three waves per channel, which a small network soon learns to enlarge."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:40, :40]
    waves = [
        np.sin(rows * a + columns * b + c) for a, b, c in generator.uniform((0.05, 0.05, 0), (0.6, 0.6, 6.0), (9, 3))
    ]
    return (127.5 + 42 * np.stack(waves).reshape(3, 3, 40, 40).sum(0).transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)


def trainer(max_epochs: int, **changes: Any) -> Any:
    """The `_partial_` Trainer of conf/, on the CPU."""
    changes = {"max_epochs": max_epochs, "accelerator": "cpu"} | changes
    return instantiate(OmegaConf.merge(OmegaConf.load(TRAINER).lightning, changes))


def fitted(module: Any, data: PairData, work: Path, watcher: Any, epochs: int, **changes: Any) -> Fitted:
    """`fit` to the end of so many epochs; `changes` of patience, made_by, checkpoint_minutes, and of the Trainer."""
    patience = changes.pop("patience", 99)
    made_by, minutes = changes.pop("made_by", {"lr": "0.1"}), changes.pop("checkpoint_minutes", 99.0)
    return fit(module, data, trainer(epochs, **changes), work, "test", patience, watcher, made_by, minutes)


def attach(data: PairData, channels: int = 3, num_steps: int = 0, rank: int = 0, world_size: int = 1) -> None:
    """Give `data` what it asks of a trainer."""
    module = SimpleNamespace(network=SimpleNamespace(channels=channels), num_steps=num_steps)
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(global_rank=rank, world_size=world_size, strategy=strategy, lightning_module=module)
    data.trainer = trainer  # pyright: ignore[reportAttributeAccessIssue]


class Recorder:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, float]] = {}
        self.images: dict[int, np.ndarray] = {}

    def metrics(self, row: dict[str, float], step: int) -> None:
        self.rows[step] = row

    def image(self, image: np.ndarray, key: str, step: int) -> None:
        self.images[step] = image
