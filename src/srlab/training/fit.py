"""Train a Lightning module to its best epoch, resuming where a killed run stopped."""

import logging
import math
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from pytorch_lightning.callbacks import Callback

from srlab.errors import SrlabError
from srlab.models.base.network import Network
from srlab.training.checkpoints import Best, Checkpoints, WholeFiles, newest
from srlab.training.curves import Row
from srlab.training.history import History, SampleImages, TrainingProgress, Waiting
from srlab.training.resume import Origin
from srlab.training.trainable import Trainable


class Watcher(Protocol):
    """Is told what happens, as it happens: `srlab.tracking.tracker.Tracker`, or a stand-in."""

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
    module: Trainable,
    data: pl.LightningDataModule,
    make_trainer: Callable[..., pl.Trainer],  # a `_partial_` of Hydra, called with callbacks and folders
    work: Path,  # for checkpoints; the newest whole one in it is resumed from
    label: str,  # the name that progress and messages use
    patience: int,
    watcher: Watcher,
    made_by: Origin,  # all that decides the result; a checkpoint that anything else made is refused
    checkpoint_minutes: float,  # of work that a kill may cost within an epoch
) -> Fitted:
    """Fit `module` (a Regression or Adversarial) and give back its network with the weights of the best epoch.

    "Preset 300 epochs, then the optimal number from the curves" (An et al. 2022, sec. 4.4): the epoch of the best
    `module.monitor` is kept, and training stops early when `patience` epochs brought nothing better. SrlabError if a
    loss or score is not finite, memory or disk is full, or a checkpoint is of another training.
    """
    quiet_lightning()
    best = Best(patience)
    waiting = Waiting()
    history = History(watcher.metrics, waiting)
    checkpoints = Checkpoints(work, made_by, checkpoint_minutes, label)
    # The order matters: the row and the best weights of an epoch have to be there when its checkpoint is written.
    progress, samples = TrainingProgress(label, waiting), SampleImages(watcher.image)
    callbacks: list[Callback] = [waiting, history, best, progress, samples, checkpoints]
    # Lightning's requeueing saves in the middle of a step; SIGTERM and `sbatch --requeue` do without it.
    plugins = [WholeFiles(), *([SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else [])]
    trainer = make_trainer(
        callbacks=callbacks, plugins=plugins, default_root_dir=work, logger=False, enable_progress_bar=False
    )
    if trainer.scaler is not None:
        raise SrlabError("precision 16-mixed needs loss scaling, which srlab does not do: set bf16-mixed or 32-true")
    resumed = newest(work, made_by)
    if resumed is None:
        _train(trainer, label, module, data)
    elif not _is_at_its_end(resumed[1], history, best):
        if trainer.is_global_zero:
            print(f"train {label}: resumes {_place(resumed[1], data)}, where an earlier run stopped", flush=True)
        _train(trainer, label, module, data, ckpt_path=resumed[0], weights_only=True)
    if not trainer.is_global_zero:
        raise SystemExit(0)  # the first process writes the results
    value = history.rows[-1][module.monitor]
    if not math.isfinite(value):
        raise SrlabError(f"{module.monitor} became {value} in epoch {len(history.rows)}: lower lr in params.yaml")
    module.network.load_state_dict(best.weights)
    return Fitted(module.network, best.epoch, history.rows)


def _train(trainer: pl.Trainer, label: str, *args: Any, **kwargs: Any) -> None:
    try:
        trainer.fit(*args, **kwargs)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning ends in silence, and lets no further one through
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise end.__context__ from None
        raise
    except (MemoryError, RuntimeError, ValueError) as error:
        if "SyncBatchNorm layers only work" in str(error):
            cure = "set trainer.lightning.sync_batchnorm=false"
            raise SrlabError(f"train {label}: batch normalisation cannot be synchronized on a CPU: {cure}") from error
        is_full = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not is_full and "can't allocate memory" not in str(error):  # what torch says of a CPU's
            raise
        raise SrlabError(
            f"train {label}: out of memory: lower its batch_size or patch_size in params.yaml, or compute a batch in "
            "micro-batches (recipes.*.accumulate)"
        ) from error


def _is_at_its_end(checkpoint: dict[str, Any], history: History, best: Best) -> bool:
    """Whether the run that wrote `checkpoint` had stopped early; gives the callbacks their states either way."""
    for callback in (history, best):
        callback.load_state_dict(checkpoint["callbacks"][callback.state_key])
    return best.is_exhausted or not all(math.isfinite(row[name]) for row in history.rows[-1:] for name in row)


def _place(checkpoint: dict[str, Any], data: Any) -> str:
    epoch, step = divmod(checkpoint["progress"]["num_steps"], data.steps_per_epoch)
    return f"after step {step} of epoch {epoch + 1}" if step else f"after epoch {epoch}"


def quiet_lightning() -> None:
    """Silence warnings of Lightning that come at every start and that nobody can act on."""
    for name in ("pytorch_lightning", "lightning_fabric", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory.*",
        ".*logging interval.*",
        ".*LeafSpec.*",
        ".*in eval mode at the start of training.*",  # a loss network, an average
        ".*sync_dist=True.*",  # Trainable sums over the processes
    ):
        warnings.filterwarnings("ignore", message)
