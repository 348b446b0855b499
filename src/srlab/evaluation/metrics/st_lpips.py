"""ST-LPIPS, the shift-tolerant learned perceptual distance. It is not LPIPS: its values do not compare with those."""

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.evaluation.metrics.lpips import SMALLEST, distance, scaled
from srlab.evaluation.metrics.metric import Metric, Parameters, inner

# Trained by the authors, BSD 2-Clause: docs/metrics.md says where the file comes from.
PARAMETERS = Parameters("SRLAB_STLPIPS", "metrics/stlpips/stlpips_alex_fp16.npz")
CONVOLUTIONS = {  # of the AlexNet without strides, by their names in the file: (outputs, inputs, side, padding)
    "net.slice1.0": (64, 3, 11, 2),
    "net.slice2.5": (192, 64, 5, 2),
    "net.slice3.9": (384, 192, 3, 1),
    "net.slice4.11": (256, 384, 3, 1),
    "net.slice5.13": (256, 256, 3, 1),
}
BLURRED = 3  # the first three layers halve the image, through a blur
SHAPES: dict[str, tuple[int, ...]] = (
    {f"{name}.weight": (outputs, inputs, side, side) for name, (outputs, inputs, side, _) in CONVOLUTIONS.items()}
    | {f"{name}.bias": (outputs,) for name, (outputs, *_) in CONVOLUTIONS.items()}
    | {f"lin{index}.model.1.weight": (1, one[0], 1, 1) for index, one in enumerate(CONVOLUTIONS.values())}
)


def st_lpips(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    """ST-LPIPS with AlexNet per image, (B,) float32, of (B, 3, H, W) RGB in [0, 1], ignoring `border` pixels.

    0 for equal images, lower is better; the weighted distance of the features of five layers. SrlabError if the
    shapes differ, a side is below 32 + 2 * border, or the weights are missing or damaged.
    Source: Ghildyal and Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022.
    """
    sr, hr = inner(sr, hr, border, minimum=SMALLEST)
    weights = {name: tensor.to(sr.device, torch.float32) for name, tensor in PARAMETERS.read(SHAPES).items()}
    heads = [weights[f"lin{index}.model.1.weight"] for index in range(len(CONVOLUTIONS))]
    with torch.inference_mode():
        return distance(_features(sr, weights), _features(hr, weights), heads)


def _features(image: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
    x, features = scaled(image), []
    for index, (name, (*_, padding)) in enumerate(CONVOLUTIONS.items()):
        if 0 < index < BLURRED:
            x = _halved(F.max_pool2d(x, 3, stride=1))
        x = F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=padding)
        x = (_halved(x) if index == 0 else x).relu_()
        features.append(x)
    return features


def _halved(x: Tensor) -> Tensor:
    """Every other value of `x` (B, C, H, W) blurred by [1 2 1] / 4 along both axes."""
    taps = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), "reflect"), kernel, stride=2, groups=x.shape[1])


ST_LPIPS = Metric(
    "st_lpips",
    "ST-LPIPS",
    "",
    4,
    higher_is_better=False,
    planes="rgb",
    measure=st_lpips,
    table="perception",
    parameters=PARAMETERS,
    smallest=SMALLEST,
)
