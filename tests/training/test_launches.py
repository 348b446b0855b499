"""How much a device is asked to do beside the training itself: little, and without looking at the answer."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from srlab.models.srresnet import SRResNet
from srlab.training import history
from srlab.training.history import Waiting
from srlab.training.recipe import Recipe
from srlab.training.trainable import Means


class Operations(TorchDispatchMode):
    """Notes what torch is asked to compute."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func.overloadpacket))
        return func(*args, **(kwargs or {}))


def test_an_average_takes_three_operations_and_no_look_at_the_device() -> None:
    """One for all weights, and one for each type of statistics; a look would be `_local_scalar_dense`."""
    net = SRResNet(2, 1, 4)
    average: Any = Recipe(warmup=0, clip_norm=0.0, accumulate=1, ema=0.9).averaged(net)
    with Operations() as seen:
        average.update(net)
    assert seen.names == ["aten._foreach_lerp_", "aten._foreach_copy_", "aten._foreach_copy_"]


def test_a_mean_takes_two_operations() -> None:
    means, scores = Means(), {name: torch.ones(()) for name in "abcdef"}
    means.add(scores, 3)  # the first allocates
    with Operations() as seen:
        means.add(scores, 3)
    assert seen.names == ["aten.stack", "aten.add_"]


class GPU:
    """A device that needs 2 s for a step and whose CPU launches for 5 s; its clock is that of the marks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.free = 0.0  # when the CPU is, and until when the GPU has something to do
        self.slept = 0
        self.module: Any = SimpleNamespace(device=SimpleNamespace(type="cuda"), after_step=None)
        monkeypatch.setattr(history, "time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr(history, "LONGEST_SLEEP", 100.0)
        monkeypatch.setattr(history, "_mark", lambda device: max(self.now, self.free))
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
        monkeypatch.setattr(torch.cuda, "_sleep", self.sleep)

    def sleep(self, cycles: int) -> None:
        self.slept += 1
        self.free = max(self.free, self.now) + cycles / history.CYCLES_PER_SECOND

    def step(self) -> None:
        self.now += 5
        self.free = self.free + 2 if self.free > self.now else self.now  # what was queued, or ends with the last launch
        if self.module.after_step:
            self.module.after_step()


def test_the_share_that_a_gpu_is_busy_is_that_of_a_step_found_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work for 2 s of the 5 s that a step takes; one step of an epoch is delayed."""
    waiting, gpu = Waiting(), GPU(monkeypatch)
    batch = [(torch.zeros(4, 1, 8, 8), torch.zeros(4, 1, 16, 16))] * 2
    module, trainer = gpu.module, cast(Any, SimpleNamespace(world_size=1, num_training_batches=40))
    waiting.on_train_epoch_start(trainer, module)
    for number in range(40):
        waiting.on_train_batch_start(trainer, module, batch, number)
        for _ in batch:
            gpu.step()
        waiting.on_train_batch_end(trainer, module, None, batch, number)
    waiting.on_validation_start(trainer, module)
    assert waiting.figures["speed/busy_share"] == pytest.approx(2 / 5, rel=0.05)  # the delay is a part of the mean step
    assert (gpu.slept, module.after_step) == (1, None)
