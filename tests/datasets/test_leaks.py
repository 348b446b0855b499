"""No training learns from what a test set shows: a published one, or one of the same run."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from standard_sets import mirror
from zoo import DIGESTS, cropped, noise, write_zoo

from srlab.datasets.leaks import LeakCheck, compare_sets, write_comparison
from srlab.datasets.sources import Folder, fetch_images
from srlab.datasets.verification import look
from srlab.errors import SrlabError


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """The folder of the images of Zoo, whose digests lie in tmp_path."""
    write_zoo(tmp_path)
    (tmp_path / "leaks.json").write_text('{"leaks": []}')
    return tmp_path / "zoo"


# --- published test sets


@pytest.mark.parametrize(("image", "change", "said"), [
    ("bee", cropped(2), "mine is Zoo's bee (mod2 crop), a test image: leave it out"),
    ("dog", lambda image: image.convert("RGB"), "mine is Zoo's dog, a test image"),
])  # fmt: skip
def test_training_on_a_test_image_is_refused(zoo: Path, tmp_path: Path, image: str, change: Any, said: str) -> None:
    change(Image.open(zoo / f"{image}.png")).save(tmp_path / "mine.bmp")
    with pytest.raises(SrlabError) as caught:
        LeakCheck("train", str(tmp_path), None).check([look("mine", tmp_path / "mine.bmp")], "photos")
    assert said in str(caught.value)


def test_a_known_leak_is_found_by_its_name_within_its_set_alone(tmp_path: Path) -> None:
    noise(1, 30, 30).save(tmp_path / "302003.png")
    photo, leaks = look("302003", tmp_path / "302003.png"), LeakCheck("train", str(DIGESTS), None)
    with pytest.raises(SrlabError, match="302003 is Set5's woman"):
        leaks.check([photo], "BSDS500_train")
    assert leaks.check([photo], "holiday") == {}


def test_a_leak_stops_fetching_unless_allowed_in_words_which_are_recorded(tmp_path: Path) -> None:
    folder = tmp_path / "BSDS200"
    folder.mkdir()
    noise(1, 30, 30).save(folder / "302003.png")
    with pytest.raises(SrlabError, match="a test image"):
        fetch_images(Folder(str(folder), None), tmp_path / "out", 16, LeakCheck("train", str(DIGESTS), None))
    assert not (tmp_path / "out").exists()
    leaks = LeakCheck("train", str(DIGESTS), "to repeat VDSR's 291 images")
    fetch_images(Folder(str(folder), None), tmp_path / "out", 16, leaks)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["leaks"] == {
        "allowed": "to repeat VDSR's 291 images",
        "images": {"302003": "Set5's woman (the same photo at another scale)"},
    }


def test_a_test_set_may_hold_its_own_images(zoo: Path, tmp_path: Path) -> None:
    assert LeakCheck("test", str(tmp_path), None).check([look("ant", zoo / "ant.png")], "Zoo") == {}


@pytest.mark.parametrize("words", [True, "", "yes"])
def test_leaks_are_allowed_in_words_only(words: object) -> None:
    with pytest.raises(SrlabError, match="say in words why"):
        LeakCheck("train", str(DIGESTS), words)  # pyright: ignore[reportArgumentType]


@pytest.mark.data
def test_the_leaking_photo_is_found_by_its_pixels_in_any_folder() -> None:
    photo = look("holiday", mirror("BSDS500_train/302003.jpg"))
    with pytest.raises(SrlabError, match="holiday is Set5's woman"):
        LeakCheck("train", str(DIGESTS), None).check([photo], "photos")


# --- test sets of the same run


MINE, THEIRS = {"role": "train"}, {"role": "test"}


def manifest(**digests: str) -> dict[str, Any]:
    return {"images": {name: {"sha256": digest} for name, digest in digests.items()}}


SETS = {"mine": manifest(a="1", b="2", c="3"), "theirs": manifest(x="2", y="3", z="4")}


def test_each_pair_of_sets_has_a_line_with_the_count_and_the_cure() -> None:
    with pytest.raises(SrlabError) as caught:
        compare_sets({"mine": MINE, "theirs": THEIRS, "more": THEIRS}, SETS | {"more": manifest(q="1")})
    line, other = str(caught.value).splitlines()
    assert line == (
        "training set mine and test set theirs show the same images (2, such as mine's b, theirs's x): take others for "
        'one of them, or say in the line of mine in params.yaml why not (`allow_leaks: "..."`)'
    )
    assert "test set more show the same images (1, such as mine's a, more's q)" in other


def test_a_grey_image_is_the_same_as_its_rgb_version(tmp_path: Path) -> None:
    grey = noise(0, 20, 20, grey=True)
    manifests = {}
    for name, image in (("mine", grey), ("theirs", grey.convert("RGB"))):
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / "a.png")
        fetch_images(Folder(str(tmp_path / name), None), tmp_path / "out" / name, 16)
        manifests[name] = json.loads((tmp_path / "out" / name / "manifest.json").read_text())
    with pytest.raises(SrlabError, match="show the same images"):
        compare_sets({"mine": MINE, "theirs": THEIRS}, manifests)


@pytest.mark.parametrize("role", ["train", "test"])
def test_sets_of_one_role_may_share_images(role: str) -> None:
    assert compare_sets({"mine": {"role": role}, "theirs": {"role": role}}, SETS) == {}


def test_shared_images_that_are_allowed_in_words_are_listed() -> None:
    allowed = MINE | {"allow_leaks": "to see how far overfitting goes"}
    assert compare_sets({"mine": allowed, "theirs": THEIRS}, SETS) == {
        "mine": {"allowed": "to see how far overfitting goes", "shared": {"theirs": [["b", "x"], ["c", "y"]]}}
    }


def test_trainings_wait_for_a_file_that_is_always_the_same(tmp_path: Path) -> None:
    write_comparison({}, tmp_path / "a")
    write_comparison({"mine": {"allowed": "in words", "shared": {"theirs": [["b", "x"]]}}}, tmp_path / "b")
    assert (tmp_path / "a" / "passed.json").read_bytes() == (tmp_path / "b" / "passed.json").read_bytes()
