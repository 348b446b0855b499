"""What both Lightning modules share around their steps: counting them, averaging what they log, keeping both."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from srlab.models.base.network import Network
from srlab.training.finite import require_finite
from srlab.training.graphed import GRAPHS, Graphed, Scores, obstacle
from srlab.training.recipe import Average, Recipe, without_cast_cache

Schedule = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]  # what a `_partial_` of Hydra gives
Sum = Callable[[Tensor], Tensor]  # over all processes


class Means:
    """Weighted means of named scalars, summed on their own device: to log a number waits for no GPU."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}  # float64, of each of the names that come together
        self._weights: dict[str, float] = {}  # of as many, on the host

    def add(self, values: dict[str, Tensor], weight: int) -> None:
        """Add a scalar tensor without a graph per name, by two launches; the same names always come together."""
        names, scalars = ",".join(values), torch.stack(list(values.values()))
        if names not in self._sums:
            self._sums[names] = scalars.new_zeros(len(values), dtype=torch.float64)
        # the product of a float32 and a count is exact
        self._sums[names] = self._sums[names].to(scalars.device).add_(scalars, alpha=weight)
        self._weights[names] = self._weights.get(names, 0.0) + weight

    def take(self, over_all: Sum) -> dict[str, float]:
        """The means over all processes; the next `add` starts again from 0."""
        means = {}
        for names, sums in self.state_dict(over_all).items():
            *totals, weight = sums.tolist()
            means |= {name: total / weight for name, total in zip(names.split(","), totals, strict=True)}
        self._sums, self._weights = {}, {}
        return means

    def discount(self, prefix: str) -> None:
        """Give the weight 0 to what was added under names that begin with `prefix`."""
        for names in (names for names in self._sums if names.startswith(prefix)):
            self._sums[names], self._weights[names] = torch.zeros_like(self._sums[names]), 0.0

    def state_dict(self, over_all: Sum) -> dict[str, Tensor]:
        """The sums so far, and last their weight, of all processes."""
        return {
            names: over_all(torch.cat([sums, sums.new_tensor([self._weights[names]])])).cpu()
            for names, sums in self._sums.items()
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue with the sums of `state_dict`."""
        self._sums = {names: sums[:-1].clone() for names, sums in state.items()}
        self._weights = {names: float(sums[-1]) for names, sums in state.items()}


class Trainable(pl.LightningModule):
    """A module whose training_step makes an optimizer step on each batch of a chunk, hence by manual optimization."""

    monitor: str  # the logged value that chooses the best epoch
    sign: int  # 1 where more of it is better, -1 where less is
    keeps_last = False  # whether the last epoch is kept, whatever `monitor` says, and no training ends early
    average: Average | None  # the moving average of the network, where the recipe has one

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe = recipe
        self.num_steps = 0  # batches learned from since the first epoch began, however many optimizers there are
        self.means = Means()  # of what is logged in this epoch
        self.captures = False  # whether steps are to be replayed as CUDA graphs where they can be
        self.after_step: Callable[[], None] | None = None
        self._graphed: Graphed | None = None

    @property
    def trained(self) -> Network:
        """The network that learns to enlarge."""
        raise NotImplementedError(f"{type(self).__name__}.trained")

    @property
    def facts(self) -> dict[str, str]:
        """What the metadata of the weights say of the training, beside method, epoch and scale."""
        return {}

    @property
    def network(self) -> Network:
        """The network that is validated and kept: the moving average, where there is one."""
        return self.trained if self.average is None else self.average.network

    def learn(self, batch_lr: Tensor, batch_hr: Tensor) -> Scores:
        """One step of every optimizer on a batch, which has the network's channels; what is to be logged of it."""
        raise NotImplementedError(f"{type(self).__name__}.learn")

    def all_optimizers(self) -> list[Optimizer]:
        """In the order of `configure_optimizers`, without what Lightning wraps around them."""
        found: Any = self.optimizers(use_pl_optimizer=False)
        return found if isinstance(found, list) else [found]

    def on_train_start(self) -> None:
        """Choose how steps are made, see `Speed`."""
        self._graphed, why = None, obstacle(self)
        if self.captures and why is None:
            self._graphed = Graphed(self._learn_and_average, self.all_optimizers(), GRAPHS[self.device.type]())
        elif self.captures and self.trainer.is_global_zero:
            print(f"trainer.speed.capture: steps are launched, not replayed, as {why}", flush=True)

    def training_step(self, chunk: list[tuple[Tensor, Tensor]], batch_idx: int) -> None:
        """A step on each batch of the chunk, as they come."""
        optimizers = self.all_optimizers()
        with without_cast_cache(self.device):
            for batch in chunk:
                with self.recipe.warming_up(optimizers, self.num_steps):
                    scores = (self._replay if self._graphed else self._learn_and_average)(*batch)
                for values, num in scores:
                    self.means.add(values, num)
                self.num_steps += 1
                if self.after_step:
                    self.after_step()

    def _learn_and_average(self, batch_lr: Tensor, batch_hr: Tensor) -> Scores:
        scores = self.learn(batch_lr, batch_hr)
        if self.average is not None:
            self.average.update(self.trained)
        return scores

    def _replay(self, batch_lr: Tensor, batch_hr: Tensor) -> Scores:
        assert self._graphed is not None
        scores = self._graphed(batch_lr, batch_hr)
        for values, _ in scores:  # while a step is replayed, nothing looks at its loss
            require_finite(values["train/loss"], "train/loss", self.num_steps, network=(self.trained, batch_lr))
        return scores

    def on_validation_epoch_start(self) -> None:
        """Give all processes the first one's buffers, as it is its network that is kept.

        Statistics of batch normalisation are those of the patches that a process saw, unless it is synchronized.
        """
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    def close_epoch(self) -> dict[str, float]:
        """After validation: log the epoch's means, which it returns, and step the schedules.

        Before the epoch's checkpoint is written, so that a resumed run misses no step; manual optimization leaves it to
        us. A plateau schedule maximizes `sign` * `monitor`.
        """
        if not self.trainer.datamodule.validates:  # pyright: ignore[reportAttributeAccessIssue]
            self.means.discount("val/")
        means = self.means.take(self._over_all)
        self.log_dict(means)  # reduced already
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ReduceLROnPlateau):
                config.scheduler.step(self.sign * means[self.monitor])
            else:
                config.scheduler.step()
        return means

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["progress"] = {"num_steps": self.num_steps, "means": self.means.state_dict(self._over_all)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue from a checkpoint; of several processes, the first takes the sums, which are those of all."""
        self.num_steps = checkpoint["progress"]["num_steps"]
        self.means.load_state_dict(checkpoint["progress"]["means"] if self.trainer.is_global_zero else {})

    def _over_all(self, sums: Tensor) -> Tensor:
        strategy: Any = self.trainer.strategy
        return strategy.reduce(sums, reduce_op="sum")
