"""A published set is known by its pixels: any file format, name or mirror gives the same verdict, in one line each."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from zoo import DIGESTS, cropped, noise, refusal, resave, verified, write_zoo

from srlab.datasets.folders import pictures
from srlab.datasets.sources import Folder, fetch_images
from srlab.datasets.verification import PixelCheck, write_digests
from srlab.errors import SrlabError


@pytest.fixture
def digests(tmp_path: Path) -> str:
    """Of a set Zoo: ant, bee and cat in RGB, dog in grey; its images lie in tmp_path/zoo."""
    return write_zoo(tmp_path)


# --- what passes


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".webp"])
def test_the_file_format_makes_no_difference(digests: str, tmp_path: Path, suffix: str) -> None:
    if suffix == ".webp":
        for file in sorted((tmp_path / "zoo").glob("[abc]*.png")):  # WebP knows no grey
            Image.open(file).save(file.with_suffix(".webp"), lossless=True)
            file.unlink()
    else:
        resave(tmp_path / "zoo", lambda image: image, suffix)
    assert verified(digests, tmp_path / "zoo") == ["ant", "bee", "cat", "dog"]


def test_images_under_other_names_get_those_of_the_set(digests: str, tmp_path: Path) -> None:
    for number, name in enumerate(["cat", "dog", "ant", "bee"]):
        (tmp_path / "zoo" / f"{name}.png").rename(tmp_path / "zoo" / f"img_{number:03}_SRF_4_HR.png")
    assert verified(digests, tmp_path / "zoo") == ["ant", "bee", "cat", "dog"]


def test_twins_within_a_set_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("t36", "t65"):
        noise(0, 20, 20).save(tmp_path / "set" / f"{name}.png")
    write_digests("Twins", pictures(tmp_path / "set"), "made for a test", tmp_path / "twins.json")
    backwards = pictures(tmp_path / "set")[::-1]
    files = PixelCheck(str(tmp_path / "twins.json")).check(backwards, complete=True)
    assert [(name, path.stem) for name, path in files] == [("t36", "t36"), ("t65", "t65")]


# --- what does not


def test_a_foreign_image_is_named(digests: str, tmp_path: Path) -> None:
    noise(5, 20, 20).save(tmp_path / "zoo" / "emu.png")
    (line,) = refusal(digests, tmp_path / "zoo")
    assert line == f"{tmp_path}/zoo/emu.png (20x20 RGB) is no image of Zoo: remove it"


def test_a_missing_image_is_named(digests: str, tmp_path: Path) -> None:
    (tmp_path / "zoo" / "bee.png").unlink()
    (line,) = refusal(digests, tmp_path / "zoo")
    assert "Zoo lacks bee" in line


def test_one_changed_grey_level_is_noticed(digests: str, tmp_path: Path) -> None:
    pixels = np.array(Image.open(tmp_path / "zoo" / "bee.png"))
    pixels[3, 4, 1] ^= 1
    Image.fromarray(pixels).save(tmp_path / "zoo" / "bee.png")
    (line,) = refusal(digests, tmp_path / "zoo")
    assert "bee.png" in line
    assert "its pixels are others" in line


def test_another_size_is_told_from_other_pixels(digests: str, tmp_path: Path) -> None:
    noise(1, 54, 78).save(tmp_path / "zoo" / "bee.png")
    (line,) = refusal(digests, tmp_path / "zoo")
    assert "(54x78 RGB) is not Zoo's bee, 27x39 px" in line


def test_a_grey_image_turned_into_rgb_is_named_and_its_cure_works(digests: str, tmp_path: Path) -> None:
    file = tmp_path / "zoo" / "dog.png"
    Image.open(file).convert("RGB").save(file)
    (line,) = refusal(digests, tmp_path / "zoo")
    assert "Zoo's dog, but a grey image turned into RGB: save it as L (Pillow's `convert('L')`" in line
    Image.open(file).convert("L").save(file)
    assert verified(digests, tmp_path / "zoo") == ["ant", "bee", "cat", "dog"]


def test_an_rgb_image_of_equal_channels_turned_into_grey_is_named(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    noise(0, 20, 20, grey=True).convert("RGB").save(tmp_path / "set" / "man.png")
    write_digests("Man", pictures(tmp_path / "set"), "made for a test", tmp_path / "man.json")
    resave(tmp_path / "set", lambda image: image.convert("L"))
    (line,) = refusal(str(tmp_path / "man.json"), tmp_path / "set")
    assert "an RGB image turned into grey: save it as RGB" in line


def test_the_same_image_twice_is_named(digests: str, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "zoo" / "ant.png", tmp_path / "zoo" / "copy.png")
    (line,) = refusal(digests, tmp_path / "zoo")
    assert "copy.png" in line
    assert "Zoo's ant a second time: remove it" in line


def test_each_problem_has_its_line(digests: str, tmp_path: Path) -> None:
    (tmp_path / "zoo" / "ant.png").unlink()
    noise(5, 20, 20).save(tmp_path / "zoo" / "emu.png")
    assert len(refusal(digests, tmp_path / "zoo")) == 2


# --- variants


@pytest.mark.parametrize(("step", "names"), [(2, "mod2"), (3, "mod3"), (4, "mod4"), (12, "mod12")])
def test_a_cropped_copy_is_recognized_by_name(digests: str, tmp_path: Path, step: int, names: str) -> None:
    resave(tmp_path / "zoo", cropped(step))
    (line,) = refusal(digests, tmp_path / "zoo")
    assert f"Zoo is here as the variant {names}, not original: set `variant: {names}`" in line


@pytest.mark.parametrize(("step", "variant"), [(2, "mod2"), (4, "mod4")])
def test_a_cropped_copy_passes_when_asked_for(digests: str, tmp_path: Path, step: int, variant: str) -> None:
    resave(tmp_path / "zoo", cropped(step))
    assert verified(digests, tmp_path / "zoo", variant) == ["ant", "bee", "cat", "dog"]


def test_the_original_does_not_pass_for_a_crop(digests: str, tmp_path: Path) -> None:
    (line,) = refusal(digests, tmp_path / "zoo", "mod4")
    assert "the variant original, not mod4" in line


def test_a_single_cropped_image_is_named(digests: str, tmp_path: Path) -> None:
    bee = tmp_path / "zoo" / "bee.png"
    cropped(4)(Image.open(bee)).save(bee)
    (line,) = refusal(digests, tmp_path / "zoo")
    assert "Zoo's bee is here as the variant mod12 or mod4, not original" in line


def test_a_crop_from_the_bottom_right_is_no_variant(digests: str, tmp_path: Path) -> None:
    bee = tmp_path / "zoo" / "bee.png"
    Image.open(bee).crop((1, 1, 27, 39)).save(bee)
    (line,) = refusal(digests, tmp_path / "zoo")
    assert "is not Zoo's bee, 27x39 px" in line


def test_an_unknown_variant_is_refused(digests: str) -> None:
    with pytest.raises(SrlabError, match="variant is 'mod5': use one of original, mod2, mod3, mod4, mod12"):
        PixelCheck(digests, "mod5")


# --- through the sources


def test_fetching_some_images_for_a_trial_says_that_the_set_is_partial(digests: str, tmp_path: Path) -> None:
    fetch_images(Folder(str(tmp_path / "zoo"), 2, PixelCheck(digests)), tmp_path / "out", 16)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["verified"]["title"] == "Zoo (2 of 4 images)"
    assert list(manifest["images"]) == ["ant", "cat"]


def test_a_trial_needs_no_more_images_than_it_asks_for(digests: str, tmp_path: Path) -> None:
    (tmp_path / "zoo" / "ant.png").unlink()
    (tmp_path / "zoo" / "bee.png").unlink()
    files = Folder(str(tmp_path / "zoo"), 2, PixelCheck(digests)).files()
    assert [name for name, _ in files] == ["cat", "dog"]


def test_the_few_images_of_a_trial_have_to_be_right(digests: str, tmp_path: Path) -> None:
    (tmp_path / "zoo" / "cat.png").unlink()
    noise(50, 27, 39).save(tmp_path / "zoo" / "ant.png")
    with pytest.raises(SrlabError, match="is not Zoo's ant"):
        Folder(str(tmp_path / "zoo"), 2, PixelCheck(digests)).files()


def test_all_of_a_set_has_the_plain_title(digests: str, tmp_path: Path) -> None:
    fetch_images(Folder(str(tmp_path / "zoo"), None, PixelCheck(digests)), tmp_path / "out", 16)
    record = json.loads((tmp_path / "out" / "manifest.json").read_text())["verified"]
    assert record == {"set": "Zoo", "variant": "original", "images": 4, "given": 4, "by": "pixels", "title": "Zoo"}


def test_an_excluded_image_makes_a_set_partial(digests: str, tmp_path: Path) -> None:
    fetch_images(Folder(str(tmp_path / "zoo"), None, PixelCheck(digests), ["bee"]), tmp_path / "out", 16)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert list(manifest["images"]) == ["ant", "cat", "dog"]
    assert manifest["verified"]["title"] == "Zoo (3 of 4 images)"


def test_a_grey_set_that_was_cropped_is_named_by_its_crop_in_the_title(digests: str, tmp_path: Path) -> None:
    resave(tmp_path / "zoo", cropped(4))
    fetch_images(Folder(str(tmp_path / "zoo"), None, PixelCheck(digests, "mod4")), tmp_path / "out", 16)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["verified"]["title"] == "Zoo mod4"


# --- a set of which only names are known


@pytest.fixture
def names_only(tmp_path: Path) -> str:
    (tmp_path / "names.json").write_text(json.dumps({"name": "Town", "images": {"img_001": {}, "img_002": {}}}))
    return str(tmp_path / "names.json")


@pytest.mark.parametrize("pattern", ["img_{:03}", "img{:03}", "img_{:03}_SRF_4_HR"])
def test_names_alone_are_compared_without_signs(names_only: str, tmp_path: Path, pattern: str) -> None:
    (tmp_path / "u").mkdir()
    for number in (1, 2):
        noise(number, 16, 16).save(tmp_path / "u" / f"{pattern.format(number)}.png")
    assert verified(names_only, tmp_path / "u") == ["img_001", "img_002"]


def test_a_set_that_was_checked_by_name_alone_is_titled_so(names_only: str) -> None:
    assert PixelCheck(names_only).record(2)["title"] == "Town (checked by name alone)"


# --- Urban100


def test_all_sides_of_urban100_are_multiples_of_4() -> None:
    images = json.loads((DIGESTS / "urban100.json").read_text())["images"]
    assert len(images) == 100
    assert not [name for name, entry in images.items() if entry["width"] % 4 or entry["height"] % 4]


def test_a_foreign_picture_named_as_one_of_urban100_is_refused(tmp_path: Path) -> None:
    (tmp_path / "u").mkdir()
    noise(1, 1024, 644).save(tmp_path / "u" / "img_001.png")
    (line,) = refusal(str(DIGESTS / "urban100.json"), tmp_path / "u", complete=False)
    assert "named as Urban100's img_001, but its pixels are others" in line


def test_the_half_size_urban100_is_recognized(tmp_path: Path) -> None:
    (tmp_path / "u").mkdir()
    noise(1, 512, 322).save(tmp_path / "u" / "img_001_SRF_2_HR.png")
    (line,) = refusal(str(DIGESTS / "urban100.json"), tmp_path / "u", complete=False)
    assert "Urban100's img_001 in the variant half size" in line
