"""From losses to weights: what happens between a backward pass and the next batch, the same for every network."""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from srlab.errors import SrlabError
from srlab.models.base.network import Network

MakeOptimizer = Callable[..., Optimizer]  # called with parameters or groups of them, and `lr`


@dataclass
class Recipe:
    """How an optimizer step is made, beside the optimizer and its schedule; 0 turns an ingredient off.

    Lightning's own clipping, accumulation and averaging serve a single optimizer, where a GAN has two, and count the
    steps of all optimizers together; these count batches. SrlabError if a setting makes no sense.
    """

    warmup: int  # steps over which the learning rate grows linearly to what the schedule says (Goyal et al. 2017)
    clip_norm: float  # the norm of all gradients of an optimizer is cut to this (Pascanu et al. 2013)
    # Micro-batches that a batch is computed in, one after the other: the gradient is that of the whole batch (but for
    # batch normalisation, which sees a micro-batch), the memory that of a micro-batch.
    accumulate: int
    ema: float  # decay of the exponential moving average of the weights, which is then what is validated and kept

    def __post_init__(self) -> None:
        if self.warmup < 0 or self.clip_norm < 0 or self.accumulate < 1 or not 0 <= self.ema < 1:
            raise SrlabError(
                f"a recipe cannot have warmup {self.warmup}, clip_norm {self.clip_norm}, accumulate {self.accumulate}, "
                f"ema {self.ema}: set values from 0 on, accumulate from 1 on, ema below 1"
            )

    def micro_batches(self, lr: Tensor, hr: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The batch in `accumulate` parts, the last of which may be smaller."""
        size = -(-len(lr) // self.accumulate)
        return zip(lr.split(size), hr.split(size), strict=True)

    def step(self, optimizer: Optimizer) -> None:
        """One step on the gradients as they are."""
        if self.clip_norm:
            clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], self.clip_norm)
        optimizer.step()

    @contextmanager
    def warming_up(self, optimizers: Sequence[Optimizer], num_steps: int) -> Iterator[None]:
        """Within, learning rates are those of the warm-up after `num_steps`; the schedule knows nothing of it."""
        groups = [group for optimizer in optimizers for group in optimizer.param_groups if num_steps < self.warmup]
        rates = [group["lr"] for group in groups]
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate * (num_steps + 1) / self.warmup
        yield
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate

    def averaged(self, net: Network) -> "Average | None":
        """The moving average of `net`, which starts as `net`; None where the recipe has none."""
        return Average(net, self.ema) if self.ema else None


_torch: Any = torch  # whose multi-tensor operations have no other name than a private one


class Average(nn.Module):
    """`network`, the exponential moving average of a network: w <- decay * w + (1 - decay) * the network's w.

    torch's AveragedModel keeps its count on the device and reads it twice a step, which a GPU has to wait for.
    """

    def __init__(self, net: Network, decay: float) -> None:
        super().__init__()
        self.network, self.decay = copy.deepcopy(net).requires_grad_(False), decay

    @torch.no_grad()
    def update(self, net: Network) -> None:
        """Take a step of `net` in, by a few kernels; statistics of batch normalisation are averages, and copied."""
        _torch._foreach_lerp_(list(self.network.parameters()), list(net.parameters()), 1 - self.decay)
        buffers: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = defaultdict(lambda: ([], []))
        for own, new in zip(self.network.buffers(), net.buffers(), strict=True):
            for side, tensor in zip(buffers[own.dtype], (own, new), strict=True):
                side.append(tensor)
        for own, new in buffers.values():
            _torch._foreach_copy_(own, new)


def without_cast_cache(device: torch.device) -> torch.autocast:
    """The present autocast, but casting the weights at every use: within a chunk they change from step to step.

    With its cache torch may keep what it has cast until the outermost context ends, which is that of the whole chunk.
    """
    kind = device.type
    return torch.autocast(kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind), cache_enabled=False)


PLAIN = Recipe(warmup=0, clip_norm=0.0, accumulate=1, ema=0.0)
