"""Each content loss, times its weight in conf/base/content.yaml, is of the scale that the adversarial weight is for."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra.utils import instantiate
from torch import Tensor

from srlab.degradation.imaging import Bicubic
from srlab.images.files import read_image
from srlab.images.resample import imresize

CONTENTS = yaml.safe_load((Path(__file__).parents[2] / "conf/base/content.yaml").read_text())
PATCH, SCALE = 96, 4


@pytest.fixture(scope="module")
def crops() -> tuple[Tensor, Tensor]:
    """The middle of each image of Set5, enlarged by bicubic interpolation, and as it is."""
    pairs = []
    for path in sorted((Path(os.environ["SRLAB_DATASETS"]) / "Set5").rglob("*.png")):
        image = read_image(path)
        top, left = ((side - PATCH) // 2 for side in image.shape[:2])
        crop = Bicubic(SCALE)(image[top : top + PATCH, left : left + PATCH])
        pairs.append([torch.from_numpy(pixels).permute(2, 0, 1) / 255 for pixels in crop])
    hr, lr = (torch.stack(images) for images in zip(*pairs, strict=True))
    return imresize(lr, scale=SCALE).clamp(0, 1), hr


def loss(content: dict[str, Any], crops: tuple[Tensor, Tensor]) -> float:
    with torch.no_grad():
        return float(instantiate(content["loss"])(*crops))


@pytest.mark.data
@pytest.mark.skipif("SRLAB_DATASETS" not in os.environ, reason="SRLAB_DATASETS names no folder")
@pytest.mark.parametrize("name", ["vgg22", "vgg54"])
def test_the_adversarial_share_is_that_of_the_mse(name: str, crops: tuple[Tensor, Tensor]) -> None:
    """Ledig et al., sec. 3.2: features are scaled to be comparable with the MSE. It is 0.009, VGG22 144, VGG54 0.18."""
    mse, vgg = (CONTENTS[one]["weight"] * loss(CONTENTS[one], crops) for one in ("mse", name))
    assert 0.5 < vgg / mse < 2  # other images, other ratios: from 0.008 and 110 to 0.013 and 176
