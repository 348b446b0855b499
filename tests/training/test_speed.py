"""What makes a training faster changes its numbers by rounding and its checkpoints not at all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kinds import cosine, gan, regression
from trainings import Train

from srlab.models.srresnet import SRResNet
from srlab.training.fit import Fitted
from srlab.training.regression import Regression
from srlab.training.speed import Speed


def srresnet() -> Any:
    torch.manual_seed(0)
    return Regression(SRResNet(2, 1, 8), 1e-2, cosine, torch.optim.SGD)


def still_gan() -> Any:
    module = gan()
    module.lr = module.discriminator_lr = 1e-30  # moves no weight of float32
    return module


def speed(**changes: Any) -> Speed:
    return Speed(**({"channels_last": False, "compile": None, "tf32": False, "capture": False} | changes))


def plainly_and(changed: Speed, make: Callable[[], Any], train: Train, epochs: int) -> list[Fitted]:
    """A training as it is, and one with `changed`."""
    results = []
    for one in (speed(), changed):
        module = make()
        names = list(module.state_dict())
        one.apply(module)
        assert list(module.state_dict()) == names
        results.append(train(module, epochs))
    return results


has_time = os.environ.get("SRLAB_COMPILE") and shutil.which("g++")
slowly = pytest.mark.skipif(not has_time, reason="takes g++ and half a minute: SRLAB_COMPILE=1")


def alike(one: Fitted, other: Fitted) -> None:
    for left, right in zip(one.rows, other.rows, strict=True):
        # float32 sums in another order, 1e-7 of a value, through 4 steps; Adam, which divides by gradients near 0, has
        # them for ESPCN only: where batch normalisation follows, the gradient of a bias is nothing but rounding
        assert left == pytest.approx(right, rel=1e-4)
    assert list(one.network.state_dict()) == list(other.network.state_dict())


@pytest.mark.parametrize("make", [regression, srresnet, still_gan])
def test_pixel_by_pixel_memory_gives_the_same_results(make: Callable[[], Any], train: Train) -> None:
    results = plainly_and(speed(channels_last=True), make, train, 2)
    alike(*results)
    for tensor in results[1].network.parameters():
        assert tensor.ndim != 4 or tensor.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=slowly)])
def test_compiled_networks_learn_the_same(
    backend: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced, and run as it was traced ("eager") or as machine code made of it."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, mode: compile_module(module, backend=backend))
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    results = plainly_and(speed(compile="default"), regression, train, 1)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before  # it was compiled indeed
    alike(*results)


def test_every_network_of_a_module_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, mode: told.append((type(module).__name__, mode)))
    speed(compile="reduce-overhead").apply(gan())
    assert told[:2] == [("SRResNet", "reduce-overhead"), ("Discriminator", "reduce-overhead")]


def test_rounded_products_are_switched_for_matrices_and_convolutions() -> None:
    for tf32 in (True, False):
        speed(tf32=tf32).apply(regression())
        assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is tf32
