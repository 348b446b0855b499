"""ImageNet from the user's folder, the mirror or the Hub: the same names, evenly from the classes."""

import io
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from srlab.datasets.imagenet import ImageNet
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


def as_folder(root: Path) -> Path:
    for wnid, files in FILES.items():
        (root / wnid).mkdir(parents=True)
        for name, data in files.items():
            (root / wnid / name).write_bytes(data)
    return root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where SRLAB_IMAGENET leads: a folder per class."""
    monkeypatch.setenv("SRLAB_IMAGENET", str(tmp_path / "imagenet"))
    return as_folder(tmp_path / "imagenet")


@pytest.mark.parametrize("inner", ["train", "ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train", "."])
def test_the_classes_are_found_in_every_usual_layout(
    inner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRLAB_IMAGENET", str(tmp_path / "i"))
    as_folder(tmp_path / "i" / inner)
    files = imagenet(None).files()
    assert [name for name, _ in files] == NAMES
    assert files[0][1].read_bytes() == FILES["n01440764"]["n01440764_0.JPEG"]


@pytest.mark.parametrize(("num_images", "counts"), [(6, [2, 2, 2]), (10, [4, 2, 4]), (3, [1, 1, 1]), (99, [7, 2, 5])])
@pytest.mark.usefixtures("folder")
def test_images_come_evenly_and_a_small_class_leaves_its_share_to_others(num_images: int, counts: list[int]) -> None:
    names = [name[:9] for name, _ in imagenet(num_images).files()]
    assert [names.count(wnid) for wnid in CLASSES] == counts


@pytest.mark.usefixtures("folder")
def test_classes_are_chosen_by_their_id_and_an_unknown_one_is_named() -> None:
    names = [name for name, _ in imagenet(5, ["n01484850"]).files()]
    assert names == [f"n01484850_{i}" for i in range(5)]
    with pytest.raises(SrlabError, match="no class n00000001: correct `classes`"):
        imagenet(5, ["n01484850", "n00000001"]).files()


def test_what_is_passed_over_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "n01443537/x.heic").touch()
    listing = Path.iterdir

    def refusing(path: Path) -> Iterator[Path]:
        if path.name == "n01484850":
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refusing)
    assert len(imagenet(None).files()) == 9
    assert "passed over 1 .heic, 1 folders that may not be read" in capsys.readouterr().out


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


@pytest.mark.parametrize(("file", "cure"), [
    ("photo.jpg", r"correct it .* `source: folder`"),
    ("ILSVRC2012_img_train.tar", r"is packed: unpack ILSVRC2012_img_train\.tar, .*tar -xf"),
])  # fmt: skip
def test_a_folder_without_classes_is_refused_with_the_cure(
    file: str, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file).touch()
    monkeypatch.setenv("SRLAB_IMAGENET", str(tmp_path))
    with pytest.raises(SrlabError, match=cure):
        imagenet(1).files()


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


def test_a_hub_that_refuses_is_one_line_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = FileNotFoundError(
        "Dataset 'ILSVRC/imagenet-1k' is a gated dataset on the Hub.\nYou must be authenticated"
    )
    monkeypatch.setitem(sys.modules, "datasets", Hub(problem))
    with pytest.raises(SrlabError, match=r"accept its terms at .* set HF_TOKEN") as caught:
        imagenet(4).files()
    assert "\n" not in str(caught.value)


def test_with_nothing_at_all_the_three_cures_are_named() -> None:
    with pytest.raises(SrlabError, match=r"SRLAB_IMAGENET .*SRLAB_DATASETS .*pip install 'srlab\[hub\]'"):
        imagenet(4).files()
