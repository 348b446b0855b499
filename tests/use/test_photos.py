"""What a photo keeps on its way: pixels of either depth, alpha, the way up, the profile, EXIF."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from tiny import smooth

from srlab.images.files import TURNS
from srlab.use.photos import KEPT, Photo, filled, read_photo, save_photo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo(channels: int, dtype: type) -> Photo:
    planes = np.concatenate([smooth(0), smooth(1)], axis=2)[:30, :, :channels].astype(dtype)
    exif = Image.Exif()
    exif[0x010F], exif[0x8769], exif[0x8825] = "Maker", {0x829A: (1, 60), 0x9286: b"a comment"}, {1: "N"}
    return Photo(planes * (np.iinfo(dtype).max // 255), PROFILE if channels > 2 else None, exif)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".jpg", ".webp"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str, channels: int, dtype: type) -> None:
    given, path = photo(channels, dtype), tmp_path / f"photo{suffix}"
    if given.problem(path, 1) or (channels, dtype, suffix[:4]) == (2, np.uint16, ".tif"):
        return  # this Pillow does not open a TIFF of grey and alpha of 16 bits
    save_photo(path, given)
    found = read_photo(path)
    assert found.planes.dtype == dtype
    assert found.icc == given.icc
    assert found.notes == []
    assert found.exif[0x010F] == "Maker"
    assert found.exif[0x8769][0x829A] == pytest.approx(1 / 60) or found.exif[0x8769][0x829A] == (1, 60)
    if suffix == ".webp" and channels < 3:  # it holds RGB alone
        assert found.planes.shape[2] == channels + 2
    elif suffix in (".jpg", ".webp"):
        assert np.abs(found.planes.astype(int) - given.planes).mean() < 8  # of coarse chroma
    else:
        assert np.array_equal(found.planes, given.planes)


@pytest.mark.parametrize(
    ("suffix", "channels", "dtype", "scale", "problem"),
    [
        (".jpg", 4, np.uint8, 4, "JPEG holds no transparency"),
        (".jpg", 3, np.uint16, 4, "JPEG holds no 16 bits per channel"),
        (".webp", 3, np.uint8, 500, "WEBP holds sides of 16383 px, not 20000"),
        (".jpeg", 3, np.uint8, 2000, "JPEG holds sides of 65535 px, not 80000"),
        (".png", 4, np.uint16, 2000, None),
        (".tif", 4, np.uint8, 2000, None),
    ],
)
def test_what_a_format_does_not_hold(suffix: str, channels: int, dtype: type, scale: int, problem: str | None) -> None:
    assert photo(channels, dtype).problem(Path(f"x{suffix}"), scale) == problem


@pytest.mark.parametrize("orientation", [1, *TURNS])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "16", "TIFF", "TIFF 16"])
def test_every_way_of_holding_a_camera(tmp_path: Path, orientation: int, mode: str) -> None:
    """Against Pillow's own transposition, of the upright picture turned back."""
    dtype = np.uint16 if "16" in mode else np.uint8
    upright = photo(4 if mode == "RGBA" else 3, dtype)
    stored = photo(4 if mode == "RGBA" else 3, dtype)
    if orientation in TURNS:
        back = TURNS[{6: 8, 8: 6}.get(orientation, orientation)]
        planes = [np.array(Image.fromarray(plane).transpose(back)) for plane in np.moveaxis(upright.planes, 2, 0)]
        stored.planes = np.stack(planes, axis=2)
    stored.exif[0x0112] = orientation
    path = tmp_path / ("x.tif" if "TIFF" in mode else "x.png")
    save_photo(path, stored)
    found = read_photo(path)
    assert np.array_equal(found.planes, upright.planes)
    assert 0x0112 not in found.exif


def test_a_profile_of_colours_that_were_converted_is_left_out(tmp_path: Path) -> None:
    Image.fromarray(smooth(0)).convert("L").save(tmp_path / "grey.png", icc_profile=PROFILE)
    assert read_photo(tmp_path / "grey.png").icc is None
    Image.fromarray(smooth(0)).convert("CMYK").save(tmp_path / "cmyk.jpg", icc_profile=PROFILE)
    cmyk = read_photo(tmp_path / "cmyk.jpg")
    assert (cmyk.icc, cmyk.planes.shape[2]) == (None, 3)


def test_a_damaged_tag_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    entries = [(0x010F, 2, 4, b"Abc\0"), (0x011A, 10, 1, struct.pack("<I", 38))]  # a resolution with a sign
    blob = b"".join(struct.pack("<HHI", *one[:3]) + one[3] for one in entries)
    data = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + blob + bytes(4) + struct.pack("<ii", -1, 3)
    Image.fromarray(smooth(0)).save(tmp_path / "x.jpg", exif=data)
    found = read_photo(tmp_path / "x.jpg")
    assert found.exif[0x010F] == "Abc"
    assert found.notes == ["its EXIF is damaged, left out: XResolution"]
    assert set(found.exif) <= KEPT


def test_what_is_transparent_is_filled_with_what_is_near() -> None:
    planes = np.zeros((9, 33, 4), np.uint8)
    planes[:, :3] = (200, 0, 0, 255)
    planes[:, -3:] = (0, 0, 200, 255)
    planes[:, 3] = (0, 80, 0, 1)  # nearly transparent: its colour is its own, and counts little
    found = filled(Photo(planes)).astype(int)
    assert np.array_equal(found[:, [0, 1, 2, 3, -1]], planes[:, [0, 1, 2, 3, -1], :3])
    assert (found[:, 5, 0] > 100).all() and (found[:, -6, 2] > 100).all()
    assert found[:, 4:-3, 1].max() <= 1
    assert filled(Photo(np.zeros((3, 4, 4), np.uint8))).max() == 0
