"""What goes wrong in adversarial training is said once, and again when it comes back."""

from typing import Any

import pytest
import torch

from srlab.adversarial.alarms import Alarms, colour_drift
from srlab.errors import SrlabError
from srlab.images.resample import imresize


def test_the_colour_drift_is_the_largest_shift_of_a_channel_in_grey_levels() -> None:
    lr = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    shifts = torch.tensor([[2.0, -7.0, 0.0], [0.5, 0.25, 3.0]])  # grey levels of R, G, B
    sr = imresize(lr, scale=2) + shifts[:, :, None, None] / 255
    sr += 0.1 * torch.tensor([1.0, -1.0]).repeat(5)  # a texture, of mean 0
    found = colour_drift(sr, lr, 2).tolist()
    assert found == pytest.approx([7, 3], abs=1e-4)  # grey levels; float32 means of numbers below 1


def row(real: float = 0.6, fake: float = 0.4, drift: float = 1.0) -> dict[str, float]:
    return {"train/d_real": real, "train/d_fake": fake, "val/colour_drift": drift}


def rung(alarms: Alarms, rows: list[dict[str, float]]) -> list[int]:
    """How many alarms each epoch gave."""
    return [len(alarms.check(one)) for one in rows]


CERTAIN = {"real": 0.99, "fake": 0.01}


@pytest.mark.parametrize("wrong", [CERTAIN, {"drift": 9.0}], ids=["certainty", "drift"])
@pytest.mark.parametrize("cut", [1, 4, 9, 12])
def test_an_alarm_comes_once_and_again_after_it_has_gone_also_across_a_checkpoint(
    wrong: dict[str, Any], cut: int
) -> None:
    epochs = [row(**one) for one in [wrong] * 5 + [{}] + [wrong] * 2 + [{}] + [wrong] * 4]
    first, second = (Alarms(certainty=0.9, drift=5.0, epochs=3) for _ in range(2))
    before = rung(first, epochs[:cut])
    second.load_state_dict(first.state_dict())
    assert before + rung(second, epochs[cut:]) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_the_bounds_themselves_are_no_alarm() -> None:
    assert rung(Alarms(certainty=0.5, drift=5.0, epochs=1), [row(0.75, 0.25, 5.0)]) == [0]


def test_an_alarm_says_how_bad_it_is_and_what_helps() -> None:
    certain, drifting = Alarms(0.9, 5.0, 1).check(row(**CERTAIN, drift=9.04))
    assert "HR 0.99, SR 0.01 for 1 epochs" in certain
    assert all(key in certain for key in ("gans.*.label_smoothing", "gans.*.r1", "gans.*.discriminator_lr"))
    assert "9.0 grey levels" in drifting
    assert "gans.*.adversarial_weight" in drifting
    assert "\n" not in certain + drifting


def test_an_alarm_that_could_never_ring_is_refused() -> None:
    with pytest.raises(SrlabError, match="set `epochs` to 1 or more"):
        Alarms(0.9, 5.0, 0)
