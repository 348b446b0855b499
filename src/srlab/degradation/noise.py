"""n of L = DBMH + n: shot noise, read-out noise and what a JPEG encoder leaves of a picture.

All of it is drawn by numpy from one number per image: the same on every device, in every batch.
"""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlab.images.resample import to_uint8


def poisson(x: Tensor, peak: Tensor, seeds: Sequence[int]) -> Tensor:
    """(B, C, H, W) float in [0, 1] as counted in photons, of which white sends `peak` (B,) per pixel and channel.

    Fewer photons, more noise; 0 leaves an image untouched. Values outside [0, 1] are clipped first.
    """
    result = x.clone()
    for i, (photons, seed) in enumerate(zip(peak.tolist(), seeds, strict=True)):
        if photons:
            light = x[i].clamp(0, 1).double().cpu().numpy() * photons
            result[i] = torch.from_numpy(_generator(seed, 0).poisson(light) / photons).to(x)
    return result


def gaussian(x: Tensor, sigma: Tensor, seeds: Sequence[int]) -> Tensor:
    """(B, C, H, W) float in [0, 1] with white noise of standard deviation `sigma` (B,) in 8-bit levels; 0: untouched.

    Each channel has its own noise; values may leave [0, 1].
    """
    result = x.clone()
    for i, (levels, seed) in enumerate(zip(sigma.tolist(), seeds, strict=True)):
        if levels:
            noise = _generator(seed, 1).standard_normal(tuple(x[i].shape)) * (levels / 255)
            result[i] += torch.from_numpy(noise).to(x)
    return result


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """(B, C, H, W) float in [0, 1], C 1 or 3, through Pillow's JPEG (4:2:0) at `quality` (B,) 1..100; 0: untouched.

    What comes out are 8-bit levels, since 8-bit levels go in.
    """
    result = x.clone()
    for i, level in enumerate(quality.tolist()):
        if level:
            pixels = to_uint8(x[i]).permute(1, 2, 0).cpu().numpy()
            stream = io.BytesIO()
            Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(
                stream, "JPEG", quality=int(level), subsampling="4:2:0"
            )
            decoded = np.array(Image.open(stream)).reshape(pixels.shape)
            result[i] = torch.from_numpy(decoded / 255.0).permute(2, 0, 1).to(x)
    return result


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, stream]))
