"""Whatever happened to a file on its way, `fetch` uses it or names it."""

import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srlab.datasets.folders import LONGEST
from srlab.datasets.sources import Folder, fetch_images
from srlab.errors import SrlabError
from srlab.files import read_json
from srlab.images.decode import read_listed

FORMATS = {"PNG": ".png", "JPEG": ".jpg", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp"}
# "\udce9" is how Python spells the byte E9 of a name that is no UTF-8.
LONG = ["y" * 245, f"a/{'x' * 200}", f"b/{'x' * 200}"]
NAMES = ["plain", "caf\udce9_\udcfcber", "\udcff", *LONG, "line\nbreak", "日本", "100%", "$5 {x}[y]#?"]
Damage = Callable[[bytes], bytes]


def encoded(kind: str) -> bytes:
    rows, columns = np.mgrid[0:24, 0:32]
    pixels = np.stack([127 + 90 * np.sin(rows / 3 + k) * np.cos(columns / 4) for k in range(3)], -1).astype(np.uint8)
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    Image.fromarray(pixels).save(file, kind, exif=exif)  # BMP has none
    return file.getvalue()


WHOLE = {kind: encoded(kind) for kind in FORMATS}
places = st.integers(0, max(map(len, WHOLE.values())) - 1)


def flipped(place: int, bit: int) -> Damage:
    return lambda data: data[:place] + bytes(byte ^ 1 << bit for byte in data[place : place + 1]) + data[place + 1 :]


def overwritten(place: int, piece: bytes) -> Damage:
    return lambda data: data[:place] + piece + data[place + len(piece) :]


damages = st.one_of(
    st.builds(flipped, places | st.integers(0, 80), st.integers(0, 7)),
    st.builds(lambda place: lambda data: data[:place], places),
    st.builds(overwritten, places, st.binary(min_size=1, max_size=40)),
    st.builds(lambda kind, size: overwritten(0, WHOLE[kind][:size]), st.sampled_from(list(WHOLE)), st.integers(1, 60)),
)


@given(st.sampled_from(list(FORMATS)), st.lists(damages, min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_damaged_file_is_used_or_named(kind: str, found: list[Damage]) -> None:
    data = WHOLE[kind]
    for damage in found:
        data = damage(data)
    with TemporaryDirectory() as folder:
        file, out = Path(folder, "in", f"x{FORMATS[kind]}"), Path(folder, "out")
        file.parent.mkdir()
        file.write_bytes(data)
        try:
            fetch_images(Folder(str(file.parent), None), out, 16)
        except SrlabError as error:
            (line,) = str(error).splitlines()
            assert line.startswith(str(file))
            assert not out.exists()
        else:
            entry = read_json(out / "manifest.json")["images"]["x"]
            assert read_listed(out / entry["file"], entry).shape == (entry["height"], entry["width"], entry["channels"])


def test_files_of_any_name_are_used_and_the_manifest_says_which_they_were(tmp_path: Path) -> None:
    for name in NAMES:
        path = tmp_path / "in" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WHOLE["PNG"])
    fetch_images(Folder(str(tmp_path / "in"), None), tmp_path / "out", 16)
    images = read_json(tmp_path / "out/manifest.json")["images"]
    assert len(images) == len(NAMES)
    assert all(name.isprintable() and len(name.encode()) <= LONGEST for name in images)
    assert images["caf%E9_%FCber"]["original"] == "caf%E9_%FCber.png"
    assert images["line%0Abreak"]["file"] == "line%0Abreak.png"
    originals = [entry["original"] for entry in images.values() if "original" in entry]
    assert sorted(map(len, originals)) == [6 + 1, 16, 17, 204, 204, 249]
