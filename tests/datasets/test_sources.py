"""Sources name files the same way everywhere, and fetching is all or nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srlab.datasets.archives import Archive
from srlab.datasets.imagenet import ImageNet
from srlab.datasets.sources import Folder, Packaged, fetch_images
from srlab.datasets.union import Union
from srlab.errors import SrlabError
from srlab.files import read_json
from srlab.images.files import pixel_digest, read_image, write_png


def picture(seed: int, height: int = 20, width: int = 24, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def fill(folder: Path, *relatives: str) -> Path:
    for seed, relative in enumerate(relatives):
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(seed)).save(path)
    return folder


# --- Packaged

PACKAGED = ["skimage:astronaut.png", "sklearn:china.jpg", "matplotlib:grace_hopper.jpg"]


def test_packaged_astronaut_is_the_one_of_scikit_image() -> None:
    from skimage.data import astronaut

    ((_, path),) = Packaged(["skimage:astronaut.png"], None).files()
    np.testing.assert_array_equal(read_image(path), astronaut())


def test_packaged_takes_the_first_num_images_in_the_declared_order() -> None:
    assert [name for name, _ in Packaged(PACKAGED, None).files()] == ["astronaut", "china", "grace_hopper"]
    assert [name for name, _ in Packaged(PACKAGED, 2).files()] == ["astronaut", "china"]


@pytest.mark.parametrize(("entries", "cure"), [
    (["skimage:no.png"], "not in the installed skimage: choose one of astronaut.png, "),
    (["pooch:no.png"], "is no packaged photo: write one of"),
    (["astronaut.png"], "is no packaged photo: write one of"),
    (["skimage:astronaut.png"] * 2, "2 times"),
])  # fmt: skip
def test_a_wrong_packaged_entry_names_the_cure(entries: list[str], cure: str) -> None:
    with pytest.raises(SrlabError, match=cure):
        Packaged(entries, None).files()


# --- Folder


def test_a_folder_gives_its_pictures_sorted_by_relative_path(tmp_path: Path) -> None:
    fill(tmp_path, "c.png", "a/z.jpg", "b.BMP", "d.webp", "e.TIFF", ".f.png", ".hidden/g.png")
    (tmp_path / "h.png").mkdir()
    assert [name for name, _ in Folder(str(tmp_path), None).files()] == ["z", "b", "c", "d", "e"]


def test_equal_stems_are_told_apart_by_their_path(tmp_path: Path) -> None:
    fill(tmp_path, "a/x.png", "b/x.png", "y.png", "y.jpg")
    assert [name for name, _ in Folder(str(tmp_path), None).files()] == ["a_x", "b_x", "y_jpg", "y_png"]


def test_num_images_are_spread_evenly_and_too_many_give_all(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{i:02}.png" for i in range(10)))
    assert [name for name, _ in Folder(str(tmp_path), 5).files()] == ["00", "02", "04", "06", "08"]
    assert len(Folder(str(tmp_path), 3000).files()) == 10


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match="holds no image"):
        Folder(str(tmp_path), None).files()
    with pytest.raises(SrlabError, match="nowhere is no folder: correct the path"):
        Folder(str(tmp_path / "nowhere"), None).files()


def test_excluded_images_are_left_out_and_named_in_the_source(tmp_path: Path) -> None:
    source = Folder(str(fill(tmp_path / "in", "a.png", "b.png", "c.png")), None, exclude=["b"])
    assert [name for name, _ in source.files()] == ["a", "c"]
    assert str(source) == "Folder(in without b)"


@pytest.mark.parametrize(("exclude", "cure"), [
    ("302003", "no image is called 302003: correct `exclude`"),
    ("a", "gives no image: correct `exclude`"),
])  # fmt: skip
def test_an_exclusion_that_makes_no_sense_is_refused(tmp_path: Path, exclude: str, cure: str) -> None:
    with pytest.raises(SrlabError, match=cure):
        Folder(str(fill(tmp_path, "a.png")), None, exclude=[exclude]).files()


def test_zero_images_are_refused() -> None:
    with pytest.raises(SrlabError, match="num_images is 0"):
        Folder(".", 0)


# --- fetch_images


def test_files_are_copied_unchanged_and_described_in_the_manifest(tmp_path: Path) -> None:
    fill(tmp_path / "in", "B.PNG")
    grey = picture(7, 30, 40, 1)
    write_png(tmp_path / "in" / "a.png", grey)
    write_png(tmp_path / "in" / "c.png", grey.repeat(3, axis=2))  # known as grey too
    fetch_images(Folder(str(tmp_path / "in"), 5), tmp_path / "out", 16)
    a, b, c = (pixel_digest(pixels) for pixels in (grey, picture(0), grey.repeat(3, axis=2)))
    assert read_json(tmp_path / "out" / "manifest.json") == {
        "source": "Folder(in)",
        "wanted": 5,
        "got": 3,
        "images": {
            "B": {"file": "B.png", "width": 24, "height": 20, "channels": 3, "sha256": b},
            "a": {"file": "a.png", "width": 40, "height": 30, "channels": 1, "sha256": a},
            "c": {"file": "c.png", "width": 40, "height": 30, "channels": 3, "sha256": c, "as_grey": a},
        },
    }
    assert (tmp_path / "out" / "B.png").read_bytes() == (tmp_path / "in" / "B.PNG").read_bytes()


def test_every_unusable_file_is_named_at_once(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "good.png")
    (folder / "empty.png").touch()
    write_png(folder / "tiny.png", picture(0, 3, 3))
    with pytest.raises(SrlabError) as caught:
        fetch_images(Folder(str(folder), None), tmp_path / "out", 16)
    lines = str(caught.value).splitlines()
    assert [("empty.png" in line, "tiny.png" in line) for line in lines] == [(True, False), (False, True)]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]  # nothing is written


def test_a_set_with_fewer_images_than_wanted_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch_images(Folder(str(fill(tmp_path / "in", "a.png", "b.png")), 5), tmp_path / "out", 16)
    assert "note: 5 images were wanted, Folder(in) has 2" in capsys.readouterr().out


def test_duplicates_are_kept_and_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.bmp", "c.tif"):
        Image.fromarray(picture(1)).save(tmp_path / "in" / name)
    fetch_images(Folder(str(tmp_path / "in"), None), tmp_path / "out", 16)
    assert "note: 2 images repeat the pixels of another (b those of a); all are kept" in capsys.readouterr().out
    assert (tmp_path / "out" / "b.bmp").exists()


def test_no_path_of_this_machine_gets_into_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "Set5", "baby.png")
    fill(tmp_path / "i" / "n01440764", "x.JPEG")
    monkeypatch.setenv("SRLAB_DATASETS", str(tmp_path))
    monkeypatch.setenv("SRLAB_IMAGENET", str(tmp_path / "i"))
    sources = [
        Archive("Set5", [], None),
        Folder(str(tmp_path / "Set5"), None),
        Packaged(PACKAGED, 1),
        ImageNet(1, None, "sample", "hub"),
    ]
    for number, source in enumerate(sources):
        fetch_images(source, tmp_path / f"out{number}", 16)
        assert "/" not in (tmp_path / f"out{number}" / "manifest.json").read_text()


# --- Union

CONF = str(Path(__file__).parents[2] / "conf/dataset")


def test_a_union_has_the_pictures_of_all_its_sources_in_turn(tmp_path: Path) -> None:
    mine, more = fill(tmp_path / "my photos", "a.png", "b.png"), fill(tmp_path / "more", "a.png")
    union = Union(f"heldout + {mine} + {more}", None, CONF)
    names = [name for name, _ in union.files()]
    assert names[-3:] == ["my photos_a", "my photos_b", "more_a"]
    assert all(name.startswith("heldout_") for name in names[:-3])
    assert str(union).endswith("Folder(my photos) + Folder(more)")
    assert [name for name, _ in Union(f"{mine} + {more}", 2, CONF).files()] == ["my photos_a", "my photos_b"]


@pytest.mark.parametrize(("of", "cure"), [("t91 + nowhere", "choose of .*bsds200"), ("folder", "a line")])
def test_what_cannot_be_in_a_union_is_named(of: str, cure: str) -> None:
    with pytest.raises(SrlabError, match=cure):
        Union(of, None, CONF)


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    one, other = fill(tmp_path / "a" / "photos", "x.png"), fill(tmp_path / "b" / "photos", "X.png")
    with pytest.raises(SrlabError, match="has two pictures called photos_x: rename one of the folders in `of`"):
        Union(f"{one} + {other}", None, CONF).files()


def test_relative_places_are_found_in_the_project_from_a_copy_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `dvc exp run --temp` and `--queue` make one, of what Git knows."""
    project, copy = tmp_path / "project", tmp_path / "copy"
    fill(project, "mine/a.png", "mirror/sample/b.png", "imagenet/n01440764/c.JPEG")
    copy.mkdir()
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.setenv("SRLAB_DATASETS", "mirror")
    sources = [Folder("mine", None), Union("mine", None, CONF), Archive("sample", [], None)]
    sources.append(ImageNet(None, None, "sample", "hub"))
    monkeypatch.setenv("SRLAB_IMAGENET", "imagenet")
    sources.append(ImageNet(None, None, "sample", "hub"))
    found = [path.relative_to(project).as_posix() for source in sources for _, path in source.files()]
    assert found == ["mine/a.png", "mine/a.png", *["mirror/sample/b.png"] * 2, "imagenet/n01440764/c.JPEG"]
