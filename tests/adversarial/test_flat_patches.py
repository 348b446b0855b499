"""Patches of one colour among those of a GAN: what a grid in SR is seen on."""

from typing import ClassVar

import numpy as np
import torch
from kinds import smooth_gan
from torch import Tensor, nn
from trainings import Train

from srlab.adversarial.module import with_flat


class Nothing(nn.Module):
    """A content loss of zero."""

    facts: ClassVar[dict[str, str]] = {}
    chooses_epoch = False

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        return 0 * (sr - hr).sum()


def spread(net: nn.Module) -> float:
    """How far SR of three colours is from one colour: the mean standard deviation over pixels, borders left out."""
    colours = torch.tensor([[0.2, 0.5, 0.7], [0.6, 0.6, 0.5], [0.4, 0.3, 0.4]])
    with torch.no_grad():
        sr = net(colours[:, :, None, None].expand(3, 3, 16, 16))[..., 4:-4, 4:-4]
    return float(sr.std((-2, -1)).mean())


def test_they_alone_teach_a_generator_to_keep_one_colour_one_colour(train: Train) -> None:
    """By their mean squared error: nothing else is in the loss, and without them not a weight moves."""
    found = []
    for count in (0, 2):
        module = smooth_gan(flat_patches=count)
        module.content, module.adversarial_weight, module.lr = Nothing(), 0.0, 1e-2
        before = spread(module.generator)
        train(module, 3, feed={"patches_per_epoch": 64})
        found.append(spread(module.generator) / before)
    assert found[0] == 1 and found[1] < 0.5  # 0.28 after 48 steps


def test_the_first_patches_are_of_the_mean_colour_of_their_lr_and_the_others_are_as_they_were() -> None:
    generator = torch.Generator().manual_seed(0)
    lr, hr = torch.rand(4, 3, 5, 6, generator=generator), torch.rand(4, 3, 20, 24, generator=generator)
    flat_lr, flat_hr = with_flat(lr, hr, 2)
    assert flat_lr.shape == lr.shape and flat_hr.shape == hr.shape
    for image in (flat_lr, flat_hr):
        assert (image[:2] == lr[:2].mean((-2, -1), keepdim=True)).all()
    assert torch.equal(flat_lr[2:], lr[2:]) and torch.equal(flat_hr[2:], hr[2:])


def test_none_changes_nothing() -> None:
    lr, hr = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 16, 16)
    assert with_flat(lr, hr, 0) == (lr, hr)


def test_one_photo_stays_in_a_short_last_batch(train: Train) -> None:
    """Of 4 and then of 1 patch: the loss is of numbers, and not of a mean over no photo or no patch."""
    (row,) = train(smooth_gan(flat_patches=4), feed={"patches_per_epoch": 5}).rows
    assert all(np.isfinite(value) for value in row.values())
