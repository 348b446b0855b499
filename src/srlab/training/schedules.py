"""One rule for learning-rate schedules in both Lightning modules."""

from collections.abc import Callable
from typing import cast

import pytorch_lightning as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

Schedule = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]  # what a `_partial_` of Hydra gives


def step_schedules(module: pl.LightningModule, metric: float) -> None:
    """Step every schedule of `module` once, at the end of a validation epoch; plateau schedules maximize `metric`.

    Before the epoch's checkpoint is written, so that a resumed run misses no step; manual optimization leaves it to us.
    """
    schedules = module.lr_schedulers() or []
    for schedule in schedules if isinstance(schedules, list) else [schedules]:
        if isinstance(schedule, ReduceLROnPlateau):
            schedule.step(metric)
        else:
            cast(LRScheduler, schedule).step()
