"""Callbacks that remember and show what happened in every epoch."""

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, cast

import torch
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from srlab.training.curves import Row

ENOUGH_CHUNKS = 16  # of an epoch: the one step that `busy_share` delays hardly counts beside them
LONGEST_SLEEP = 0.2  # seconds
CYCLES_PER_SECOND = 2e9  # of a GPU, about


class Waiting(Callback):
    """The share of an epoch's training time in which the device waited for the next batch, and patches per second.

    On a CPU training and feeding share the cores, so the share is the time that feeding takes. On a GPU it is the time
    between the end of a chunk of steps and the beginning of the next, in which only feeding is queued, measured on the
    GPU. `speed/busy_share` is how much of the time the GPU has work and need not wait for the CPU to launch the next
    kernel: once an epoch it sleeps while a whole step is queued, and the time of that step is compared with the mean
    one. (A step of more than the thousand kernels that a queue holds reads a little too high.)
    """

    def __init__(self) -> None:
        self.figures: Row = {}
        self._marks: list[Any] = []  # alternately: the device is free, the device has work
        self._around: list[Any]  # the queued step

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        self._begin(pl_module.device)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if not self._marks:  # resumed in the middle of an epoch, which has no start
            self._begin(pl_module.device)
        self._marks.append(_mark(pl_module.device))
        if pl_module.device.type == "cuda" and batch_idx == max(trainer.num_training_batches, ENOUGH_CHUNKS) // 2:
            seconds = min(2 * (time.perf_counter() - self._began) / max(self._num_steps, 1), LONGEST_SLEEP)
            cast(Any, pl_module).after_step = partial(self._mark_step, pl_module.device, seconds)
        self._num_steps += len(batch)
        self._num_patches += sum(len(lr) for lr, _ in batch) * trainer.world_size

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self._marks.append(_mark(pl_module.device))

    def on_validation_start(self, trainer, pl_module) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        seconds = [_seconds(start, end) for start, end in pairwise(self._marks)]
        self.figures = {
            "speed/wait_share": sum(seconds[::2]) / sum(seconds),
            "speed/patches_per_second": self._num_patches / sum(seconds),
        }
        cast(Any, pl_module).after_step = None
        if len(self._around) == 2:
            self.figures["speed/busy_share"] = min(_seconds(*self._around) / (sum(seconds) / self._num_steps), 1.0)

    def _begin(self, device: torch.device) -> None:
        self._marks, self._around, self._num_patches, self._num_steps = [_mark(device)], [], 0, 0
        self._began = time.perf_counter()

    def _mark_step(self, device: torch.device, seconds: float) -> None:
        """After a step: let the GPU sleep until the next one is queued, and mark both ends of that."""
        if not self._around:
            torch.cuda._sleep(int(seconds * CYCLES_PER_SECOND))
        if len(self._around) < 2:
            self._around.append(_mark(device))


class History(Callback):
    """Collects one row of metrics per epoch; the rows are part of the checkpoint, so a resumed run has all of them.

    `mirror` is called with (row, epoch) after each epoch; that row has the figures of `waiting` too, which differ from
    run to run and are no result.
    """

    def __init__(self, mirror: Callable[[Row, int], None], waiting: Waiting) -> None:
        self.rows: list[Row] = []
        self.mirror, self.waiting = mirror, waiting
        self.lr = 0.0

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        # Now, since the schedule has moved on to the next epoch's rate when this epoch's row is written.
        self.lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row = {"epoch": trainer.current_epoch, **metrics, "lr": self.lr}
        self.rows.append(row)
        if trainer.is_global_zero:
            mirrored = {k: v for k, v in row.items() if k != "epoch"} | self.waiting.figures
            self.mirror(mirrored, trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "lr": self.lr}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.lr = list(state_dict["rows"]), state_dict["lr"]


class TrainingProgress(Callback):
    """One bar over all epochs with ETA and validation PSNR; without a terminal, a line now and then."""

    def __init__(self, label: str, waiting: Waiting, seconds_between_lines: float = 20.0) -> None:
        self.label, self.waiting, self.seconds_between_lines = label, waiting, seconds_between_lines
        self.console = Console()
        self.progress: Progress | None = None
        self.last_line = 0.0

    def on_train_start(self, trainer, pl_module) -> None:
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps")]
        columns += [TimeElapsedColumn(), TextColumn("eta at most"), TimeRemainingColumn()]
        columns += [TextColumn("{task.fields[val]}")]
        self.progress = Progress(*columns, console=self.console)
        data, module = cast(Any, trainer).datamodule, cast(Any, pl_module)
        total, done = data.steps_per_epoch * int(trainer.max_epochs or 0), module.num_steps
        self.task = self.progress.add_task(f"train {self.label}", total=total, completed=done, val="")
        self.progress.start()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if self.progress:
            self.progress.advance(self.task, len(batch))

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        metrics: dict[str, Tensor] = trainer.callback_metrics
        speed = self.waiting.figures
        line = (
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, val {float(metrics['val/psnr']):.2f} dB, "
            f"{speed['speed/patches_per_second']:.0f} patches/s, data wait {speed['speed/wait_share']:.0%}"
        )
        if "speed/busy_share" in speed:
            line += f", busy {speed['speed/busy_share']:.0%}"
        if self.progress:
            self.progress.update(self.task, val=line)
        elif trainer.is_global_zero and time.monotonic() - self.last_line > self.seconds_between_lines:
            print(f"train {self.label}: {line}", flush=True)
            self.last_line = time.monotonic()

    def on_exception(self, trainer, pl_module, exception) -> None:
        self.on_train_end(trainer, pl_module)

    def on_train_end(self, trainer, pl_module) -> None:
        if self.progress:
            self.progress.stop()
            self.progress = None


class SampleImages(Callback):
    """Shows the first validation image under the network at a few epochs: the first, then at powers of two, the last.

    `show` is called with (uint8 image (H, W, 3), "validation", epoch).
    """

    def __init__(self, show: Callable[[Any, str, int], None]) -> None:
        self.show = show

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        epoch = trainer.current_epoch + 1
        is_power_of_two = epoch & (epoch - 1) == 0
        if batch_idx or not trainer.is_global_zero or not (is_power_of_two or epoch == trainer.max_epochs):
            return
        network = cast(Any, pl_module).network
        sr = network.upscale(batch[0], network.scale)[0]
        self.show((sr * 255).round().byte().permute(1, 2, 0).cpu().numpy(), "validation", trainer.current_epoch)


def _mark(device: torch.device) -> Any:
    """A point in the time of a device."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def _seconds(start: Any, end: Any) -> float:
    return end - start if isinstance(start, float) else start.elapsed_time(end) / 1000
