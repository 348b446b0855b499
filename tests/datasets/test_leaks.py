"""No training learns from what a test set shows: a published one, or one of the same run."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
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


def test_training_on_a_test_image_is_refused(zoo: Path, tmp_path: Path) -> None:
    cropped(2)(Image.open(zoo / "bee.png")).save(zoo / "mine.bmp")
    with pytest.raises(SrlabError) as caught:
        LeakCheck("train", str(tmp_path), None).check([look("mine", zoo / "mine.bmp")], "photos")
    assert "mine is Zoo's bee (mod2 crop), a test image: leave it out" in str(caught.value)


def test_a_grey_test_image_is_found_in_rgb_too(zoo: Path, tmp_path: Path) -> None:
    Image.open(zoo / "dog.png").convert("RGB").save(tmp_path / "mine.png")
    with pytest.raises(SrlabError, match="mine is Zoo's dog"):
        LeakCheck("train", str(tmp_path), None).check([look("mine", tmp_path / "mine.png")], "photos")


def test_a_known_leak_is_found_by_its_name_within_its_set(tmp_path: Path) -> None:
    noise(1, 30, 30).save(tmp_path / "302003.png")
    with pytest.raises(SrlabError, match="302003 is Set5's woman"):
        LeakCheck("train", str(DIGESTS), None).check([look("302003", tmp_path / "302003.png")], "BSDS500_train")


def test_the_same_name_in_another_set_is_no_leak(tmp_path: Path) -> None:
    noise(1, 30, 30).save(tmp_path / "302003.png")
    assert LeakCheck("train", str(DIGESTS), None).check([look("302003", tmp_path / "302003.png")], "holiday") == {}


def test_a_leak_allowed_in_words_is_recorded_with_them(tmp_path: Path) -> None:
    folder = tmp_path / "BSDS200"
    folder.mkdir()
    noise(1, 30, 30).save(folder / "302003.png")
    leaks = LeakCheck("train", str(DIGESTS), "to repeat VDSR's 291 images")
    fetch_images(Folder(str(folder), None), tmp_path / "out", 16, leaks)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["leaks"] == {
        "allowed": "to repeat VDSR's 291 images",
        "images": {"302003": "Set5's woman (the same photo at another scale)"},
    }


def test_a_leak_stops_fetching_before_anything_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "BSDS200"
    folder.mkdir()
    noise(1, 30, 30).save(folder / "302003.png")
    with pytest.raises(SrlabError, match="a test image"):
        fetch_images(Folder(str(folder), None), tmp_path / "out", 16, LeakCheck("train", str(DIGESTS), None))
    assert not (tmp_path / "out").exists()


def test_a_test_set_may_hold_its_own_images(zoo: Path, tmp_path: Path) -> None:
    assert LeakCheck("test", str(tmp_path), None).check([look("ant", zoo / "ant.png")], "Zoo") == {}


@pytest.mark.parametrize("words", [True, "", "yes"])
def test_leaks_are_allowed_in_words_only(words: object) -> None:
    with pytest.raises(SrlabError, match="say in words why"):
        LeakCheck("train", str(DIGESTS), words)  # pyright: ignore[reportArgumentType]


@pytest.mark.data
def test_the_leaking_photo_is_found_by_its_pixels_in_any_folder() -> None:
    if not os.environ.get("SRLAB_DATASETS"):
        pytest.skip("SRLAB_DATASETS is not set: it names the folder that holds BSDS500_train/")
    mirror = Path(os.environ["SRLAB_DATASETS"])
    photo = look("holiday", mirror / "BSDS500_train" / "302003.jpg")
    with pytest.raises(SrlabError, match="holiday is Set5's woman"):
        LeakCheck("train", str(DIGESTS), None).check([photo], "photos")


# --- test sets of the same run


MINE, THEIRS = {"role": "train"}, {"role": "test"}


def manifest(**digests: str) -> dict[str, Any]:
    return {"images": {name: {"sha256": digest} for name, digest in digests.items()}}


SETS = {"mine": manifest(a="1", b="2", c="3"), "theirs": manifest(x="2", y="3", z="4")}


def test_a_shared_image_is_named_with_both_sets_the_count_and_the_cure() -> None:
    with pytest.raises(SrlabError) as caught:
        compare_sets({"mine": MINE, "theirs": THEIRS}, SETS)
    assert str(caught.value) == (
        "training set mine and test set theirs show the same images (2, such as mine's b, theirs's x): take others for "
        'one of them, or say in the line of mine in params.yaml why not (`allow_leaks: "..."`)'
    )


def test_each_pair_of_sets_has_its_line() -> None:
    with pytest.raises(SrlabError) as caught:
        compare_sets({"mine": MINE, "theirs": THEIRS, "more": THEIRS}, SETS | {"more": manifest(q="1")})
    assert len(str(caught.value).splitlines()) == 2


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
