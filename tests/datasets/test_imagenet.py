"""ImageNet from a folder, class tars, the tar of them, the mirror or the Hub: the same names, a bounded memory."""

import io
import sys
import tarfile
import tracemalloc
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from srlab.datasets.imagenet import ImageNet
from srlab.datasets.sources import fetch_images
from srlab.errors import SrlabError

CLASSES = {"n01440764": 7, "n01443537": 2, "n01484850": 5}  # images of each


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(file, "JPEG")
    return file.getvalue()


FILES = {wnid: {f"{wnid}_{i}.JPEG": jpeg(i) for i in range(count)} for wnid, count in CLASSES.items()}
NAMES = [Path(file).stem for files in FILES.values() for file in files]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SRLAB_IMAGENET", "SRLAB_DATASETS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "datasets", None)


def imagenet(num_images: int | None, classes: list[str] | None = None) -> ImageNet:
    return ImageNet(num_images, classes, "imagenet_sample", "ILSVRC/imagenet-1k")


def tarred(content: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as bundle:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            bundle.addfile(member, io.BytesIO(data))
    return file.getvalue()


def as_folder(root: Path) -> Path:
    for wnid, files in FILES.items():
        (root / wnid).mkdir(parents=True)
        for name, data in files.items():
            (root / wnid / name).write_bytes(data)
    return root


def as_class_tars(root: Path) -> Path:
    root.mkdir(parents=True)
    for wnid, files in FILES.items():
        (root / f"{wnid}.tar").write_bytes(tarred(files))
    return root


def as_one_tar(root: Path) -> Path:
    root.mkdir(parents=True)
    tar = root / "ILSVRC2012_img_train.tar"
    tar.write_bytes(tarred({f"{wnid}.tar": tarred(files) for wnid, files in FILES.items()}))
    return tar


LAYOUTS = {
    "folder": lambda root: as_folder(root / "train").parent,
    "kaggle": lambda root: as_folder(root / "ILSVRC/Data/CLS-LOC/train").parents[3],
    "classes": as_folder,
    "class tars": as_class_tars,
    "folder of the tar": lambda root: as_one_tar(root).parent,
    "tar": as_one_tar,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("num_images", [1, 3, 6, 14])
def test_every_layout_gives_the_same_images(
    layout: str, num_images: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(as_folder(tmp_path / "reference")))
    reference = imagenet(num_images).files()
    monkeypatch.setenv("SRLAB_IMAGENET", str(LAYOUTS[layout](tmp_path / "other")))
    files = imagenet(num_images).files()
    assert [(name, path.read_bytes()) for name, path in files] == [(n, path.read_bytes()) for n, path in reference]
    assert len(files) == num_images


def test_without_a_number_a_folder_gives_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(as_folder(tmp_path / "i")))
    assert [name for name, _ in imagenet(None).files()] == NAMES


def test_images_come_evenly_from_the_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(as_folder(tmp_path / "i")))
    names = [name[:9] for name, _ in imagenet(6).files()]
    assert {wnid: names.count(wnid) for wnid in CLASSES} == dict.fromkeys(CLASSES, 2)


def test_a_small_class_leaves_its_share_to_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(as_folder(tmp_path / "i")))
    names = [name[:9] for name, _ in imagenet(10).files()]
    assert [names.count(wnid) for wnid in CLASSES] == [4, 2, 4]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_classes_are_chosen_by_their_id(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(LAYOUTS[layout](tmp_path / "i")))
    names = [name for name, _ in imagenet(5, ["n01484850"]).files()]
    assert names == [f"n01484850_{i}" for i in range(5)]


def test_a_class_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(as_folder(tmp_path / "i")))
    with pytest.raises(SrlabError, match="no class n00000001: correct `classes`"):
        imagenet(5, ["n01484850", "n00000001"]).files()


def test_names_are_unique_where_the_files_are_numbered_per_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wnid in CLASSES:
        (tmp_path / wnid).mkdir()
        for file in ("1.JPEG", "1.png", "2.JPEG"):
            (tmp_path / wnid / file).write_bytes(jpeg(1))
    monkeypatch.setenv("SRLAB_IMAGENET", str(tmp_path))
    names = [name for name, _ in imagenet(None).files()]
    assert len(set(names)) == 9


@pytest.mark.parametrize("layout", ["class tars", "tar"])
def test_of_a_tar_only_what_is_asked_for_is_unpacked(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(LAYOUTS[layout](tmp_path / "i")))
    imagenet(5).files()
    assert len(list((tmp_path / "cache").rglob("*.JPEG"))) == 5


def test_a_tar_needs_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(as_one_tar(tmp_path / "i")))
    with pytest.raises(SrlabError, match="num_images is null"):
        imagenet(None).files()


def test_a_tar_that_was_read_is_listed_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(as_class_tars(tmp_path / "i")))
    first = imagenet(5).files()
    monkeypatch.setattr(tarfile, "open", None)
    assert imagenet(5).files() == first


def test_a_half_tar_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = as_one_tar(tmp_path / "i")
    tar.write_bytes(tar.read_bytes()[:9000])
    monkeypatch.setenv("SRLAB_IMAGENET", str(tar))
    with pytest.raises(SrlabError, match=r"ILSVRC2012_img_train\.tar is damaged"):
        imagenet(14).files()


def test_a_folder_that_is_no_imagenet_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg(1))
    monkeypatch.setenv("SRLAB_IMAGENET", str(tmp_path))
    with pytest.raises(SrlabError, match=r"correct it .* `source: folder`"):
        imagenet(1).files()


def test_fetching_leaves_no_path_in_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(as_folder(tmp_path / "i")))
    fetch_images(imagenet(4), tmp_path / "out", 16)
    assert "/" not in (tmp_path / "out" / "manifest.json").read_text()


def test_the_memory_does_not_grow_with_the_number_of_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(tmp_path))

    def peak(num_classes: int) -> int:
        """Bytes, of going through num_classes x 150 files."""
        for number in range(num_classes):
            folder = tmp_path / f"n{number:08}"
            if not folder.exists():
                folder.mkdir()
                for i in range(150):
                    (folder / f"{folder.name}_{i}.JPEG").touch()
        tracemalloc.start()
        count = sum(1 for _ in imagenet(None).candidates())
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 150 * num_classes
        return used

    peak(1)  # imports and caches of the first go
    few, many = peak(2), peak(12)
    assert many < 1.5 * few  # a list of all would be 6 times as long; that of the classes may grow


# --- the mirror


def test_the_sample_of_the_mirror_is_used_without_an_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imagenet_sample").mkdir()
    for wnid in CLASSES:
        (tmp_path / "imagenet_sample" / f"{wnid}_fish.JPEG").write_bytes(jpeg(1))
    monkeypatch.setenv("SRLAB_DATASETS", str(tmp_path))
    assert [name for name, _ in imagenet(None, ["n01443537"]).files()] == ["n01443537_fish"]


# --- the Hub


class Hub:
    """Stands in for `datasets`: its rows, and how many of them were read."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem
        self.read = 0
        self.Image = types.SimpleNamespace

    def load_dataset(self, name: str, split: str, streaming: bool) -> "Hub":
        assert (name, split, streaming) == ("ILSVRC/imagenet-1k", "train", True)
        if self.problem:
            raise self.problem
        return self

    def cast_column(self, column: str, feature: Any) -> "Hub":
        assert (column, feature.decode) == ("image", False)
        return self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for wnid, files in FILES.items():
            for file, data in files.items():
                self.read += 1
                yield {"image": {"path": f"{Path(file).stem}_{wnid}.JPEG", "bytes": data}, "label": 0}


def test_the_hub_is_read_until_enough_were_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    monkeypatch.setitem(sys.modules, "datasets", hub)
    files = imagenet(4).files()
    assert [(name, path.read_bytes()) for name, path in files] == [
        (f"n01440764_{i}", FILES["n01440764"][f"n01440764_{i}.JPEG"]) for i in range(4)
    ]
    assert hub.read == 4


def test_the_hub_is_not_asked_for_what_was_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", Hub())
    first = imagenet(4).files()
    monkeypatch.setitem(sys.modules, "datasets", Hub(ConnectionError("no network")))
    assert imagenet(4).files() == first


def test_the_hub_gives_the_chosen_classes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", Hub())
    assert [name for name, _ in imagenet(9, ["n01443537"]).files()] == ["n01443537_0", "n01443537_1"]


@pytest.mark.parametrize("problem", [
    FileNotFoundError("Dataset 'ILSVRC/imagenet-1k' is a gated dataset on the Hub.\nYou must be authenticated"),
    ConnectionError("no network"),
    ValueError("unknown split"),
])  # fmt: skip
def test_a_hub_that_refuses_is_one_line_with_the_cure(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", Hub(problem))
    with pytest.raises(SrlabError, match=r"accept its terms at .* set HF_TOKEN") as caught:
        imagenet(4).files()
    assert "\n" not in str(caught.value)


def test_with_nothing_at_all_the_three_cures_are_named() -> None:
    with pytest.raises(SrlabError, match=r"SRLAB_IMAGENET .*SRLAB_DATASETS .*pip install 'srlab\[hub\]'"):
        imagenet(4).files()
