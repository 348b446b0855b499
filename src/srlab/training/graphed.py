"""Steps that a GPU replays: recorded once as a CUDA graph, so that the CPU launches one thing a step, not hundreds.

A graph does again what was launched when it was recorded, on the same memory. So a batch is copied to where it reads,
learning rates lie in tensors, and whatever Python decides is decided for good: a step that changes from epoch to epoch
cannot be replayed (`obstacle`). Nothing of this is part of a checkpoint: a resumed training records again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from srlab.errors import SrlabError, one_line

Scores = list[tuple[dict[str, Tensor], int]]  # scalars by name, and of how many patches each is the mean
Step = Callable[[Tensor, Tensor], Scores]  # of LR and HR
EAGER = 3  # steps before one is recorded: libraries choose their kernels, optimizers allocate their state


class CudaGraphs:
    """Runs and records steps on a stream of its own, as torch asks of what is to be recorded."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()

    def run(self, step: Callable[[], Scores]) -> Scores:
        """An ordinary step."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            scores = step()
        torch.cuda.current_stream().wait_stream(self.stream)
        return scores

    def record(self, step: Callable[[], Scores]) -> Callable[[], Scores]:
        """What makes `step` whenever it is called; nothing is computed yet. SrlabError if it cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        try:
            # another thread, which pins memory for the next batches, may go on meanwhile
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                scores = step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            what = f"a step cannot be recorded ({one_line(error)})"
            raise SrlabError(f"{what}: set trainer.speed.capture=false") from error

        def replay() -> Scores:
            graph.replay()
            return scores

        return replay


GRAPHS: dict[str, Callable[[], Any]] = {"cuda": CudaGraphs}  # by type of device


def obstacle(module: Any) -> str | None:
    """Why the steps of `module`, a Trainable that is about to train, cannot be replayed; None if they can."""
    groups = [group for optimizer in module.all_optimizers() for group in optimizer.param_groups]
    if module.device.type not in GRAPHS:
        return f"a device of type {module.device.type} records nothing"
    if module.trainer.world_size > 1:
        return "several processes exchange gradients"
    if module.trained.loss_changes:
        return f"the loss of {type(module.trained).__name__} changes from epoch to epoch"
    if not all(isinstance(o, Adam) for o in module.all_optimizers()) or not all(group["fused"] for group in groups):
        return "only Adam as one kernel (trainer.fused=true) reads its learning rate again at every step"
    return None


class Graphed:
    """Makes steps: the first ones as they are, then by replaying one of them.

    Batches that are smaller than the largest so far, as the last of an epoch may be, are never replayed.
    """

    def __init__(self, step: Step, optimizers: Sequence[Optimizer], graphs: Any) -> None:
        self.step, self.graphs, self.lr, self.hr = step, graphs, None, None
        self.groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        device = self.groups[0]["params"][0].device
        self.rates = [torch.zeros((), device=device) for _ in self.groups]
        self.num_eager, self.replay, self._filled = 0, None, []

    def __call__(self, lr: Tensor, hr: Tensor) -> Scores:
        """One step on a batch; the scalars are good until the next one."""
        if self.lr is None or self.hr is None or len(lr) > len(self.lr):
            self.lr, self.hr, self.num_eager, self.replay = torch.empty_like(lr), torch.empty_like(hr), 0, None
        if lr.shape != self.lr.shape:
            return self.step(lr, hr)
        self.lr.copy_(lr)
        self.hr.copy_(hr)
        step = partial(self.step, self.lr, self.hr)
        if self.num_eager < EAGER:
            self.num_eager += 1
            return self.graphs.run(step)
        self._fill_rates()
        if self.replay is None:
            with self._rates_in_memory():
                self.replay = self.graphs.record(step)
        return self.replay()

    def _fill_rates(self) -> None:
        rates = [float(group["lr"]) for group in self.groups]
        if rates != self._filled:
            for tensor, rate in zip(self.rates, rates, strict=True):
                tensor.fill_(rate)
            self._filled = rates

    @contextmanager
    def _rates_in_memory(self) -> Iterator[None]:
        """Within, the optimizers read their learning rates where `_fill_rates` writes them."""
        kept = [{key: group[key] for key in ("lr", "capturable")} for group in self.groups]
        for group, rate in zip(self.groups, self.rates, strict=True):
            group.update(lr=rate, capturable=True)
        try:
            yield
        finally:
            for group, before in zip(self.groups, kept, strict=True):
                group.update(before)
