"""PNG and TIFF of 16 bits per channel, of which Pillow knows grey alone."""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from kornia_rs.io import decode_image_png_u16
from PIL import Image, TiffImagePlugin

from srlab.errors import SrlabError
from srlab.images.files import PNG_SIGNATURE

PNG_COLOUR = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type: grey, grey and alpha, RGB, RGBA
KORNIA_MODES = {0: "mono", 2: "rgb", 6: "rgba"}
TIFF_HEAD = b"II*\0\x08\0\0\0"  # the directory follows at once
STRIP = 64  # rows of a TIFF that are compressed together
LEVEL = 3  # of deflate: a photo takes a third of the time of zlib's own 6, and 13 % more bytes


def read_deep(path: Path, image: Image.Image) -> np.ndarray:
    """uint16 (H, W, 1 to 4) of a PNG or TIFF of 16 bits per channel; SrlabError for other depths and formats."""
    data = path.read_bytes()
    if data.startswith(PNG_SIGNATURE) and "transparency" not in image.info:
        return _png_pixels(data, image.height, image.width)
    if image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint16)[..., None]
    if image.format == "TIFF" and image.mode in ("RGB", "RGBA"):
        import tifffile

        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            pixels = page.asarray()  # pyright: ignore[reportAttributeAccessIssue]
        if pixels.dtype == np.uint16 and pixels.shape[2] in (3, 4):  # not plane after plane
            return np.ascontiguousarray(pixels)
    raise SrlabError(f"{path} is of a depth or layout that is not read: save it with 8 or 16 bits per channel as PNG")


def _png_pixels(data: bytes, height: int, width: int) -> np.ndarray:
    colour = data[25]
    if colour != 4:
        return np.asarray(decode_image_png_u16(data, (height, width), KORNIA_MODES[colour]))
    # kornia-rs has no grey and alpha. Four bytes a pixel are filtered as RGBA of 8 bits is, and Pillow reads that.
    head = data[12:24] + b"\x08\x06" + data[26:29]
    as_rgba = data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]
    with Image.open(io.BytesIO(as_rgba)) as image:
        return np.array(image).view(">u2").astype(np.uint16)


def write_png(path: Path, pixels: np.ndarray, icc: bytes | None, exif: Image.Exif) -> None:
    """Write uint16 (H, W, 1 to 4)."""
    extra = {b"iCCP": b"icc\0\0" + zlib.compress(icc)} if icc else {}
    if exif:
        extra[b"eXIf"] = exif.tobytes().removeprefix(b"Exif\0\0")
    with path.open("wb") as file:
        file.writelines(_png(pixels, extra))


def _png(pixels: np.ndarray, extra: Mapping[bytes, bytes]) -> Iterator[bytes]:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = pixels.shape
    yield PNG_SIGNATURE
    yield chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, PNG_COLOUR[channels], 0, 0, 0))
    yield from (chunk(kind, content) for kind, content in extra.items())
    packer = zlib.compressobj(LEVEL)
    before = np.zeros(width * channels * 2, np.uint8)
    for row in pixels:
        now = np.ascontiguousarray(row).astype(">u2").view(np.uint8).ravel()
        if packed := packer.compress(b"\2" + (now - before).tobytes()):  # filter 2: what differs from the row above
            yield chunk(b"IDAT", packed)
        before = now
    yield chunk(b"IDAT", packer.flush())
    yield chunk(b"IEND", b"")


def write_tiff(path: Path, pixels: np.ndarray, icc: bytes | None, exif: Image.Exif) -> None:
    """Write uint8 or uint16 (H, W, 1 to 4), deflated; Pillow writes no EXIF of a camera into one that is."""
    height, width, channels = pixels.shape
    directory: Any = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in exif.items():
        directory[tag] = value
    directory[256], directory[257], directory[258] = width, height, (8 * pixels.itemsize,) * channels
    directory[259], directory[262], directory[277] = 8, 1 if channels < 3 else 2, channels  # deflated; grey or RGB
    if channels in (2, 4):
        directory[338] = 2  # the last channel is alpha, not multiplied in
    if icc:
        directory.tagtype[34675], directory[34675] = 7, icc
    tops = range(0, height, STRIP)
    directory[273], directory[278], directory[279] = (0,) * len(tops), STRIP, (0,) * len(tops)
    start = len(TIFF_HEAD) + len(directory.tobytes(len(TIFF_HEAD)))  # whatever the offsets and sizes of strips will be
    with path.open("wb") as file:
        file.seek(start)
        little = pixels.dtype.newbyteorder("<")
        strips = (zlib.compress(pixels[top : top + STRIP].astype(little).tobytes(), LEVEL) for top in tops)
        sizes = [file.write(strip) for strip in strips]
        directory[273], directory[279] = tuple(accumulate([0, *sizes[:-1]])), tuple(sizes)  # Pillow adds `start`
        file.seek(0)
        file.write(TIFF_HEAD + directory.tobytes(len(TIFF_HEAD)))
