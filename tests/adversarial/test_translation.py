"""Moving SR and HR before a discriminator sees them."""

import torch

from srlab.adversarial.module import translated


def test_sr_and_hr_are_moved_alike_and_by_every_step() -> None:
    """Seen by the place of one pixel; over 200 moves of 0 to 3 px each of the 16 comes up but with odds of 4e-5."""
    torch.manual_seed(0)
    sr = torch.zeros(2, 3, 8, 9)
    sr[:, :, 4, 5] = 1
    places = set()
    for _ in range(200):
        moved, twin = translated(sr, 2 * sr, most=3)
        assert moved.shape == sr.shape and torch.equal(twin, 2 * moved)
        places.add(tuple((moved[0, 0] == 1).nonzero()[0].tolist()))
    assert places == {(4 + down, 5 + right) for down in range(4) for right in range(4)}
    assert translated(sr, sr, most=0)[0] is sr


def test_a_moved_image_is_mirrored_at_the_corner() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 6, 6)
    seen = {tuple(translated(ramp, ramp, most=2)[0][0, 0, 0].tolist()) for _ in range(100)}
    assert seen == {(0, 1, 2, 3, 4, 5), (1, 0, 1, 2, 3, 4), (2, 1, 0, 1, 2, 3)}
