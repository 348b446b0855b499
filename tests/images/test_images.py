"""Reading pictures: every kind that works, and one line with the cure for every kind that does not."""

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage
import tifffile
from PIL import Image
from skimage.io import imread

from srlab.errors import SrlabError
from srlab.images.files import pixel_digest, read_image, write_png

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
PHOTO = Path(skimage.__file__).parent / "data" / "chelsea.png"


def png_16_bit_rgb(path: Path) -> None:
    """A 2x2 RGB PNG with 16 bits per channel, byte by byte, since Pillow cannot write one."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(12) for _ in range(2))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_a_photo_reads_as_scikit_image_reads_it() -> None:
    np.testing.assert_array_equal(read_image(PHOTO), imread(PHOTO))


GREY = Image.fromarray(RGB[..., 0])
OPAQUE = Image.new("L", GREY.size, 255)


@pytest.mark.parametrize(("file", "image", "expected"), [
    ("x.png", Image.fromarray(RGB), RGB),
    ("x.bmp", Image.fromarray(RGB), RGB),
    ("x.tif", Image.fromarray(RGB), RGB),
    ("grey.png", GREY, RGB[..., :1]),
    ("palette.png", Image.fromarray(RGB).quantize(256), RGB),  # 30 pixels fit a palette of 256 without loss
    ("bits.png", Image.fromarray(RGB[..., 0] > 127), np.where(RGB[..., :1] > 127, 255, 0)),
    ("cmyk.tif", Image.new("CMYK", (4, 3), (0, 255, 255, 0)), np.full((3, 4, 3), (255, 0, 0))),
    ("rgba.png", Image.merge("RGBA", [*Image.fromarray(RGB).split(), OPAQUE]), RGB),
    ("la.png", Image.merge("LA", [GREY, OPAQUE]), RGB[..., :1]),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_every_kind_of_8_bit_picture_becomes_rgb_or_stays_grey(
    tmp_path: Path, file: str, image: Image.Image, expected: np.ndarray
) -> None:
    image.save(tmp_path / file)
    np.testing.assert_array_equal(read_image(tmp_path / file), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3)
    # what the sensor stored, for each EXIF tag 0x0112 (TIFF 6.0 p. 36), so that showing it upright gives `upright`
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: np.rot90(upright, 2),
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png")[..., 0], upright)


@pytest.mark.parametrize(("image", "options"), [
    (Image.new("RGBA", (4, 4), (9, 9, 9, 254)), {}),
    (Image.fromarray(RGB).quantize(8), {"transparency": 0}),
    (Image.new("RGB", (4, 4), (9, 9, 9)), {"transparency": (9, 9, 9)}),
], ids=["alpha", "palette entry", "colour"])  # fmt: skip
def test_transparent_pixels_are_refused(tmp_path: Path, image: Image.Image, options: dict[str, object]) -> None:
    image.save(tmp_path / "x.png", **options)
    with pytest.raises(SrlabError, match=r"x\.png has transparency: flatten it onto a background first"):
        read_image(tmp_path / "x.png")


def test_16_bit_rgb_png_is_refused_although_pillow_reads_it(tmp_path: Path) -> None:
    png_16_bit_rgb(tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").mode == "RGB"
    with pytest.raises(SrlabError, match=r"x\.png has more than 8 bits per channel: convert"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize(("suffix", "shape", "dtype"), [
    ("png", (4, 4), np.uint16), ("tif", (4, 4), np.uint16), ("tif", (4, 4, 3), np.uint16), ("tif", (4, 4), np.float32)
])  # fmt: skip
def test_deep_pixels_are_refused(tmp_path: Path, suffix: str, shape: tuple[int, ...], dtype: type) -> None:
    path = tmp_path / f"x.{suffix}"
    pixels = np.ones(shape, dtype)
    if suffix == "png":
        Image.fromarray(pixels).save(path)
    else:
        tifffile.imwrite(path, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    with pytest.raises(SrlabError, match="more than 8 bits"):
        read_image(path)


def jpeg_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.tile(RGB, (20, 20, 1))).save(buffer, "jpeg")
    return buffer.getvalue()


@pytest.mark.parametrize(("content", "cure"), [
    (None, "does not exist: check the path"),
    (b"", r"is empty \(0 bytes\): fetch it again or remove it"),
    (b"hello", "is no image in a format that Pillow reads: convert or remove it"),
    (PHOTO.read_bytes()[:20000], r"cannot be decoded \(.*\): convert it if other programs show it, else fetch"),
    (PHOTO.read_bytes()[:30], "remove it"),
    (jpeg_bytes()[:2000], r"cannot be decoded \(.*truncated.*\): .* fetch it again or remove it"),
], ids=["missing", "empty", "text", "truncated png", "png header only", "truncated jpeg"])  # fmt: skip
def test_an_unusable_file_gives_one_line_with_its_name_and_a_cure(tmp_path: Path, content, cure: str) -> None:
    path = tmp_path / "photo.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SrlabError, match=cure) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_back(tmp_path: Path, channels: int) -> None:
    write_png(tmp_path / "x.png", RGB[..., :channels])
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), RGB[..., :channels])


@pytest.mark.parametrize("image", [RGB / 255, RGB[..., :2], RGB[..., 0]])
def test_other_arrays_are_not_written(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        write_png(tmp_path / "x.png", image)


def test_the_digest_is_sha256_over_size_and_pixels_of_a_view_too() -> None:
    image = np.array([[[1], [2]]], np.uint8)
    assert pixel_digest(image) == hashlib.sha256(b"1x2x1:\x01\x02").hexdigest()
    assert pixel_digest(image[:, ::-1]) == hashlib.sha256(b"1x2x1:\x02\x01").hexdigest()
