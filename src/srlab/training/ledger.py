"""What a training has done so far, in numbers: optimizer steps, and means of what it logs. Part of every checkpoint."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from srlab.adversarial.alarms import first_bad
from srlab.errors import SrlabError
from srlab.training.schedules import step_schedules

STEPS_BETWEEN_LOOKS = 256  # at a GPU's loss: to look at a number is to wait for all that was queued before it

Sum = Callable[[Tensor], Tensor]  # over all processes


class Means:
    """Weighted means of named scalars, summed up where they are computed: nobody waits for a device to log a number."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}  # float64, of each of the names that come together
        self._weights: dict[str, float] = {}  # of as many, on the host

    def add(self, values: dict[str, Tensor], weight: int) -> None:
        """Add a scalar tensor per name, by two launches; the same names always come together."""
        names, scalars = ",".join(values), torch.stack([value.detach() for value in values.values()])
        if names not in self._sums:
            self._sums[names] = scalars.new_zeros(len(values), dtype=torch.float64)
        # the product of a float32 and a count is exact
        self._sums[names] = self._sums[names].to(scalars.device).add_(scalars, alpha=weight)
        self._weights[names] = self._weights.get(names, 0.0) + weight

    def take(self, over_all: Sum) -> dict[str, float]:
        """The means over all processes; the next `add` begins anew."""
        means = {}
        for names, sums in self.state_dict(over_all).items():
            *totals, weight = sums.tolist()
            means |= {name: total / weight for name, total in zip(names.split(","), totals, strict=True)}
        self._sums, self._weights = {}, {}
        return means

    def discount(self, prefix: str) -> None:
        """Let what was added under names that begin with `prefix` count for nothing."""
        for names in (names for names in self._sums if names.startswith(prefix)):
            self._sums[names], self._weights[names] = torch.zeros_like(self._sums[names]), 0.0

    def state_dict(self, over_all: Sum) -> dict[str, Tensor]:
        """The sums so far, and last their weight, of all processes."""
        return {
            names: over_all(torch.cat([sums, sums.new_tensor([self._weights[names]])])).cpu()
            for names, sums in self._sums.items()
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on with the sums of `state_dict`."""
        self._sums = {names: sums[:-1].clone() for names, sums in state.items()}
        self._weights = {names: float(sums[-1]) for names, sums in state.items()}


class Ledger:
    """Counts the steps of a module (one a batch, however many optimizers it has) and collects its means."""

    def __init__(self) -> None:
        self.num_steps = 0
        self.means = Means()

    def save(self, checkpoint: dict[str, Any], module: pl.LightningModule) -> None:
        """Put all of it into a checkpoint."""
        checkpoint["ledger"] = {"num_steps": self.num_steps, "means": self.means.state_dict(over_all(module))}

    def load(self, checkpoint: dict[str, Any], module: pl.LightningModule) -> None:
        """Go on from a checkpoint; of several processes, the first takes the sums, which are those of all."""
        self.num_steps = checkpoint["ledger"]["num_steps"]
        self.means.load_state_dict(checkpoint["ledger"]["means"] if module.trainer.is_global_zero else {})


def over_all(module: pl.LightningModule) -> Sum:
    """The sum of a tensor over the processes that train `module`."""
    strategy: Any = module.trainer.strategy
    return lambda sums: strategy.reduce(sums, reduce_op="sum")


def require_finite(loss: Tensor, name: str, ledger: Ledger, **suspects: tuple[nn.Module, Tensor]) -> None:
    """SrlabError if `loss` is not finite, naming the first tensor that is not; looks now and then on a GPU.

    Args:
        suspects: networks with what they were given, in the order in which the loss depends on them.
    """
    if (loss.is_cuda and ledger.num_steps % STEPS_BETWEEN_LOOKS) or loss.isfinite():
        return
    found = ((first_bad(*suspect), network) for network, suspect in suspects.items())
    place = next((f"{bad} in the {network}" for bad, network in found if bad), "the loss itself")
    where = f" ({place} first)"
    raise SrlabError(f"{name} became {loss.item()} in step {ledger.num_steps + 1}{where}: lower lr in params.yaml")


def share_statistics(module: pl.LightningModule) -> None:
    """Before validation: give all processes the first one's buffers, as it is its network that is kept.

    Statistics of batch normalisation are those of the patches that a process saw, unless it is synchronized.
    """
    if module.trainer.world_size > 1:
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, 0)


def close_epoch(module: Any, sign: int) -> dict[str, float]:
    """After validation: log the epoch's means, step the schedules by `sign` * the monitored one; returns the means."""
    if not module.trainer.datamodule.validates:
        module.ledger.means.discount("val/")
    means = module.ledger.means.take(over_all(module))
    module.log_dict(means)  # reduced already
    step_schedules(module, sign * means[module.monitor])
    return means
