"""One small training of every kind: what each kind remembers from step to step, an interruption must not change."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tiny import Recorder, fitted
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from srlab.adversarial.alarms import Alarms
from srlab.adversarial.discriminator import Discriminator
from srlab.adversarial.losses import MSEContent
from srlab.adversarial.module import Adversarial
from srlab.models.base.network import Network
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.patches.datamodule import PairData
from srlab.training.fit import Fitted
from srlab.training.recipe import PLAIN, Recipe
from srlab.training.regression import Regression

EPOCHS = 3
plateau = partial(ReduceLROnPlateau, mode="max", factor=0.5, patience=0)
cosine = partial(CosineAnnealingLR, T_max=EPOCHS)
MODERN = Recipe(warmup=5, clip_norm=0.5, accumulate=2, ema=0.9)


class Forgetful(Network):
    """Enlarges with dropout, so that a step depends on the random state."""

    def __init__(self, scale: int) -> None:
        super().__init__(scale, channels=1)
        hidden = nn.Conv2d(1, 8, 3, padding=1)
        self.body = nn.Sequential(hidden, nn.Tanh(), nn.Dropout(0.5), nn.Conv2d(8, scale**2, 3, padding=1))

    def forward(self, lr: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle(self.body(lr), self.scale)


class Smooth(nn.Module):
    """A discriminator without batch normalisation: its gradient is a mean over patches, in whatever parts they come."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.LeakyReLU(0.2), nn.Flatten(), nn.LazyLinear(1))
        self.layers(torch.zeros(1, 3, 16, 16))

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class Colours(Network):
    """Enlarges RGB without batch normalisation."""

    def __init__(self, scale: int) -> None:
        super().__init__(scale, channels=3)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 3 * scale**2, 3, padding=1))

    def forward(self, lr: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle(self.body(lr), self.scale)


def espcn() -> Network:
    return ESPCN(2)


def regression(net: Callable[[], Network] = espcn, schedule: Any = plateau, recipe: Recipe = PLAIN) -> Any:
    torch.manual_seed(0)
    return Regression(net(), 1e-2, schedule, recipe=recipe)


def gan(recipe: Recipe = PLAIN, r1: float = 0.0) -> Any:
    """With batch normalisation in both networks."""
    torch.manual_seed(0)
    networks = SRResNet(2, 1, 4), Discriminator(16, 2)
    alarms = Alarms(1, 255, 99)
    return Adversarial(*networks, MSEContent(), 1e-3, 1e-2, 1e-2, plateau, alarms, 0.1, r1, recipe, translation=2)


def smooth_gan(recipe: Recipe = PLAIN, r1: float = 0.0, **changes: Any) -> Any:
    """Without batch normalisation."""
    torch.manual_seed(0)
    return Adversarial(
        Colours(2), Smooth(), MSEContent(), 1e-3, 1e-3, 1e-3, cosine, Alarms(1, 255, 99), 0.1, r1, recipe, **changes
    )


@dataclass(frozen=True)
class Kind:
    """How to make the module, and what differs from the plain data and the plain Trainer."""

    module: Callable[[], Any]
    data: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)


KINDS = {
    "plateau": Kind(regression),
    "modern": Kind(partial(regression, schedule=cosine, recipe=MODERN)),
    "gan": Kind(partial(gan, Recipe(warmup=3, clip_norm=1.0, accumulate=1, ema=0.9), r1=1.0)),
    "dropout": Kind(partial(regression, partial(Forgetful, 2))),
    "chunks": Kind(regression, {"chunk": 2, "patches_per_epoch": 18}),
    "loaders": Kind(regression, {"num_workers": 2}),
    "resident": Kind(regression, {"feeder": "resident"}),
    "bf16": Kind(partial(regression, partial(SRResNet, 2, 1, 4)), trainer={"precision": "bf16-mixed"}),
}


class MortalData(PairData):
    """Calls `die` once, when the `life`-th chunk or validation image is to be fed."""

    life = 0
    die: Any = staticmethod(lambda: None)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        self.life -= 1
        if self.life == 0:
            self.die()
        return super().on_after_batch_transfer(batch, dataloader_idx)


def fail() -> None:
    """What `die` may be: the cheapest interruption."""
    raise ConnectionError("interrupted")


def trained(name: str, store: Path, work: Path, life: int = 0, die: Any = fail, minutes: float = 0) -> Fitted:
    """A training of one of KINDS: 3 chunks and a validation image an epoch, a checkpoint after each chunk."""
    kind = KINDS[name]
    settings = {"scale": 2, "seed": 7, "patch_size": 16, "batch_size": 4, "patches_per_epoch": 10} | kind.data
    data = MortalData(str(store), **settings)
    data.life, data.die = life, die
    return fitted(kind.module(), data, work, Recorder(), EPOCHS, checkpoint_minutes=minutes, **kind.trainer)


def killed(signum: signal.Signals, seconds: float) -> Callable[[], None]:
    """What `die` may be: a signal to this process, so much later, whatever it does then; it does not end before."""

    def wait() -> None:
        threading.Timer(seconds, os.kill, (os.getpid(), signum)).start()

    return wait


def same(one: Fitted, other: Fitted) -> bool:
    """Whether two trainings ended the same, bit for bit."""
    states = [fitted.network.state_dict() for fitted in (one, other)]
    assert states[0].keys() == states[1].keys()
    weights = all(tensor.equal(states[1][name]) for name, tensor in states[0].items())
    return weights and one.rows == other.rows and one.best_epoch == other.best_epoch
