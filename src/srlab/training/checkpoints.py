"""Checkpoints of an unfinished training: whole or not there, and the one before until the next is whole.

`last.ckpt` holds all that decides how the training continues: networks, optimizers, schedules, counts, the best weights
so far, the rows of its curves, random states, and what made it. `previous.ckpt` is the one before it.
"""

import io
import os
import pickle
import random
import signal
import threading
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.exceptions import SIGTERMException

from srlab.errors import SrlabError, one_line
from srlab.files import replacing
from srlab.stage import is_follower
from srlab.training.resume import Origin, differences

DAMAGE = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, pickle.UnpicklingError)
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
NOTHING, SAVE, STOP = range(3)  # what is to be done between two chunks: the largest that any process wants
SECONDS_BETWEEN_SYNCS = 10.0  # of several processes, which wait for each other while they agree on what to do


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint to a temporary name beside its own, to the disk, and renames it; keeps the one before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """SrlabError if it cannot be written, as on a full disk; what was there before is still there then."""
        path, buffer = Path(path), io.BytesIO()
        torch.save(checkpoint, buffer)
        try:
            with replacing(path) as temporary:
                with temporary.open("wb") as file:
                    file.write(buffer.getbuffer())
                    file.flush()
                    os.fsync(file.fileno())
                if path.exists():  # at every moment one of the two is whole
                    path.replace(path.with_name(PREVIOUS))
        except OSError as error:
            raise SrlabError(
                f"{path} cannot be written ({error.strerror}): make room and run the same command again, it resumes "
                "from the checkpoint before"
            ) from error


def newest(work: Path, origin: Origin) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint in `work` that is whole, and its content on the CPU; None if there is none.

    A damaged one is named and renamed: the next save would keep it in the place of the whole one before. SrlabError
    if it was made by other code, data or settings than `origin`.
    """
    for path in (work / LAST, work / PREVIOUS):
        if not path.exists():
            continue
        try:
            content = _read(path)
        except DAMAGE as error:
            if not is_follower():
                has_other = path.name == LAST and path.with_name(PREVIOUS).exists()
                cure = "resuming from the one before" if has_other else "starting from scratch, there is no other"
                print(f"{path} is damaged ({one_line(error)}): {cure}", flush=True)
                path.replace(path.with_suffix(".damaged"))
            continue
        if content["origin"] != origin:
            what = "; ".join(differences(content["origin"], origin))
            raise SrlabError(f"{path} was made by another training ({what}): remove {work}, or go back to what made it")
        return path, content
    return None


class Best(Callback):
    """Remembers the weights of the best epoch, and stops the training when `patience` epochs brought nothing better.

    Of a module that `keeps_last` every epoch is the best so far.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.epoch, self.value, self.waited, self.weights = -1, float("nan"), 0, {}

    @property
    def is_exhausted(self) -> bool:
        """Whether to stop before the last epoch."""
        return self.waited >= self.patience

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        module: Any = pl_module
        value = float(trainer.callback_metrics[module.monitor])
        if self.epoch < 0 or module.keeps_last or module.sign * value > module.sign * self.value:
            weights = module.network.state_dict().items()
            self.weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights}
            self.epoch, self.value, self.waited = trainer.current_epoch, value, 0
        else:
            self.waited += 1
        trainer.should_stop = trainer.should_stop or self.is_exhausted or not np.isfinite(value)

    def state_dict(self) -> dict[str, Any]:
        """Epoch, value, epochs since, weights."""
        return {name: getattr(self, name) for name in ("epoch", "value", "waited", "weights")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self).update(state_dict)


class Checkpoints(Checkpoint):
    """Saves at the end of every epoch, every `minutes` in between, and on SIGTERM (a cluster that wants its node back).

    SIGTERM ends the training after the chunk of steps in which it came, or after the validation, with exit code 143. Of
    several processes, it is enough that one gets it: they synchronize every ten seconds, counted in chunks, since their
    clocks differ. `origin` goes into every checkpoint.
    """

    def __init__(self, work: Path, origin: Origin, minutes: float, label: str) -> None:
        self.work, self.origin, self.minutes, self.label = work, origin, minutes, label
        self.random: dict[str, Any] | None = None

    def on_train_start(self, trainer, pl_module) -> None:
        self.is_terminated = trainer.received_sigterm
        if threading.current_thread() is threading.main_thread():
            # In the place of Lightning's handler, which communicates with the other processes from within the signal
            # and may wait for ever; Lightning puts back the handler that was there before its own.
            signal.signal(signal.SIGTERM, self._terminate)
        if self.random is not None:  # now, when nothing draws any more before the first step
            set_random_states(self.random)
        self.saved_at = self._synced_at = time.monotonic()
        self._chunks_since_sync, self._chunks_until_sync = 0, 1

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if batch_idx + 1 >= trainer.num_training_batches:
            return  # the end of the epoch follows, with validation and a checkpoint of its own
        self._chunks_since_sync += 1
        if trainer.world_size > 1 and self._chunks_since_sync < self._chunks_until_sync:
            return
        self._act(trainer, NOTHING)

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self._act(trainer, SAVE)

    def on_save_checkpoint(self, trainer, pl_module, checkpoint) -> None:
        checkpoint["origin"], checkpoint["random"] = self.origin, random_states()

    def on_load_checkpoint(self, trainer, pl_module, checkpoint) -> None:
        self.random = checkpoint["random"]

    def on_exception(self, trainer, pl_module, exception) -> None:
        if isinstance(exception, SIGTERMException) and trainer.is_global_zero:
            place = self.work / LAST
            print(f"train {self.label}: stopped by SIGTERM; the same command resumes from {place}", flush=True)

    def _terminate(self, signum: int, frame: Any) -> None:
        self.is_terminated = True

    def _act(self, trainer: pl.Trainer, at_least: int) -> None:
        todo = max(self._todo(trainer), at_least)
        if todo >= SAVE:
            trainer.save_checkpoint(self.work / LAST)
            self.saved_at = time.monotonic()
        if todo == STOP:  # another code would make Lightning kill the first process while it ends
            raise SIGTERMException(128 + signal.SIGTERM if trainer.is_global_zero else 0)

    def _todo(self, trainer: pl.Trainer) -> int:
        is_due = time.monotonic() - self.saved_at > 60 * self.minutes
        todo = STOP if self.is_terminated else SAVE if is_due else NOTHING
        if trainer.world_size == 1:
            return todo
        strategy: Any = trainer.strategy
        wanted = torch.tensor([todo, -self._chunks_that_fit()], device=strategy.root_device)
        todo, least = strategy.reduce(wanted, reduce_op="max").tolist()
        self._chunks_since_sync, self._chunks_until_sync = 0, -least
        return todo

    def _chunks_that_fit(self) -> int:
        """In the time between two synchronizations, by how long those since the last one took; at least 1."""
        now = time.monotonic()
        seconds, self._synced_at = (now - self._synced_at) / max(self._chunks_since_sync, 1), now
        return max(int(min(SECONDS_BETWEEN_SYNCS, 60 * self.minutes) / max(seconds, 1e-6)), 1)


def random_states() -> dict[str, Any]:
    """States of the generators of torch (CPU, this GPU), numpy and Python, as a weights-only checkpoint takes them.

    All processes of a training draw alike, so the state of the first one's GPU is that of every other's.
    """
    numpy: Any = np.random.get_state()  # noqa: NPY002 - what code of others draws from
    kind, key, *rest = numpy
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": (kind, key.tolist(), *rest),
        "python": random.getstate(),
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Continue drawing where `random_states` was called."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    random.setstate(states["python"])


def _read(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:  # torch.load ignores the checksums that torch.save wrote
        bad = archive.testzip()
        # Torch skips an entry that is marked as a folder, and leaves in its tensor whatever memory happens to hold.
        folders = [entry.filename for entry in archive.infolist() if entry.external_attr]
    if bad or folders:
        raise ValueError(f"wrong checksum or attributes of {bad or folders[0]}")
    return torch.load(path, map_location="cpu", weights_only=True)
