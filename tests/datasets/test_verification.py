"""A published set is known by its pixels: any file format, name or mirror gives the same verdict, in one line each."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from zoo import cropped, noise, refusal, resave, verified, write_zoo

from srlab.datasets.folders import pictures
from srlab.datasets.sources import Folder, fetch_images
from srlab.datasets.verification import PixelCheck, write_digests
from srlab.errors import SrlabError
from srlab.files import read_json

ALL = ["ant", "bee", "cat", "dog"]


@pytest.fixture
def digests(tmp_path: Path) -> str:
    """Of a set Zoo: ant, bee and cat in RGB, dog in grey; its images lie in tmp_path/zoo."""
    return write_zoo(tmp_path)


# --- what passes


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_the_file_format_makes_no_difference(digests: str, tmp_path: Path, suffix: str) -> None:
    resave(tmp_path / "zoo", lambda image: image, suffix)
    assert verified(digests, tmp_path / "zoo") == ALL


def test_images_under_other_names_get_those_of_the_set(digests: str, tmp_path: Path) -> None:
    for number, name in enumerate(["cat", "dog", "ant", "bee"]):
        (tmp_path / "zoo" / f"{name}.png").rename(tmp_path / "zoo" / f"img_{number:03}_SRF_4_HR.png")
    assert verified(digests, tmp_path / "zoo") == ALL


def test_duplicates_within_a_set_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("t36", "t65"):
        noise(0, 20, 20).save(tmp_path / "set" / f"{name}.png")
    write_digests("Pair", pictures(tmp_path / "set"), "made for a test", tmp_path / "pair.json")
    backwards = pictures(tmp_path / "set")[::-1]
    files = PixelCheck(str(tmp_path / "pair.json")).check(backwards, complete=True)
    assert [(name, path.stem) for name, path in files] == [("t36", "t36"), ("t65", "t65")]


# --- what does not


def bee(change: Callable[[Image.Image], Image.Image]) -> Callable[[Path], None]:
    return lambda zoo: change(Image.open(zoo / "bee.png")).save(zoo / "bee.png")


def another_level(image: Image.Image) -> Image.Image:
    image.putpixel((4, 3), tuple(level ^ 1 for level in image.getpixel((4, 3))))  # pyright: ignore
    return image


def add_emu(zoo: Path) -> None:
    noise(5, 20, 20).save(zoo / "emu.png")


def remove_bee(zoo: Path) -> None:
    (zoo / "bee.png").unlink()


def make_rgb(zoo: Path) -> None:
    Image.open(zoo / "dog.png").convert("RGB").save(zoo / "dog.png")


@pytest.mark.parametrize(("change", "line"), [
    (add_emu, "emu.png (20x20 RGB) is no image of Zoo: remove it"),
    (remove_bee, "Zoo lacks bee: take the set from another home"),
    (bee(another_level), "is named as Zoo's bee, but its pixels are others"),
    (bee(lambda _: noise(1, 54, 78)), "(54x78 RGB) is not Zoo's bee, 27x39 px"),
    (bee(lambda image: image.crop((1, 1, 27, 39))), "(26x38 RGB) is not Zoo's bee, 27x39 px"),
    (bee(cropped(4)), "Zoo's bee is here as the variant mod12 or mod4, not original"),
    (make_rgb, "Zoo's dog, but a grey image turned into RGB: save it as L (Pillow's `convert('L')`"),
    (lambda zoo: shutil.copy(zoo / "ant.png", zoo / "copy.png"), "is Zoo's ant a second time: remove it"),
])  # fmt: skip
def test_each_problem_is_one_line(digests: str, tmp_path: Path, change: Callable[[Path], None], line: str) -> None:
    change(tmp_path / "zoo")
    (said,) = refusal(digests, tmp_path / "zoo")
    assert line in said


def test_two_problems_are_two_lines(digests: str, tmp_path: Path) -> None:
    remove_bee(tmp_path / "zoo")
    add_emu(tmp_path / "zoo")
    assert len(refusal(digests, tmp_path / "zoo")) == 2


def test_an_rgb_image_of_equal_channels_turned_into_grey_is_named(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    noise(0, 20, 20, grey=True).convert("RGB").save(tmp_path / "set" / "man.png")
    write_digests("Man", pictures(tmp_path / "set"), "made for a test", tmp_path / "man.json")
    resave(tmp_path / "set", lambda image: image.convert("L"))
    (line,) = refusal(str(tmp_path / "man.json"), tmp_path / "set")
    assert "an RGB image turned into grey: save it as RGB" in line


# --- variants


@pytest.mark.parametrize("variant", ["mod2", "mod3", "mod4", "mod12"])
def test_a_cropped_copy_is_named_and_passes_when_asked_for(digests: str, tmp_path: Path, variant: str) -> None:
    resave(tmp_path / "zoo", cropped(int(variant.removeprefix("mod"))))
    (line,) = refusal(digests, tmp_path / "zoo")
    assert f"Zoo is here as the variant {variant}, not original: set `variant: {variant}`" in line
    assert verified(digests, tmp_path / "zoo", variant) == ALL


def test_the_original_does_not_pass_for_a_crop(digests: str, tmp_path: Path) -> None:
    (line,) = refusal(digests, tmp_path / "zoo", "mod4")
    assert "the variant original, not mod4" in line


def test_an_unknown_variant_is_refused(digests: str) -> None:
    with pytest.raises(SrlabError, match="variant is 'mod5': use one of original, mod2, mod3, mod4, mod12"):
        PixelCheck(digests, "mod5")


# --- through the sources


@pytest.mark.parametrize(("num_images", "exclude", "names", "title"), [
    (None, [], ALL, "Zoo"),
    (2, [], ["ant", "cat"], "Zoo (2 of 4 images)"),
    (None, ["bee"], ["ant", "cat", "dog"], "Zoo (3 of 4 images)"),
])  # fmt: skip
def test_the_manifest_says_how_much_of_the_set_was_verified(
    digests: str, tmp_path: Path, num_images: int | None, exclude: list[str], names: list[str], title: str
) -> None:
    fetch_images(Folder(str(tmp_path / "zoo"), num_images, PixelCheck(digests), exclude), tmp_path / "out", 16)
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert list(manifest["images"]) == names
    assert manifest["verified"] == {
        "set": "Zoo", "variant": "original", "images": 4, "given": len(names), "by": "pixels", "title": title
    }  # fmt: skip


def test_a_cropped_set_is_named_by_its_crop_in_the_title(digests: str) -> None:
    assert PixelCheck(digests, "mod4").record(4)["title"] == "Zoo mod4"


def test_a_trial_needs_no_more_images_than_it_asks_for_but_those_right(digests: str, tmp_path: Path) -> None:
    remove_bee(tmp_path / "zoo")
    (tmp_path / "zoo" / "ant.png").unlink()
    source = Folder(str(tmp_path / "zoo"), 2, PixelCheck(digests))
    assert [name for name, _ in source.files()] == ["cat", "dog"]
    noise(50, 27, 39).save(tmp_path / "zoo" / "ant.png")
    with pytest.raises(SrlabError, match="is not Zoo's ant"):
        source.files()
