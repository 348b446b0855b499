"""A small published set for the tests of this folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srlab.datasets.folders import pictures
from srlab.datasets.verification import PixelCheck, write_digests
from srlab.errors import SrlabError

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


def resave(folder: Path, change: Callable[[Image.Image], Image.Image], suffix: str = ".png") -> None:
    for file in sorted(folder.iterdir()):
        with Image.open(file) as image:
            image.load()
        file.unlink()
        change(image).save(file.with_suffix(suffix))


def refusal(digests: str, folder: Path, variant: str = "original", complete: bool = True) -> list[str]:
    with pytest.raises(SrlabError) as caught:
        PixelCheck(digests, variant).check(pictures(folder), complete=complete)
    return str(caught.value).splitlines()


def verified(digests: str, folder: Path, variant: str = "original", complete: bool = True) -> list[str]:
    return [name for name, _ in PixelCheck(digests, variant).check(pictures(folder), complete=complete)]
