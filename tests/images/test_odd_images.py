"""Whole pictures with odd headers are read, damaged ones are named, and colours are sRGB."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image, PngImagePlugin

from srlab.datasets.sources import Folder, fetch_images
from srlab.errors import SrlabError
from srlab.images.decode import read_listed
from srlab.images.files import foreign_profile, read_image

WIDTH, HEIGHT = 48, 32  # px
PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
ADOBE_RGB = Image.open(Path(skimage.__file__).parent / "data" / "rocket.jpg").info["icc_profile"]
SRGB = Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png").info["icc_profile"]


# --- orientation

Tag = tuple[int, int, int, bytes]  # number, type, count, 4 bytes of value or offset
TURNED: Tag = (0x0112, 3, 1, struct.pack("<HH", 6, 0))  # a quarter turn


def exif(*tags: Tag, behind: bytes = b"") -> bytes:
    """EXIF as a camera writes it: little-endian TIFF with one directory and what its offsets point to."""
    entries = b"".join(struct.pack("<HHI", number, kind, count) + value for number, kind, count, value in tags)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + behind


BEHIND = struct.pack("<I", 8 + 2 + 2 * 12 + 4)  # where `behind` begins, after two tags


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about the tags
@pytest.mark.parametrize("data", [
    exif(TURNED),
    exif(TURNED, (0x0131, 12, 1, BEHIND), behind=struct.pack("<d", 1e300)),
    exif(TURNED, (0x0100, 9, 1, struct.pack("<i", -5))),
    exif(TURNED, (0x011A, 10, 1, BEHIND), behind=struct.pack("<ii", -1, 3)),
    exif(TURNED, (0x011A, 5, 1, BEHIND), behind=struct.pack("<II", 72, 0)),
    exif(TURNED, (0x8825, 2, 4, b"abc\0")),
    exif(TURNED, (0x010F, 2, 5000, struct.pack("<I", 60000))),
], ids=["plain", "text as a number", "negative", "negative fraction", "by 0", "text as GPS", "far offset"])  # fmt: skip
def test_a_turned_photo_is_set_upright_whatever_else_its_exif_says(tmp_path: Path, data: bytes) -> None:
    PHOTO.save(tmp_path / "x.jpg", exif=data)
    assert read_image(tmp_path / "x.jpg").shape == (WIDTH, HEIGHT, 3)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("data", [exif((0x0112, 3, 1, struct.pack("<HH", 9, 0))), exif(TURNED)[:20]])
def test_an_orientation_that_says_nothing_turns_nothing(tmp_path: Path, data: bytes) -> None:
    PHOTO.save(tmp_path / "x.jpg", exif=data)
    assert read_image(tmp_path / "x.jpg").shape == (HEIGHT, WIDTH, 3)


# --- limits


def test_a_long_text_beside_the_pixels_is_passed_over(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 3_000_000, zip=True)
    PHOTO.save(tmp_path / "x.png", pnginfo=text)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), np.asarray(PHOTO))


def png_header(path: Path, width: int, height: int) -> Path:
    """The beginning of a grey PNG, up to its pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 1000) + b"IDAT")
    return path


@pytest.mark.parametrize(("side", "line"), [
    (15_000, r"cannot be decoded \(.*truncated"),  # 225 megapixels: it is the missing pixels that are complained about
    (40_000, r"is too large \(.*limit of 1000000000 pixels.*\): cut it into parts or remove it"),
])  # fmt: skip
def test_the_limit_of_size_is_a_thousand_megapixels(tmp_path: Path, side: int, line: str) -> None:
    with pytest.raises(SrlabError, match=line):
        read_image(png_header(tmp_path / "x.png", side, side))


# --- damage


def jpeg(**options: object) -> bytes:
    buffer = io.BytesIO()
    PHOTO.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_a_hole(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(200) + data[middle + 200 :]


def test_a_jpeg_with_a_hole_is_named_as_damaged(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(with_a_hole(jpeg()))
    Image.open(tmp_path / "x.jpg").load()  # Pillow says nothing
    with pytest.raises(SrlabError, match=r"x\.jpg is damaged \(a part of its JPEG data is lost\): fetch it again or"):
        read_image(tmp_path / "x.jpg")


@pytest.mark.parametrize("options", [
    {"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}, {"keep_rgb": True},
    {"restart_marker_blocks": 1},
], ids=str)  # fmt: skip
def test_a_whole_jpeg_of_any_kind_passes(tmp_path: Path, options: dict[str, object]) -> None:
    (tmp_path / "x.jpg").write_bytes(jpeg(**options) + b"<html>junk behind it</html>")
    np.testing.assert_array_equal(read_image(tmp_path / "x.jpg"), np.asarray(Image.open(tmp_path / "x.jpg")))


# --- colours


def adobe_to_srgb(pixels: np.ndarray) -> np.ndarray:
    """By the formulas of Adobe RGB (1998), sec. 4.3, and IEC 61966-2-1."""
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    from_xyz = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    linear = (pixels / 255) ** 2.19921875 @ (from_xyz @ to_xyz).T
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055)


def test_colours_with_a_profile_become_srgb(tmp_path: Path) -> None:
    muted = np.random.default_rng(0).integers(80, 160, (8, 8, 3), dtype=np.uint8)  # within sRGB
    Image.fromarray(muted).save(tmp_path / "x.png", icc_profile=ADOBE_RGB)
    expected = adobe_to_srgb(muted)
    assert np.abs(expected - muted).max() > 5
    np.testing.assert_allclose(read_image(tmp_path / "x.png"), expected, atol=1.5)  # 0.5 and what lcms rounds between


def test_a_profile_is_noted_in_the_manifest_and_its_picture_is_read_alike_later(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    PHOTO.save(tmp_path / "in" / "x.jpg", icc_profile=ADOBE_RGB)
    fetch_images(Folder(str(tmp_path / "in"), None), tmp_path / "out", 16)
    entry = json.loads((tmp_path / "out" / "manifest.json").read_text())["images"]["x"]
    assert entry["converted_from"] == "Adobe RGB (1998)"
    np.testing.assert_array_equal(read_listed(tmp_path / "out" / "x.jpg", entry), read_image(tmp_path / "in" / "x.jpg"))


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey pictures, version 2: white point, description and a curve that is a power."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    name = b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78) + b"\0"
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"wtpt": white, b"desc": name, b"kTRC": curve}
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for key, data in tags.items():
        table += key + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4xI", offset + len(body), 0x02400000) + b"mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
    return (header + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0") + struct.pack(">I", 3) + table + body


def test_a_grey_picture_with_a_profile_becomes_srgb_and_stays_grey(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "x.png", icc_profile=grey_profile(1.8))
    light = (grey / 255) ** 1.8
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert foreign_profile(tmp_path / "x.png") == "grey"
    np.testing.assert_allclose(read_image(tmp_path / "x.png")[..., 0], expected, atol=1.5)


UNUSABLE = [b"no profile", b"", ADOBE_RGB[:300], ADOBE_RGB.replace(b"rTRC", b"zzzz", 1)]


@pytest.mark.parametrize("profile", [None, *UNUSABLE, SRGB], ids=["none", "none", "empty", "cut", "no curve", "sRGB"])
def test_without_a_profile_of_other_colours_nothing_is_converted(tmp_path: Path, profile: bytes | None) -> None:
    PHOTO.save(tmp_path / "x.png", icc_profile=profile)
    assert foreign_profile(tmp_path / "x.png") is None
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), np.asarray(PHOTO))
