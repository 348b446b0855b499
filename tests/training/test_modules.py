"""What a training step of each module learns, and which weights it moves."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from tiny import attach
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau, StepLR
from trainings import Train

from srlab.adversarial.alarms import Alarms
from srlab.adversarial.discriminator import Discriminator
from srlab.adversarial.losses import MSEContent
from srlab.adversarial.module import Adversarial
from srlab.models.base.network import Network
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.patches.datamodule import PairData
from srlab.training.pixel_losses import OwnLoss
from srlab.training.regression import Regression

steady = partial(CosineAnnealingLR, T_max=10**6)  # hardly moves
SCORES = {"val/psnr", "val/ssim"}


class Watched(Adversarial):
    """Notes which parameters each optimizer step changes."""

    def configure_optimizers(self) -> Any:
        optimizers, schedules = super().configure_optimizers()
        self.moved: list[set[str]] = []
        self.before: dict[str, torch.Tensor] = {}
        for optimizer in optimizers:
            optimizer.register_step_pre_hook(lambda *_: self.before.update(self.snapshot()))
            optimizer.register_step_post_hook(lambda *_: self.moved.append(self.changed()))
        return optimizers, schedules

    def snapshot(self) -> dict[str, torch.Tensor]:
        return {name: parameter.detach().clone() for name, parameter in self.named_parameters()}

    def changed(self) -> set[str]:
        return {name.split(".")[0] for name, value in self.snapshot().items() if not value.equal(self.before[name])}


def gan(kind: type[Adversarial] = Adversarial, lr: float = 1e-3, **changes: Any) -> Any:
    torch.manual_seed(0)
    networks = SRResNet(2, 1, 4), Discriminator(16, 2)
    return kind(*networks, MSEContent(), 1e-3, lr, lr, steady, Alarms(1, 255, 99), **changes)


PARTS = {f"train/{name}" for name in ("loss", "content", "adversarial", "discriminator", "d_real", "d_fake")}


@pytest.mark.parametrize(
    ("make", "documented"),
    [
        (lambda: Regression(ESPCN(2), 1e-3, steady), {"train/loss", "val/loss"}),
        (gan, {"val/content", "val/colour_drift", *PARTS}),
    ],
    ids=["regression", "gan"],
)
def test_a_row_holds_what_is_documented(make: Callable[[], Any], documented: set[str], train: Train) -> None:
    (row,) = train(make()).rows
    assert set(row) == {"epoch", "lr", *documented, *SCORES}


def test_the_training_loss_is_the_mean_over_patches(train: Train, data: Callable[..., PairData]) -> None:
    """Of batches of 4, 4 and 2 patches, the last weighs half."""
    pairs, net = data(patches_per_epoch=10), ESPCN(2)
    module = Regression(net, 1e-30, steady)  # moves no weight
    (row,) = train(module, feed={"patches_per_epoch": 10}).rows
    attach(pairs)
    batches = [batch for chunk in pairs.train_dataloader() for batch in pairs.on_after_batch_transfer(chunk, 0)]
    lr, hr = (torch.cat(part) for part in zip(*batches, strict=True))
    red, green, blue = hr.double().unbind(1)
    luma = (16 + 65.481 * red + 128.553 * green + 24.966 * blue) / 255  # MATLAB's rgb2ycbcr
    red, green, blue = lr.double().unbind(1)
    low = (16 + 65.481 * red + 128.553 * green + 24.966 * blue) / 255
    errors = (net.double()(low[:, None]) - luma[:, None]).square().mean((1, 2, 3))
    assert len(errors) == 10
    assert row["train/loss"] == pytest.approx(errors.mean().item(), rel=1e-5)  # trained in float32


def test_both_networks_of_a_gan_learn(train: Train) -> None:
    module = gan(lr=1e-2)
    module.schedule = partial(ReduceLROnPlateau, mode="max", patience=0)  # sees less content loss as progress
    first, *_, last = rows = train(module, 3, feed={"patches_per_epoch": 32}).rows
    assert {row["lr"] for row in rows} == {1e-2}
    assert last["train/content"] < first["train/content"] / 2
    assert last["train/discriminator"] < first["train/discriminator"]
    assert last["train/d_fake"] < last["train/d_real"]


def test_the_generator_s_loss_is_weighted_and_content_logged_without_its_weight(train: Train) -> None:
    """So that trainings with several weights can be compared."""
    seen = []
    for weight in (1.0, 0.25):
        (row,) = train(gan(content_weight=weight, lr=1e-30)).rows
        expected = weight * row["train/content"] + 1e-3 * row["train/adversarial"]
        assert row["train/loss"] == pytest.approx(expected, rel=1e-5)  # float32 sums of two numbers near 1
        seen.append((row["train/content"], row["val/content"]))
    assert seen[0] == seen[1]


def test_every_schedule_of_a_module_is_stepped_once_an_epoch(train: Train) -> None:
    module = gan()
    module.schedule = partial(StepLR, step_size=1, gamma=0.5)
    assert [row["lr"] for row in train(module, 2).rows] == [1e-3, 0.5e-3]
    assert [optimizer.param_groups[0]["lr"] for optimizer in module.all_optimizers()] == [0.25e-3] * 2


def test_a_loss_is_told_the_epoch(train: Train) -> None:
    """Or DRCN's alpha would stay 1 for ever."""
    seen = []

    def loss(net: Network, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        seen.append(epoch)
        return OwnLoss()(net, lr, hr, epoch)

    train(Regression(ESPCN(2), 1e-3, steady, loss=loss), 2)
    assert seen == [0, 0, 1, 1]


def test_each_half_step_moves_its_own_network_only(train: Train) -> None:
    module = gan(Watched)
    train(module, 2)
    assert module.moved == [{"discriminator"}, {"generator"}] * 4
