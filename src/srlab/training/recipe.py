"""From losses to weights: what happens between a backward pass and the next batch, the same for every network."""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from srlab.errors import SrlabError


class Recipe:
    """How an optimizer step is made, beside the optimizer and its schedule; 0 turns an ingredient off.

    Lightning's own clipping, accumulation and averaging serve a single optimizer, where a GAN has two, and count the
    steps of all optimizers together; these count batches.

    Args:
        warmup: steps over which the learning rate grows linearly to what the schedule says (Goyal et al. 2017).
        clip_norm: the norm of all gradients of an optimizer is cut to this (Pascanu et al. 2013).
        accumulate: parts that a batch is computed in, one after the other: the gradient is that of the whole batch (but
            for batch normalisation, which sees a part), the memory that of a part.
        ema: decay of the exponential moving average of the weights, which is then what is validated and kept.

    Raises:
        SrlabError: a number makes no sense.
    """

    def __init__(self, warmup: int, clip_norm: float, accumulate: int, ema: float) -> None:
        if warmup < 0 or clip_norm < 0 or accumulate < 1 or not 0 <= ema < 1:
            raise SrlabError(
                f"a recipe cannot have warmup {warmup}, clip_norm {clip_norm}, accumulate {accumulate}, ema {ema}: "
                "set numbers from 0 on, accumulate from 1 on, ema below 1"
            )
        self.warmup, self.clip_norm, self.accumulate, self.ema = warmup, clip_norm, accumulate, ema

    def parts(self, lr: Tensor, hr: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The batch in `accumulate` parts, the last of which may be smaller."""
        size = -(-len(lr) // self.accumulate)
        return zip(lr.split(size), hr.split(size), strict=True)

    def step(self, optimizer: Optimizer, num_steps: int) -> None:
        """One step on the gradients as they are; `num_steps` were made before."""
        if self.clip_norm:
            clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], self.clip_norm)
        if num_steps >= self.warmup:
            optimizer.step()
            return
        rates = [group["lr"] for group in optimizer.param_groups]
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (num_steps + 1) / self.warmup
        optimizer.step()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate  # the schedule knows nothing of the warm-up

    def averaged(self, net: nn.Module) -> AveragedModel | None:
        """The moving average of `net`, which starts as `net`; None where the recipe has none."""
        if not self.ema:
            return None
        # Statistics of batch normalisation are averages already: they are copied.
        average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(self.ema)).requires_grad_(False)
        average.n_averaged += 1  # or its first update would copy the weights, and forget those that it started as
        return average


PLAIN = Recipe(warmup=0, clip_norm=0.0, accumulate=1, ema=0.0)
