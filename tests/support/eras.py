"""The protocols of conf/base/protocol/, as objects, and a score under the classic one."""

from pathlib import Path

import numpy as np
import torch
import yaml

from srlab.evaluation.metrics.psnr import psnr
from srlab.evaluation.protocol import Protocol, border
from srlab.images.resample import to_uint8

FOLDER = Path(__file__).parents[2] / "conf/base/protocol"
PROTOCOLS = {
    path.stem: Protocol(**{key: value for key, value in yaml.safe_load(path.read_text()).items() if key != "_target_"})
    for path in sorted(FOLDER.glob("*.yaml"))
}
CLASSIC, MODERN = PROTOCOLS["classic"], PROTOCOLS["modern"]


def pixels(image: np.ndarray) -> torch.Tensor:
    """(1, C, H, W) float32 in [0, 1] of uint8 (H, W, C)."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255


def classic_psnr(sr: torch.Tensor, hr: np.ndarray, scale: int) -> float:
    """PSNR in dB, as in the tables, of (1, C, H, W) in [0, 1] against uint8 (H, W, C)."""
    output = to_uint8(sr[0].permute(1, 2, 0)).numpy()
    return psnr(CLASSIC.planes(output, "luma"), CLASSIC.planes(hr, "luma"), border(scale)).item()
