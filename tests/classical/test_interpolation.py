"""Interpolation is MATLAB's imresize (tests/images), clipped."""

import pytest
import torch

from srlab.classical.interpolation import LABELS, Interpolation
from srlab.errors import SrlabError
from srlab.images.resample import imresize


@pytest.mark.parametrize("method", LABELS)
def test_overshoot_is_clipped(method: str) -> None:
    lr = torch.rand(2, 3, 8, 7).round()
    sr = Interpolation(method).upscale(lr, 4)
    assert torch.equal(sr, imresize(lr, scale=4, method=method).clamp(0, 1))
    assert (sr.min(), sr.max()) == (0, 1)


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(SrlabError, match="set `kernel` to one of nearest, bilinear, bicubic, lanczos3"):
        Interpolation("area")
