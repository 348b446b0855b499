"""Several LR frames of one scene, a fraction of an LR pixel apart: what a camera held still takes in a row."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from srlab.classical.observation import Frame, observation
from srlab.degradation.imaging import DrawnImaging, fraction
from srlab.errors import SrlabError


@dataclass(frozen=True)
class Burst:
    """`num` LR frames of an HR image: moved, blurred, reduced bicubically, with noise, rounded to 8 bit.

    The frames lie on the coarsest square grid of sub-pixel shifts that has room for them, row by row; the first is not
    moved. SrlabError if there is no frame.
    """

    scale: int
    seed: int  # with an image's name it decides the noise
    num: int
    sigma: float  # of the round Gaussian blur, HR px; 0: none
    noise: float  # 8-bit levels; 0: none

    def __post_init__(self) -> None:
        if self.num < 1:
            raise SrlabError(f"frames.num is {self.num}: take at least one frame in params.yaml")

    def draws(self, name: str) -> list[DrawnImaging]:
        """How each frame of image `name` comes about; only terms that are on have parameters."""
        side = math.ceil(math.sqrt(self.num))
        found = []
        for index in range(self.num):
            down, right = (place * self.scale / side for place in divmod(index, side))
            terms = {"shift_right": right, "shift_down": down, "sigma": self.sigma, "noise": self.noise}
            drawn: dict[str, float | str] = {key: value for key, value in terms.items() if value}
            if "noise" in drawn:
                drawn["noise_seed"] = int(fraction(self.seed, name, f"frame {index}") * 2**53)
            found.append(DrawnImaging(self.scale, "bicubic", drawn))
        return found

    def __call__(self, name: str, hr: np.ndarray) -> list[Frame]:
        """Frames (1, C, H/scale, W/scale) float32 of uint8 (H, W, C) with sides that are multiples of scale."""
        frames = []
        for draw in self.draws(name):
            pixels = torch.from_numpy(draw(hr)[1]).permute(2, 0, 1)[None].float() / 255
            frames.append(Frame(pixels, observation(draw), draw.variance))
        return frames
