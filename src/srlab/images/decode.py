"""Pixels of files that a manifest describes, decoded fast and checked against the manifest's digest."""

from pathlib import Path
from typing import Any

import numpy as np
from kornia_rs.io import decode_image_jpegturbo, decode_image_png_u8

from srlab.errors import SrlabError
from srlab.images.files import PNG_SIGNATURE, pixel_digest, read_image

JPEG_SIGNATURE = b"\xff\xd8\xff"


def read_listed(path: Path, entry: dict[str, Any]) -> np.ndarray:
    """uint8 (H, W, C) pixels of `path`, which are those of `entry` ("width", "height", "channels", "sha256").

    The digest in the manifest is of what Pillow made of the file. Plain 8-bit PNGs and JPEGs are decoded by kornia-rs,
    at about twice Pillow's speed; where that does not give the digest, Pillow decides. SrlabError if Pillow does not
    give it either: then the file is not the one that was fetched.
    """
    pixels = None if "converted_from" in entry else _quick(path, entry)
    if pixels is not None and pixel_digest(pixels) == entry["sha256"]:
        return pixels
    pixels = read_image(path)
    if pixel_digest(pixels) != entry["sha256"]:
        raise SrlabError(f"{path} is not the image that its manifest describes: run `dvc repro`")
    return pixels


def _quick(path: Path, entry: dict[str, Any]) -> np.ndarray | None:
    """What kornia-rs makes of a plain 8-bit PNG or JPEG; None of anything else."""
    try:
        data = path.read_bytes()
        mode = "rgb" if entry["channels"] == 3 else "mono"
        shape = (entry["height"], entry["width"], entry["channels"])
        if data.startswith(PNG_SIGNATURE):
            return np.asarray(decode_image_png_u8(data, shape[:2], mode)).reshape(shape)
        if data.startswith(JPEG_SIGNATURE):
            return np.asarray(decode_image_jpegturbo(data, mode)).reshape(shape)
    except Exception:  # kornia-rs raises bare ones, also for palettes and the like; Pillow finds better words
        pass
    return None
