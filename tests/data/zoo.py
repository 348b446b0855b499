"""A small published set for the tests of this folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from srlab.data.folders import pictures
from srlab.data.verification import write_digests

DIGESTS = Path(__file__).parents[2] / "conf" / "dataset" / "digests"
SIZES = {
    "ant": (24, 36),
    "bee": (27, 39),
    "cat": (30, 26),
}  # width, height: each crop of the set differs from the others


def noise(seed: int, width: int, height: int, grey: bool = False) -> Image.Image:
    shape = (height, width) if grey else (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def write_zoo(folder: Path) -> str:
    """The file of digests of a set Zoo: ant, bee and cat in RGB, dog in grey; its images lie in `folder`/zoo."""
    (folder / "zoo").mkdir()
    for seed, (name, size) in enumerate(SIZES.items()):
        noise(seed, *size).save(folder / "zoo" / f"{name}.png")
    noise(9, 24, 24, grey=True).save(folder / "zoo" / "dog.png")
    write_digests("Zoo", pictures(folder / "zoo"), "made for a test", folder / "zoo.json")
    return str(folder / "zoo.json")


def cropped(step: int) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.crop((0, 0, image.width // step * step, image.height // step * step))
