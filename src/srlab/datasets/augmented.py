"""What the stage augment leaves: the index, and for those who want files the turned copies themselves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srlab.files import read_json, replacing, write_json
from srlab.images.files import read_image, write_png
from srlab.images.turns import OPERATIONS, transform
from srlab.progress import track


def write_augmented(folder: Path, images: Path, index: Mapping[str, list[Any]], scale: int, materialize: bool) -> None:
    """Make `folder` with index.json and, if `materialize`, <name>_<turns * 90>[_flipped].png of every training entry.

    The copies are of the images in `images` (what `fetch_images` wrote), cropped from the top left to multiples of
    `scale` first, as the packed pairs are: so the LR image made from a copy is the turned LR image, but for the
    order of the two roundings (`srlab.degradation.reduction`). Nothing downstream reads them. The folder appears
    whole or not at all.
    """
    with replacing(folder) as temporary:
        temporary.mkdir()
        write_json(temporary / "index.json", index)
        if materialize:
            files = read_json(images / "manifest.json")["images"]
            for name, operation in track(index["train"], "writing turned copies"):
                copy = turned_copy(read_image(images / files[name]["file"]), operation, scale)
                write_png(temporary / f"{copy_name(name, operation)}.png", copy)


def turned_copy(image: Any, operation: int, scale: int) -> Any:
    """uint8 (H, W, C) -> the part whose sides are multiples of `scale`, under OPERATIONS[operation]."""
    height, width = (side // scale * scale for side in image.shape[:2])
    return transform(image[:height, :width], operation)


def copy_name(name: str, operation: int) -> str:
    """As in "baby_270_flipped": degrees counter-clockwise, then whether it is flipped top to bottom."""
    turns, flip = OPERATIONS[operation]
    return f"{name}_{turns * 90}{'_flipped' if flip else ''}"
