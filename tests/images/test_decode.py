"""Fast decoding gives what the manifest says, or Pillow does, or one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from standard_sets import mirror

from srlab.errors import SrlabError
from srlab.images import decode
from srlab.images.decode import read_listed
from srlab.images.files import foreign_profile, pixel_digest, read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)


def listed(path: Path) -> dict[str, object]:
    """The line of the manifest that `fetch_images` would write."""
    image = read_image(path)
    height, width, channels = image.shape
    return {"height": height, "width": width, "channels": channels, "sha256": pixel_digest(image)}


def saved(path: Path, mode: str, **options: object) -> Path:
    Image.fromarray(PIXELS).convert(mode).save(path, **options)
    return path


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError(f"{name} was called")

    monkeypatch.setattr(decode, name, unwanted)


@pytest.mark.parametrize("file", ["a.png", "a.jpg"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_plain_files_are_read_without_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, mode: str
) -> None:
    path = saved(tmp_path / file, mode)
    expected, entry = read_image(path), listed(path)
    forbid(monkeypatch, "read_image")
    np.testing.assert_array_equal(read_listed(path, entry), expected)


TURNED = Image.Exif()
TURNED[0x0112] = 6  # orientation: a quarter turn
ODD = [
    ("palette.png", "P", {}),
    ("bits.png", "1", {}),
    ("alpha.png", "RGBA", {}),
    ("cmyk.jpg", "CMYK", {}),
    ("progressive.jpg", "RGB", {"progressive": True}),
    ("subsampled.jpg", "RGB", {"subsampling": "4:2:2"}),
    ("a.tif", "L", {}),
    ("turned.jpg", "RGB", {"exif": TURNED}),
]


@pytest.mark.parametrize(("file", "mode", "options"), ODD, ids=[file for file, *_ in ODD])
def test_odd_files_are_what_pillow_says(tmp_path: Path, file: str, mode: str, options: dict) -> None:
    path = saved(tmp_path / file, mode, **options)
    np.testing.assert_array_equal(read_listed(path, listed(path)), read_image(path))


@pytest.mark.parametrize("name", ["decode_image_png_u8", "decode_image_jpegturbo"])
def test_a_decoder_that_errs_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = saved(tmp_path / ("a.png" if "png" in name else "a.jpg"), "RGB")
    monkeypatch.setattr(decode, name, lambda *_: np.zeros_like(PIXELS))
    np.testing.assert_array_equal(read_listed(path, listed(path)), read_image(path))


@pytest.mark.parametrize("file", ["a.png", "a.jpg"])
def test_a_file_changed_since_is_refused(tmp_path: Path, file: str) -> None:
    path = saved(tmp_path / file, "RGB")
    entry = listed(path)
    Image.fromarray(PIXELS[::-1].copy()).save(path)
    with pytest.raises(SrlabError, match="is not the image that its manifest describes: run `dvc repro`"):
        read_listed(path, entry)


@pytest.mark.data
@pytest.mark.parametrize("folder", ["Set5", "Set14", "BSD100", "imagenet_sample"])
def test_public_sets_are_decoded_alike(folder: str) -> None:
    files = sorted(path for path in mirror(folder).iterdir() if path.suffix != ".json")
    for path in [path for path in files if not foreign_profile(path)][:40]:
        pixels = decode._quick(path, listed(path))
        assert pixels is not None, path
        np.testing.assert_array_equal(pixels, read_image(path))
