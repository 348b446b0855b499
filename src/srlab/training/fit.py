"""Train a Lightning module to its best epoch, going on from where a killed run stopped."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint

from srlab.errors import SrlabError
from srlab.models.network import Network
from srlab.training.curves import Row
from srlab.training.history import History, SampleImages, TrainingProgress


class Watcher(Protocol):
    """Who is told what happens, as it happens: `srlab.tracking.Tracker`, or a stand-in."""

    def metrics(self, row: Row, step: int) -> None:
        """The metrics of one epoch."""

    def image(self, image: Any, key: str, step: int) -> None:
        """A uint8 image (H, W, C) of one epoch."""


@dataclass
class Fitted:
    """The network with its best weights, the epoch (from 0) they are of, and one row of metrics per epoch."""

    network: Network
    best_epoch: int
    rows: list[Row]


def fit(
    module: Any,
    data: pl.LightningDataModule,
    make_trainer: Callable[..., pl.Trainer],
    work: Path,
    label: str,
    patience: int,
    watcher: Watcher,
) -> Fitted:
    """Fit `module` (a Regression or Adversarial) and give it back with the weights of its best epoch.

    "Preset 300 epochs, then the optimal number from the curves" (An et al. 2022, sec. 4.4): the epoch of the best
    `module.monitor` is kept, and training stops early when `patience` epochs brought nothing better.

    Args:
        make_trainer: a `_partial_` Trainer, called with callbacks and folders.
        work: the folder for checkpoints; a `last.ckpt` in it is resumed from.
        label: the name that progress and messages use.
    """
    quiet_lightning()
    mode = "max" if module.monitor == "val/psnr" else "min"
    history = History(watcher.metrics)
    stopping = EarlyStopping(module.monitor, patience=patience, mode=mode, check_finite=True)
    # Two checkpoint callbacks, because save_last=True with a monitor keeps the last improvement, not the last epoch.
    # The best is written first: a kill between the two repeats the epoch, the other way round would lose the best.
    best = ModelCheckpoint(work, "best", module.monitor, mode=mode, enable_version_counter=False)
    last = ModelCheckpoint(work, "last", enable_version_counter=False)
    callbacks: list[Callback] = [history, stopping, TrainingProgress(label), SampleImages(watcher.image), best, last]
    trainer = make_trainer(callbacks=callbacks, default_root_dir=work, logger=False, enable_progress_bar=False)
    module.to(memory_format=torch.channels_last)  # convolutions take up to twice as long in torch's own order
    resumed = work / "last.ckpt"
    if not resumed.exists():
        trainer.fit(module, data)
    elif not _stopped_early(resumed, history):
        print(
            f"train {label}: goes on after epoch {len(history.rows)}, the last that an earlier run finished", flush=True
        )
        trainer.fit(module, data, ckpt_path=resumed, weights_only=True)
    if not trainer.is_global_zero:
        raise SystemExit(0)  # the first process writes the results
    return _best(module, history, work)


def _stopped_early(checkpoint: Path, history: History) -> bool:
    """Whether the run that wrote `checkpoint` had come to its end; gives `history` its rows either way."""
    states = torch.load(checkpoint, map_location="cpu", weights_only=True)["callbacks"]
    history.load_state_dict(states["History"])
    return any(state["stopped_epoch"] > 0 for key, state in states.items() if key.startswith("EarlyStopping"))


def _best(module: Any, history: History, work: Path) -> Fitted:
    values = [row[module.monitor] for row in history.rows]
    if not all(map(torch.isfinite, torch.tensor(values))):
        raise SrlabError(f"{module.monitor} became {values[-1]} in epoch {len(values)}: lower lr in params.yaml")
    checkpoint = torch.load(work / "best.ckpt", map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"], strict=module.strict_loading)
    return Fitted(module.generator, int(checkpoint["epoch"]), history.rows)


def quiet_lightning() -> None:
    """Silence what Lightning says at every start and nobody can act on."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory.*",
        ".*logging interval.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message)
