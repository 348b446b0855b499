"""`srlab upscale`: what is taken in, where it goes, and that no input, however odd, stops another."""

import errno
import io
import os
import pkgutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import skimage
from PIL import Image, ImageCms
from tiny import smooth

import srlab
from srlab.cli import main
from srlab.datasets.folders import is_picture
from srlab.errors import SrlabError
from srlab.use.photos import FORMATS, read_photo
from srlab.use.upscale import upscale

RGB = Image.fromarray(smooth(0))
GREY = RGB.convert("L")
ORIENTATION = (0x0112, 3, 1, struct.pack("<HH", 6, 0))


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    body = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(4)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep(channels: int) -> bytes:
    pixels = np.tile(smooth(0)[..., :1], (1, 1, channels)).astype(">u2") * 257
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    return png(40, 40, 16, colour, b"".join(b"\0" + row.tobytes() for row in pixels))


JPEG, PNG = saved(RGB, "JPEG", quality=90), saved(RGB, "PNG")
PROGRESSIVE = saved(RGB, "JPEG", progressive=True, quality=95)
WIDE = Image.open(Path(skimage.__file__).parent / "data/rocket.jpg").info["icc_profile"]  # Adobe RGB
LAB = ImageCms.profileToProfile(RGB, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB")
assert LAB is not None
HOLE = Image.merge("RGBA", (*RGB.split(), GREY.point(lambda level: 255 * (level > 90))))
# Name -> content, and mode and size of what becomes of it, or words of the line that names it.
ODD: dict[str, tuple[bytes, tuple[str, tuple[int, int]] | str]] = {
    "empty.png": (b"", "is empty"),
    "cut.jpg": (JPEG[: len(JPEG) // 2], "cannot be decoded"),
    "cut.png": (PNG[: len(PNG) // 2], "cannot be decoded"),
    "wrong_crc.png": (PNG[:70] + bytes([PNG[70] ^ 255]) + PNG[71:], "cannot be decoded"),
    "html.jpg": (b"<html>not found</html>", "is no image"),
    "huge_on_paper.png": (png(60000, 60000, 8, 2, b""), "is too large"),
    "animated.webp": (saved(RGB, "WEBP", save_all=True, append_images=[GREY.convert("RGB")]), "holds 2 pictures"),
    "animated.png": (saved(RGB, "PNG", save_all=True, append_images=[GREY.convert("RGB")]), "holds 2 pictures"),
    "pages.tif": (saved(RGB, "TIFF", save_all=True, append_images=[GREY]), "holds 2 pictures"),
    "float.tif": (saved(Image.fromarray(np.zeros((9, 9), np.float32)), "TIFF"), "of a depth or layout"),
    "moving.gif": (saved(RGB, "GIF", save_all=True, append_images=[GREY.convert("RGB")]), "holds 2 pictures"),
    "still.gif": (saved(RGB.quantize(16), "GIF"), ("RGB", (160, 160))),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "is no image in a format that Pillow reads"),
    "text.png": ("Ceci n'est pas une image.\n".encode("utf-16"), "is no image"),
    "hole_in_a_progressive.jpg": (PROGRESSIVE[:900] + PROGRESSIVE[1100:], "is damaged|cannot be decoded"),
    "two_hundred_megapixels.png": (png(20000, 10000, 8, 2, bytes(99)), "cannot be decoded"),
    "taken.png": (PNG, "taken.png is a folder: name another one by -o"),
    "lab.tif": (saved(LAB, "TIFF"), ("RGB", (160, 160))),
    "wide_gamut.jpg": (saved(RGB, "JPEG", icc_profile=WIDE), ("RGB", (160, 160))),
    "one_pixel.png": (saved(RGB.crop((0, 0, 1, 1)), "PNG"), ("RGB", (4, 4))),
    "line.png": (saved(RGB.crop((0, 0, 40, 1)), "PNG"), ("RGB", (160, 4))),
    "grey16.png": (deep(1), ("I;16", (160, 160))),
    "grey_alpha16.png": (deep(2), ("RGBA", (160, 160))),  # as Pillow reads it
    "rgb16.png": (deep(3), ("RGB", (160, 160))),
    "rgba16.png": (deep(4), ("RGBA", (160, 160))),
    "grey16.tif": (saved(Image.fromarray(np.zeros((9, 9), np.uint16)), "TIFF"), ("I;16", (36, 36))),
    "cmyk.jpg": (saved(RGB.convert("CMYK"), "JPEG"), ("RGB", (160, 160))),
    "cmyk.tif": (saved(RGB.convert("CMYK"), "TIFF"), ("RGB", (160, 160))),
    "palette.png": (saved(RGB.quantize(16), "PNG"), ("RGB", (160, 160))),
    "palette_with_a_hole.png": (saved(RGB.quantize(16), "PNG", transparency=3), ("RGBA", (160, 160))),
    "palette_hole_unused.png": (saved(RGB.quantize(16), "PNG", transparency=200), ("RGB", (160, 160))),
    "one_bit.png": (saved(RGB.convert("1"), "PNG"), ("L", (160, 160))),
    "grey_alpha.png": (saved(Image.merge("LA", (GREY, GREY)), "PNG"), ("LA", (160, 160))),
    "hole.png": (saved(HOLE, "PNG"), ("RGBA", (160, 160))),
    "hole.webp": (saved(HOLE, "WEBP"), ("RGBA", (160, 160))),
    "png_called.jpg": (PNG, ("RGB", (160, 160))),
    "photo.bmp": (saved(RGB, "BMP"), ("RGB", (160, 160))),
    "turned.jpg": (saved(RGB.crop((0, 0, 40, 20)), "JPEG", exif=exif(ORIENTATION)), ("RGB", (80, 160))),
    "orientation_as_text.jpg": (saved(RGB, "JPEG", exif=exif((0x0112, 2, 2, b"6\0\0\0"))), ("RGB", (160, 160))),
    "exif_loop.jpg": (saved(RGB, "JPEG", exif=exif((0x8769, 4, 1, struct.pack("<I", 8)))), ("RGB", (160, 160))),
    "gps_is_text.jpg": (saved(RGB, "JPEG", exif=exif((0x8825, 2, 4, b"abc\0"))), ("RGB", (160, 160))),
    "exif_cut.jpg": (saved(RGB, "JPEG", exif=exif(ORIENTATION)[:20]), ("RGB", (160, 160))),
    "progressive.jpg": (saved(RGB, "JPEG", progressive=True, subsampling=2), ("RGB", (160, 160))),
    os.fsdecode(b"not_\xff_utf8.png"): (PNG, ("RGB", (160, 160))),
    "line\nbreak.png": (PNG, ("RGB", (160, 160))),
    f"{'long' * 62}.png": (PNG, ("RGB", (160, 160))),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """The folder of ODD, what one run of `srlab upscale` made of it, and the lines that it ended with."""
    folder, out = tmp_path_factory.mktemp("odd"), tmp_path_factory.mktemp("out")
    for name, (content, _) in ODD.items():
        (folder / name).write_bytes(content)
    (folder / "folder.jpg").mkdir()  # its content is done like that of any folder
    (folder / "folder.jpg/inside.png").write_bytes(PNG)
    (out / "taken.png").mkdir()
    # What is no picture by its name is passed over in a folder, but not where it is named.
    named = [str(folder / name) for name in ODD if not is_picture(PurePosixPath(name))]
    with pytest.raises(SystemExit) as ended:
        main(["upscale", str(folder), *named, "-o", str(out), "--model", "espcn", "--overwrite"])
    assert isinstance(ended.value.code, str)  # Python prints it, and exits with 1
    return folder, out, ended.value.code.splitlines()


@pytest.mark.parametrize("name", ODD, ids=lambda name: ascii(name)[1:24])
def test_an_odd_input_is_done_right_or_named_in_one_line(odd: tuple[Path, Path, list[str]], name: str) -> None:
    folder, out, said = odd
    expected, target = ODD[name][1], out / name
    if target.suffix not in FORMATS:
        target = target.with_suffix(".png")
    lines = [line for line in said if str(folder / name) in line or str(target) in line]
    if isinstance(expected, str):
        assert not target.is_file()
        (line,) = lines
        assert line.startswith("error: ")
        assert any(words in line for words in expected.split("|")), line
        return
    assert not lines
    with Image.open(target) as image:
        assert (image.mode, image.size) == expected
        image.load()


def test_all_odd_inputs_are_accounted_for(odd: tuple[Path, Path, list[str]]) -> None:
    _, out, said = odd
    written = [path for path in out.rglob("*") if path.is_file()]
    assert out / "folder.jpg/inside.png" in written
    assert len(written) + len(said) == len(ODD) + 1 >= 40
    assert Image.open(out / "wide_gamut.jpg").info["icc_profile"] == WIDE


@pytest.mark.parametrize(("name", "channels"), [("grey16.png", 1), ("grey_alpha16.png", 2), ("rgba16.png", 4)])
def test_sixteen_bits_stay_sixteen(odd: tuple[Path, Path, list[str]], name: str, channels: int) -> None:
    found = read_photo(odd[1] / name).planes
    assert (found.dtype, found.shape) == (np.uint16, (160, 160, channels))
    assert len(np.unique(found % 257)) > 100  # 1 of what was stretched from 8 bits


def test_folders_patterns_and_files_find_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/deep/b.jpg", "more/c.png", "d.bmp"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        RGB.save(name)
    main(["upscale", "in", "more/*.png", "d.bmp", "-o", "out", "--model", "espcn"])
    found = sorted(str(path) for path in Path("out").rglob("*") if path.is_file())
    assert found == ["out/a.png", "out/c.png", "out/d.png", "out/deep/b.jpg"]
    main(["upscale", "in/a.png", "-o", "big.webp", "--method", "bicubic", "--scale", "2"])
    assert Image.open("big.webp").size == (80, 80)


def test_nothing_is_replaced_unasked_and_an_input_never(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out, model = tmp_path / "in", tmp_path / "out", srlab.load("espcn")
    folder.mkdir()
    out.mkdir()
    RGB.save(folder / "a.png")
    RGB.save(folder / "b.png")
    GREY.save(out / "a.png")
    done = upscale([str(folder)], out, model, overwrite=False)
    assert done.problems == [f"{out}/a.png is there already: add --overwrite to replace it"]
    assert done.written == [out / "b.png"]
    assert Image.open(out / "a.png").size == (40, 40)
    assert len(upscale([str(folder)], out, model, overwrite=True).written) == 2
    assert Image.open(out / "a.png").size == (160, 160)
    done = upscale([str(folder)], folder, model, overwrite=True)
    assert done.problems[0] == f"{folder}/a.png is an input: name another folder by -o"
    assert done.written == []


def test_two_photos_for_one_place_are_named(tmp_path: Path) -> None:
    for name in ("one/x.png", "two/x.png"):
        (tmp_path / name).parent.mkdir()
        RGB.save(tmp_path / name)
    done = upscale(
        [str(tmp_path / "one"), str(tmp_path / "two")], tmp_path / "out", srlab.load("espcn"), overwrite=True
    )
    assert len(done.problems) == 2
    assert "would both become" in done.problems[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none.png -o out", "none.png does not exist: check the path or the pattern"),
        ("a.png b.png -o out.png", "out.png is one file, and there are 2 photos"),
        ("a.png -o out --model espcn --scale 3", "ESPCN enlarges by 4, not by 3: leave out --scale"),
        ("a.png -o out --method aplus", "dictionary.safetensors is missing"),
        ("hole.png -o out.jpg --model espcn", "hole.png cannot become out.jpg: JPEG holds no transparency"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        RGB.save(name)
    HOLE.save("hole.png")
    with pytest.raises(SystemExit) as caught:
        main(["upscale", *arguments.split()])
    assert message in str(caught.value)
    assert str(caught.value).startswith("error: ")
    assert not list(tmp_path.glob("out*")) or not list(tmp_path.glob("out*/*"))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("srlab.use.model.free_memory", "IN cannot become OUT: it takes 0.0 GB, and 0.0 GB are free"),
        ("srlab.use.upscale.save_photo", "IN cannot be enlarged (ValueError: who knows)"),
        ("srlab.use.model.Model.steps", "IN: memory is too short for ESPCN"),
        ("srlab.use.photos.replacing", "OUT cannot be written (Read-only file system): make room, or name another -o"),
    ],
)
def test_what_fails_on_the_way_is_named_and_stops_no_other(
    place: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo too large for memory, a mistake of a library, a network too large, a disk that takes nothing."""
    for name in ("a.png", "b.png"):
        RGB.save(tmp_path / name)
    calls = iter([True])
    whole = pkgutil.resolve_name(place)
    ends = {
        "free_memory": lambda *_: 1000,
        "save_photo": raising(ValueError("who knows")),
        "steps": raising(SrlabError("memory is too short for ESPCN")),
        "replacing": raising(OSError(errno.EROFS, os.strerror(errno.EROFS))),
    }
    failing = ends[place.rpartition(".")[2]]
    monkeypatch.setattr(place, lambda *given: failing() if next(calls, False) else whole(*given))
    done = upscale([str(tmp_path)], tmp_path / "out", srlab.load("espcn", tile=0), overwrite=False)
    words = message.replace("IN", f"{tmp_path}/a.png").replace("OUT", f"{tmp_path}/out/a.png")
    assert (done.problems, done.written) == ([words], [tmp_path / "out/b.png"])


def raising(error: Exception) -> Callable[..., None]:
    def fail() -> None:
        raise error

    return fail


def test_an_unknown_word_in_out_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match="is one file, and there are 0 photos"):
        upscale([str(tmp_path / "none")], tmp_path / "x.png", srlab.load("espcn"), overwrite=False)
