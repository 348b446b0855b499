"""Image files in and out: what counts as a usable picture, and what to do about one that is not."""

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from srlab.errors import SrlabError
from srlab.files import replacing

GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F")  # and every I;16 flavour
TIFF_BITS_PER_SAMPLE = 258
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_image(path: Path) -> np.ndarray:
    """uint8 (H, W, 3) RGB, or (H, W, 1) grey where the file is grey, upright (EXIF orientation applied).

    Palettes become RGB, 1-bit images grey, CMYK and YCbCr RGB by Pillow; alpha that hides nothing is dropped. Of
    several frames the first counts. SrlabError (one line: file and cure) if the file is missing, empty, no image,
    damaged, has transparent pixels or more than 8 bits per channel.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise SrlabError(f"{path} is empty (0 bytes): fetch it again or remove it")
        with Image.open(path) as image:
            if _is_deep(path, image):
                raise SrlabError(f"{path} has more than 8 bits per channel: convert it to 8 bits first")
            image.load()
            upright = ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise SrlabError(f"{path} does not exist: check the path") from None
    except UnidentifiedImageError:
        raise SrlabError(f"{path} is no image in a format that Pillow reads: convert or remove it") from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        reason = " ".join(str(error).split())
        raise SrlabError(f"{path} cannot be decoded ({reason}): fetch it again or remove it") from error
    return _pixels(path, upright)


def require_size(path_or_name: Path | str, image: np.ndarray, minimum: int) -> None:
    """Check that both sides of (H, W, C) `image` have at least `minimum` px; SrlabError (file, size, cure) if not."""
    problem = size_problem(path_or_name, image.shape[1], image.shape[0], minimum)
    if problem:
        raise SrlabError(problem)


def size_problem(path_or_name: Path | str, width: int, height: int, minimum: int) -> str | None:
    """One line (file, size, cure) about a picture of which a side is below `minimum` px; None if it is large enough."""
    if min(width, height) >= minimum:
        return None
    return (
        f"{path_or_name} is {width}x{height} px; the smallest usable side is {minimum}: "
        "remove it or lower that minimum (the patch size) in params.yaml"
    )


def write_png(path: Path, image: np.ndarray) -> None:
    """Save uint8 (H, W, 1) or (H, W, 3) as a grey or RGB PNG, whole or not at all; ValueError on any other array."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"want uint8 (H, W, 1 or 3), got {image.dtype} {image.shape}")
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))
    with replacing(Path(path)) as temporary:
        picture.save(temporary, format="PNG")


def pixel_digest(image: np.ndarray) -> str:
    """sha256 in hex over "{H}x{W}x{C}:" and the pixels of uint8 (H, W, C) in C order, whatever the file format was."""
    height, width, channels = image.shape
    digest = hashlib.sha256(f"{height}x{width}x{channels}:".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _is_deep(path: Path, image: Image.Image) -> bool:
    """Whether a channel has over 8 bits: Pillow's mode says so for grey, but deep RGB is cut to 8 bits silently."""
    if image.mode in DEEP_MODES or image.mode.startswith("I;"):
        return True
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        return max(tags.get(TIFF_BITS_PER_SAMPLE, (1,))) > 8
    with path.open("rb") as file:
        header = file.read(25)
    return header.startswith(PNG_SIGNATURE) and header[24] > 8  # IHDR: 8 signature + 8 chunk head + 4 width + 4 height


def _pixels(path: Path, image: Image.Image) -> np.ndarray:
    grey = image.mode in GREY_MODES
    if image.has_transparency_data:  # an alpha channel, or one palette entry or colour declared transparent
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        if np.array(image.getchannel("A")).min() < 255:
            raise SrlabError(f"{path} has transparency: flatten it onto a background first")
    pixels = np.array(image.convert("L" if grey else "RGB"))
    return pixels.reshape(*pixels.shape[:2], -1)
