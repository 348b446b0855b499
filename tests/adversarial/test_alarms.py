"""What goes wrong in adversarial training is said once, and again when it comes back."""

from typing import Any

import pytest
import torch
from torch import Tensor

from srlab.adversarial.alarms import Alarms, colour_drift
from srlab.errors import SrlabError
from srlab.images.resample import imresize


def picture() -> Tensor:
    return torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_has_no_colour_drift(scale: int) -> None:
    lr = picture()
    drift = colour_drift(imresize(lr, scale=scale), lr, scale)
    assert drift.tolist() == pytest.approx([0, 0], abs=1e-4)  # grey levels; float32 means of numbers below 1


def test_the_colour_drift_is_the_largest_shift_of_a_channel_in_grey_levels() -> None:
    lr = picture()
    shifts = torch.tensor([[2.0, -7.0, 0.0], [0.5, 0.25, 3.0]])  # grey levels of R, G, B
    sr = imresize(lr, scale=2) + shifts[:, :, None, None] / 255
    sr += 0.1 * torch.tensor([1.0, -1.0]).repeat(5)  # a texture, of mean 0
    assert colour_drift(sr, lr, 2).tolist() == pytest.approx([7, 3], abs=1e-4)  # as above


def row(real: float = 0.6, fake: float = 0.4, drift: float = 1.0) -> dict[str, float]:
    return {"train/d_real": real, "train/d_fake": fake, "val/colour_drift": drift}


def rung(alarms: Alarms, rows: list[dict[str, float]]) -> list[int]:
    """How many alarms each epoch gave."""
    return [len(alarms.check(one)) for one in rows]


CERTAIN = {"real": 0.99, "fake": 0.01}
kinds = pytest.mark.parametrize("wrong", [CERTAIN, {"drift": 9.0}], ids=["certainty", "drift"])


@kinds
def test_an_alarm_comes_once_and_again_after_it_has_gone(wrong: dict[str, Any]) -> None:
    alarms = Alarms(certainty=0.9, drift=5.0, epochs=3)
    epochs = [wrong] * 5 + [{}] + [wrong] * 2 + [{}] + [wrong] * 4
    assert rung(alarms, [row(**one) for one in epochs]) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_the_bounds_themselves_are_no_alarm() -> None:
    assert rung(Alarms(certainty=0.5, drift=5.0, epochs=1), [row(0.75, 0.25, 5.0)]) == [0]


def test_an_alarm_says_how_bad_it_is_and_what_helps() -> None:
    certain, drifting = Alarms(0.9, 5.0, 1).check(row(**CERTAIN, drift=9.04))
    assert "HR 0.99, SR 0.01 for 1 epochs" in certain
    assert all(key in certain for key in ("gans.*.label_smoothing", "gans.*.r1", "gans.*.discriminator_lr"))
    assert "9.0 grey levels" in drifting
    assert "gans.*.adversarial_weight" in drifting
    assert "\n" not in certain + drifting


@kinds
@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_resumed_training_rings_as_an_uncut_one(wrong: dict[str, Any], cut: int) -> None:
    rows = [row(**one) for one in [wrong, {}, wrong, wrong, wrong, wrong]]
    first, second = Alarms(0.9, 5.0, 2), Alarms(0.9, 5.0, 2)
    before = rung(first, rows[:cut])
    second.load_state_dict(first.state_dict())
    assert before + rung(second, rows[cut:]) == [0, 0, 0, 1, 0, 0]


def test_an_alarm_that_could_never_ring_is_refused() -> None:
    with pytest.raises(SrlabError, match="set `epochs` to 1 or more"):
        Alarms(0.9, 5.0, 0)
