"""Replayed steps are the steps: on the CPU by a stand-in, which can do no more than a graph can."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from kinds import MortalData, cosine, fail, gan, regression, same
from tiny import Recorder, fitted
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import StepLR
from trainings import Train

from srlab.errors import SrlabError
from srlab.models.drcn import DRCN
from srlab.models.srresnet import SRResNet
from srlab.training import graphed
from srlab.training.fit import Fitted
from srlab.training.recipe import PLAIN, Recipe
from srlab.training.regression import Regression
from srlab.training.speed import Speed

RECIPE = Recipe(warmup=8, clip_norm=0.5, accumulate=2, ema=0.75)
HALVES = partial(StepLR, step_size=1, gamma=0.5)
FUSED = partial(Adam, fused=True)


class Repeats:
    """Runs a recorded step again, with what Python knew when it was recorded, and gives its scalars in one place."""

    def __init__(self) -> None:
        self.num_run = self.num_recorded = self.num_replayed = 0

    def run(self, step: Callable[[], Any]) -> Any:
        self.num_run += 1
        return step()

    def record(self, step: Any) -> Callable[[], Any]:
        self.num_recorded += 1
        groups = [group for optimizer in step.func.__self__.all_optimizers() for group in optimizer.param_groups]
        frozen, place = [dict(group) for group in groups], []

        def replay() -> Any:
            self.num_replayed += 1
            present = [dict(group) for group in groups]
            for group, then in zip(groups, frozen, strict=True):
                group.update(then)
            scores = step()
            for group, now in zip(groups, present, strict=True):
                group.update(now)
            if not place:
                place.extend(({name: value.clone() for name, value in values.items()}, num) for values, num in scores)
            for (there, _), (here, _) in zip(place, scores, strict=True):
                for name, value in here.items():
                    there[name].copy_(value)
            return place

        return replay


def small(recipe: Recipe) -> Any:
    """All that a step may change: weights, statistics, moments and an average. Rates are exact in float32."""
    torch.manual_seed(0)
    return Regression(SRResNet(2, 1, 8), 2.0**-7, HALVES, FUSED, recipe=recipe)


def small_gan(recipe: Recipe) -> Any:
    module = gan(recipe, r1=1.0)
    module.lr = module.discriminator_lr = 2.0**-7
    module.schedule, module.make_optimizer = HALVES, FUSED
    return module


def speed(*, capture: bool, compile: str | None = None) -> Speed:
    return Speed(channels_last=True, compile=compile, tf32=False, capture=capture)


def plain(module: Any) -> Any:
    speed(capture=False).apply(module)
    return module


def replayed(module: Any) -> Any:
    speed(capture=True).apply(module)
    return module


@pytest.fixture
def repeats(monkeypatch: pytest.MonkeyPatch) -> list[Repeats]:
    """Stand-ins, one for each training."""
    made: list[Repeats] = []

    def graphs() -> Repeats:
        made.append(Repeats())
        return made[-1]

    monkeypatch.setitem(graphed.GRAPHS, "cpu", graphs)
    return made


@pytest.mark.parametrize(
    ("make", "recipe", "precision"),
    [(small, PLAIN, "32-true"), (small, RECIPE, "bf16-mixed"), (small_gan, RECIPE, "32-true")],
)
def test_replayed_steps_are_the_steps(
    make: Any, recipe: Recipe, precision: str, repeats: list[Repeats], train: Train
) -> None:
    """Bit for bit, over three epochs of three whole batches and a short one, in chunks of two."""
    feed = {"batch_size": 6, "patches_per_epoch": 22, "chunk": 2}
    modules = (choose(make(recipe)) for choose in (plain, replayed))
    assert same(*(train(module, 3, feed=feed, precision=precision) for module in modules))
    (graphs,) = repeats
    assert (graphs.num_run, graphs.num_recorded, graphs.num_replayed) == (3, 1, 6)


def test_a_resumed_training_records_anew_and_ends_the_same(repeats: list[Repeats], store: Path, tmp_path: Path) -> None:
    """Before it was recorded, in front of the short batch, and in the second epoch."""

    def run(work: str, module: Any, life: int) -> Fitted:
        loaded = MortalData(str(store), 2, 7, 16, 4, 22, chunk=1)
        loaded.life, loaded.die = life, fail
        return fitted(module, loaded, tmp_path / work, Recorder(), 2, checkpoint_minutes=0)

    whole = run("whole", plain(small(RECIPE)), 0)
    for life in (3, 6, 9):
        with pytest.raises(ConnectionError):
            run(str(life), replayed(small(RECIPE)), life)
        assert same(run(str(life), replayed(small(RECIPE)), 0), whole)
        assert [graphs.num_recorded for graphs in repeats[-2:]] == [int(life > 4), 1]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: regression(recipe=PLAIN), r"only Adam as one kernel \(trainer.fused=true\)"),
        (lambda: Regression(SRResNet(2, 1, 4), 0.1, cosine, partial(SGD, fused=True)), "only Adam as one kernel"),
        (lambda: Regression(DRCN(2, 2, 4, 2), 0.01, cosine, FUSED), "the loss of DRCN changes from epoch to epoch"),
    ],
)
def test_what_cannot_be_replayed_is_launched_and_named(
    make: Any, why: str, repeats: list[Repeats], train: Train, capfd: Any
) -> None:
    train(replayed(make()))
    assert repeats == []
    assert capfd.readouterr().out.count(f"launched, not replayed, as {why}".replace("\\", "")) == 1


def test_a_device_without_graphs_launches(train: Train, capfd: Any) -> None:
    module = small(PLAIN)
    speed(capture=True).apply(module)
    train(module)
    assert "as a device of type cpu records nothing" in capfd.readouterr().out


def test_graphs_in_graphs_are_refused() -> None:
    with pytest.raises(SrlabError, match=r"set trainer\.speed\.compile to default or null, or trainer\.speed\.capture"):
        speed(capture=True, compile="reduce-overhead").apply(small(PLAIN))
