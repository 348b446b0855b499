"""LPIPS, the learned perceptual distance: AlexNet's features, weighted by what people saw."""

import hashlib
from functools import lru_cache
from importlib.resources import as_file, files

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.errors import SrlabError
from srlab.evaluation.metrics.metric import Metric, Parameters, inner

PARAMETERS = Parameters("SRLAB_ALEXNET", "metrics/lpips/alexnet.npz")
CONVOLUTIONS = {  # of torchvision's AlexNet, by their names there: (outputs, inputs, side, stride, padding)
    "features.0": (64, 3, 11, 4, 2),
    "features.3": (192, 64, 5, 1, 2),
    "features.6": (384, 192, 3, 1, 1),
    "features.8": (256, 384, 3, 1, 1),
    "features.10": (256, 256, 3, 1, 1),
}
POOLED = 3  # before the second and the third layer the features are halved
SHAPES: dict[str, tuple[int, ...]] = {
    f"{name}.weight": (outputs, inputs, side, side) for name, (outputs, inputs, side, *_) in CONVOLUTIONS.items()
} | {f"{name}.bias": (outputs,) for name, (outputs, *_) in CONVOLUTIONS.items()}
# sha256 of these arrays, float32, in this order
DIGEST = "b890c875f80ecd7f7df5783a1345a6b7754e981631a937a60288c2d0231ab4df"
HEADS = "functional/image/lpips_models/alex.pth"  # of torchmetrics: version 0.1 of the authors, BSD 2-Clause
SHIFT, SPREAD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of RGB in -1..1
SMALLEST = 32  # px


def lpips(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    """LPIPS 0.1 with AlexNet per image, (B,) float32, of (B, 3, H, W) RGB in [0, 1], ignoring `border` pixels.

    0 for equal images, lower is better; the weighted distance of the features of five layers. SrlabError if the
    shapes differ, a side is below 32 + 2 * border, or the weights are missing, damaged, or others than torchvision's.
    Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018, eq. 1.
    """
    sr, hr = inner(sr, hr, border, minimum=SMALLEST)
    weights = {name: tensor.to(sr.device) for name, tensor in _checked().items()}
    with torch.inference_mode():
        return distance(_features(sr, weights), _features(hr, weights), [one.to(sr.device) for one in _heads()])


def scaled(image: Tensor) -> Tensor:
    """RGB (B, 3, H, W) in [0, 1] to what the network takes, float32."""
    shift, spread = (torch.tensor(one, device=image.device)[:, None, None] for one in (SHIFT, SPREAD))
    return (image.float() * 2 - 1 - shift) / spread


def distance(first: list[Tensor], second: list[Tensor], heads: list[Tensor]) -> Tensor:
    """(B,) of features (B, C, h, w) of each layer and its weights (1, C, 1, 1); features count by their direction."""
    unit = ([x / (x.norm(dim=1, keepdim=True) + 1e-10) for x in features] for features in (first, second))
    layers = zip(*unit, heads, strict=True)
    return torch.stack([F.conv2d((x - y).square_(), head).mean((1, 2, 3)) for x, y, head in layers]).sum(0)


def _features(image: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
    x, features = scaled(image), []
    for index, (name, (*_, stride, padding)) in enumerate(CONVOLUTIONS.items()):
        if 0 < index < POOLED:
            x = F.max_pool2d(x, 3, stride=2)
        x = F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride, padding).relu_()
        features.append(x)
    return features


def _checked() -> dict[str, Tensor]:
    weights = {name: tensor.float() for name, tensor in PARAMETERS.read(SHAPES).items()}
    if _digest(tuple(weights.values())) != DIGEST:
        raise SrlabError(f"{PARAMETERS.file()} holds other weights than torchvision's AlexNet: get it again")
    return weights


@lru_cache(1)  # tensors are told apart by identity, and `read` gives the same ones for every image
def _digest(arrays: tuple[Tensor, ...]) -> str:
    return hashlib.sha256(b"".join(one.contiguous().numpy().tobytes() for one in arrays)).hexdigest()


@lru_cache
def _heads() -> list[Tensor]:
    with as_file(files("torchmetrics") / HEADS) as file:
        state = torch.load(file, "cpu", weights_only=True)
    return [state[f"lin{index}.model.1.weight"] for index in range(len(CONVOLUTIONS))]


LPIPS = Metric(
    "lpips",
    "LPIPS",
    "",
    4,
    higher_is_better=False,
    planes="rgb",
    measure=lpips,
    table="perception",
    parameters=PARAMETERS,
    smallest=SMALLEST,
)
