"""Callbacks that remember and show what happened in every epoch."""

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from srlab.training.curves import Row


class History(Callback):
    """Collects one row of metrics per epoch; the rows are part of the checkpoint, so a resumed run has all of them.

    Args:
        mirror: called with (row, epoch) after each epoch, for example to log it elsewhere.
    """

    def __init__(self, mirror: Callable[[Row, int], None]) -> None:
        self.rows: list[Row] = []
        self.mirror = mirror
        self.lr = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Now, since the schedule has moved on to the next epoch's rate when this epoch's row is written.
        self.lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row = {"epoch": trainer.current_epoch, **metrics, "lr": self.lr}
        self.rows.append(row)
        if trainer.is_global_zero:
            self.mirror({k: v for k, v in row.items() if k != "epoch"}, trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


class TrainingProgress(Callback):
    """One bar over all epochs with ETA and validation PSNR; where there is no terminal, a line now and then."""

    def __init__(self, label: str, seconds_between_lines: float = 20.0) -> None:
        self.label, self.seconds_between_lines = label, seconds_between_lines
        self.console = Console()
        self.progress: Progress | None = None
        self.last_line = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps")]
        columns += [
            TimeElapsedColumn(),
            TextColumn("eta at most"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[val]}"),
        ]
        self.progress = Progress(*columns, console=self.console)
        steps = int(trainer.num_training_batches)
        total, done = steps * int(trainer.max_epochs or 0), steps * trainer.current_epoch
        self.task = self.progress.add_task(f"train {self.label}", total=total, completed=done, val="")
        self.progress.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.progress:
            self.progress.advance(self.task)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics: dict[str, Tensor] = trainer.callback_metrics
        line = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, val {float(metrics['val/psnr']):.2f} dB"
        if self.progress:
            self.progress.update(self.task, val=line)
        elif trainer.is_global_zero and time.monotonic() - self.last_line > self.seconds_between_lines:
            print(f"train {self.label}: {line}", flush=True)
            self.last_line = time.monotonic()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.on_train_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.progress:
            self.progress.stop()
            self.progress = None


class SampleImages(Callback):
    """Shows the first validation image under the network at a few epochs: the first, then at powers of two, the last.

    Args:
        show: called with (uint8 image (H, W, 3), "validation", epoch).
    """

    def __init__(self, show: Callable[[Any, str, int], None]) -> None:
        self.show = show

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: tuple[Tensor, Tensor],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        epoch = trainer.current_epoch + 1
        is_power_of_two = epoch & (epoch - 1) == 0
        if batch_idx or not trainer.is_global_zero or not (is_power_of_two or epoch == trainer.max_epochs):
            return
        network: Any = pl_module.generator
        sr = network.upscale(batch[0], network.scale)[0]
        self.show((sr * 255).round().byte().permute(1, 2, 0).cpu().numpy(), "validation", trainer.current_epoch)
