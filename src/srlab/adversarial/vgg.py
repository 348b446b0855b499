"""VGG-19 features for perceptual losses, without torchvision.

Network: Simonyan and Zisserman, ICLR 2015, configuration E. Features: Ledig et al. 2017, sec. 2.2.1, where phi_(i,j) is
the map after the activation of the j-th convolution before the i-th pooling.
"""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from srlab.errors import SrlabError

STAGES = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512))
LAYERS = {"vgg22": (2, 2), "vgg54": (5, 4)}
NAMES = tuple((i, j) for i, stage in enumerate(STAGES, 1) for j in range(1, len(stage) + 1))
# Positions of the convolutions in torchvision's `features`: each is followed by a ReLU, each stage by a pooling.
TORCHVISION_POSITIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
TORCHVISION_SHA256 = "dcbb9e9d"  # the beginning, which is part of the file's name
CURE = (
    "set SRLAB_VGG19 to torchvision's vgg19-dcbb9e9d.pth or to an .npz in Caffe's convention, or leave it unset for a "
    "download"
)


@dataclass(frozen=True)
class Kernels:
    """Convolutions {(i, j): (weight OIHW, bias)} for RGB input normalised as (x - mean) / std, x in [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    convolutions: dict[tuple[int, int], tuple[Tensor, Tensor]]


class VGGFeatures(nn.Module):
    """RGB (B, 3, H, W) in [0, 1] to features: "vgg22" (B, 128, H/2, W/2), "vgg54" (B, 512, H/16, W/16); frozen.

    `path` is torchvision's vgg19-dcbb9e9d.pth or an .npz in Caffe's convention (see `caffe_kernels`). SrlabError if the
    file is missing, is another one, or the layer is unknown: there is no fallback to random weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, path: str, layer: str) -> None:
        super().__init__()
        if layer not in LAYERS:
            raise SrlabError(f"VGG-19 has no layer '{layer}' here: set `layer` to one of {', '.join(LAYERS)}")
        kernels = _read(Path(path).expanduser())
        self.register_buffer("mean", torch.tensor(kernels.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(kernels.std).view(1, 3, 1, 1))
        self.body = nn.Sequential(*_body(kernels, LAYERS[layer]))
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1] to the layer's features after its ReLU, never negative; float32 on both sides.

        In between autocast may round: the mean is taken off and features are handed out in full precision.
        """
        return self.body((image - self.mean) / self.std).float()  # its buffers are float32


def torchvision_kernels(state: Mapping[str, Tensor]) -> Kernels:
    """Kernels of a torchvision state dict ("features.0.weight", ...): RGB, ImageNet's mean and deviation."""
    convolutions = {
        name: (state[f"features.{position}.weight"].float(), state[f"features.{position}.bias"].float())
        for name, position in zip(NAMES, TORCHVISION_POSITIONS, strict=True)
    }
    return Kernels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), convolutions)


def caffe_kernels(arrays: Mapping[str, np.ndarray]) -> Kernels:
    """Kernels of arrays in Caffe's convention: BGR in 0..255 minus (103.939, 116.779, 123.68), no deviation.

    Per layer "conv1_1.bias" and either "conv1_1.weight" (OIHW) or, in 8 bit, "conv1_1.weight_u8" with
    "conv1_1.weight_scale" and "conv1_1.weight_min": weight = u8 * scale + min.
    """
    convolutions = {}
    for i, j in NAMES:
        layer = f"conv{i}_{j}"
        if f"{layer}.weight" in arrays:
            weight = np.asarray(arrays[f"{layer}.weight"], dtype=np.float32)
        else:
            steps = arrays[f"{layer}.weight_u8"].astype(np.float64)
            weight = (steps * arrays[f"{layer}.weight_scale"] + arrays[f"{layer}.weight_min"]).astype(np.float32)
        bias = np.asarray(arrays[f"{layer}.bias"], dtype=np.float32)
        convolutions[i, j] = (torch.from_numpy(weight), torch.from_numpy(bias))
    weight, bias = convolutions[1, 1]
    convolutions[1, 1] = (weight.flip(1), bias)  # BGR to RGB
    red, green, blue = 123.68 / 255, 116.779 / 255, 103.939 / 255
    return Kernels((red, green, blue), (1 / 255, 1 / 255, 1 / 255), convolutions)


def _body(kernels: Kernels, last: tuple[int, int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for i, j in NAMES[: NAMES.index(last) + 1]:
        if i > 1 and j == 1:
            layers.append(nn.MaxPool2d(2))
        weight, bias = kernels.convolutions[i, j]
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        convolution.load_state_dict({"weight": weight, "bias": bias})
        layers += [convolution, nn.ReLU()]
    return layers


def _read(path: Path) -> Kernels:
    if not path.is_file():
        raise SrlabError(f"the VGG-19 weights {path} are missing: {CURE}")
    try:
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                return caffe_kernels(arrays)
        _require_published(path)
        return torchvision_kernels(torch.load(path, map_location="cpu", weights_only=True))
    except (KeyError, ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        # Only the kind of error: torch.load's messages run over many lines.
        raise SrlabError(f"{path} does not hold VGG-19 weights ({type(error).__name__}): {CURE}") from error


def _require_published(path: Path) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(TORCHVISION_SHA256):
        raise SrlabError(f"{path} has sha256 {digest[:8]}..., expected {TORCHVISION_SHA256}...: {CURE}")
