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
@pytest.mark.parametrize("name", CONTENTS)
def test_the_adversarial_share_is_comparable(name: str, crops: tuple[Tensor, Tensor]) -> None:
    """Between what the paper's weight of 1 makes of MSE (0.009 here) and of VGG54 (0.18); VGG22 alone would be 144."""
    assert 0.005 < CONTENTS[name]["weight"] * loss(CONTENTS[name], crops) < 0.4  # twofold, for other images
