"""A training's first steps, run for real on made-up images, to see what the whole of it takes.

`python -m srlab.planning.probe FOLDER` reads FOLDER/training.json (a `Training`) and writes FOLDER/probed.json (a
`Probed`), or prints "error: ...". It is a process of its own, because a process has only one peak of memory, and
because one that runs out of memory ends no other.
"""

import copy
import math
import re
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from pytorch_lightning.callbacks import Callback

from srlab.errors import SrlabError
from srlab.evaluation.cost import REFERENCE, SIDE, STATUS, MultiplyAdds, _name
from srlab.files import read_json, write_json
from srlab.models.base.kernels import keep_freed_memory, use_threads
from srlab.models.base.network import Network
from srlab.planning.probed import PROBED, TRAINING, Probed, Training
from srlab.planning.stand_ins import made_up_store, with_stand_ins
from srlab.training.devices import device_type
from srlab.training.fit import Watcher, fit

WARM_UP = 3  # steps before the clock starts: libraries choose their kernels, buffers are allocated
LIMIT = 30.0  # seconds of measured steps; warming up may take a third of it
SLOW = 50  # steps in LIMIT: slower ones are made one by one, since a chunk saves only a millisecond


class Stopwatch(Callback):
    """Times `num_steps` steps after some to warm up, then a validation image, and stops the training in between.

    After `limit` seconds of measured steps no further one begins. A first one that `compiles` takes minutes.
    """

    def __init__(self, num_steps: int, limit: float, *, compiles: bool) -> None:
        self.num_steps, self.limit, self.compiles = num_steps, limit, compiles
        self.measured = 0
        self.step_seconds = self.image_seconds = float("nan")
        self._done, self._slow = 0, True
        self._began, self._start, self._turn_start, self._image_start = 0.0, None, 0.0, 0.0

    def on_train_start(self, trainer, pl_module) -> None:
        self._began = self._turn_start = now(pl_module.device)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if self._slow:
            del batch[1:]  # one step of the chunk, and then a look at the clock

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        # By the CPU's clock, which is a few steps ahead of the GPU's queue: to synchronize here would slow it down.
        time_now, is_first = time.perf_counter(), batch_idx == 0
        self._done += len(batch)
        self._slow = _agreed(trainer, (time_now - self._turn_start) / len(batch) > self.limit / SLOW)
        self._turn_start = time_now
        if self._start is None:
            if is_first and self.compiles:
                self._began = now(pl_module.device)
            elif _agreed(trainer, self._done >= WARM_UP or time_now - self._began > self.limit / 3):
                self._start, self._done = now(pl_module.device), 0
        elif _agreed(trainer, self._done >= self.num_steps or time_now - self._start > self.limit):
            self.step_seconds = (now(pl_module.device) - self._start) / self._done
            self.measured = self._done
            trainer.should_stop = True

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0) -> None:
        self._image_start = now(pl_module.device)

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        self.image_seconds = now(pl_module.device) - self._image_start  # the last one's: the first warms up


class Nobody(Watcher):
    """A watcher that ignores everything."""


def probe(training: Training, work: Path, limit: float = LIMIT) -> Probed:
    """Build `training` as pipelines/train.py does and run its first steps in `work`, an empty folder.

    SrlabError as `fit` raises it, or if a setting makes no sense.
    """
    idle = _resident("VmRSS")
    pl.seed_everything(training.seed, verbose=False)
    use_threads(training.num_threads)
    keep_freed_memory()
    device_type(training.trainer["lightning"])  # fails before anything is built
    num_patches = (WARM_UP + training.num_steps) * training.data["chunk"] * training.data["batch_size"]  # at the most
    folder = work / "pairs"
    made_up_store(folder, training.scale, max(SIDE, training.data["patch_size"]))
    patches = {"folder": str(folder), "patches_per_epoch": num_patches}
    described, remarks = with_stand_ins(training.module, work)
    data, module = instantiate(training.data | patches), instantiate(described)
    multiply_adds = _multiply_adds(module.network, training.scale)
    trained = [[p.numel() for p in child.parameters() if p.requires_grad] for child in module.children()]
    speed, used = instantiate(training.trainer["speed"]), {}
    speed.apply(module)
    watch = Stopwatch(training.num_steps, limit, compiles=speed.compile is not None)

    def make_trainer(callbacks: list[Callback], **arguments: Any) -> pl.Trainer:
        partial = instantiate(training.trainer["lightning"])
        used["trainer"] = partial(callbacks=[watch, *callbacks], **arguments)
        return used["trainer"]

    origin, name = {"probe of": training.name}, training.name
    fit(module, data, make_trainer, work, name, training.patience, Nobody(), origin, checkpoint_minutes=math.inf)
    trainer: pl.Trainer = used["trainer"]
    device = trainer.strategy.root_device
    on_gpu = device.type == "cuda"
    return Probed(
        num_parameters=[sum(sizes) for sizes in trained if sizes],
        multiply_adds=multiply_adds,
        device=_name(device),
        num_devices=trainer.world_size,
        precision=str(trainer.precision),
        peak_bytes=torch.cuda.max_memory_allocated(device) if on_gpu else _resident("VmHWM"),
        idle_bytes=None if on_gpu else idle,
        num_steps=watch.measured,
        step_seconds=watch.step_seconds,
        image_side=SIDE,
        image_seconds=watch.image_seconds,
        remarks=remarks,
    )


def _multiply_adds(network: Network, scale: int) -> int:
    """Of an output of REFERENCE pixels, counted on a copy that computes only shapes, whatever the network costs."""
    side = SIDE // scale
    shapes = copy.deepcopy(network).to("meta").eval()
    with MultiplyAdds() as counter:
        shapes(torch.empty(1, network.channels, side, side, device="meta"))
    return round(counter.total * REFERENCE / (side * scale) ** 2)


def now(device: torch.device) -> float:
    """Seconds of a clock, once `device` has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _agreed(trainer: pl.Trainer, due: bool) -> bool:
    """Whether it is due in any of the processes: all have to stop after the same step."""
    return due if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(due, all=False)


def _resident(key: str) -> int | None:
    """Bytes of a line of /proc/self/status: VmRSS, what this process has in memory, or VmHWM, the most it ever had."""
    if not STATUS.exists():
        return None
    found = re.search(rf"^{key}:\s+(\d+) kB", STATUS.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def main(folder: Path) -> None:
    """Probe what FOLDER/training.json describes; exit code 1 and one line on what a user can fix."""
    training = Training(**read_json(folder / TRAINING))
    try:
        # each process of a training on several devices has its own
        with tempfile.TemporaryDirectory(dir=folder) as work:
            write_json(folder / PROBED, asdict(probe(training, Path(work))))
    except (SrlabError, InstantiationException) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        if not isinstance(cause, SrlabError):
            raise
        sys.exit(f"error: {cause}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
