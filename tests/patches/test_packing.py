"""The writer: whole or nothing, the same bytes however many work on it, and what was drawn is kept."""

import errno
import math
from pathlib import Path

import numpy as np
import pytest
from stores import images_folder, originals, packed

from srlab.datasets.augmentation import build_index
from srlab.degradation.imaging import Bicubic, Imaging
from srlab.errors import SrlabError
from srlab.files import read_json
from srlab.images.files import write_png
from srlab.patches import packing
from srlab.patches.packing import pack
from srlab.patches.pairs import PairStore


def test_packing_twice_gives_the_same_digest(tmp_path: Path) -> None:
    assert packed(tmp_path / "a", originals()).digest == packed(tmp_path / "b", originals()).digest


def test_an_exception_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    class Failing(Bicubic):
        calls = 0

        def __call__(self, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().__call__(hr)

    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "test", 0, 1, seed=0)
    with pytest.raises(KeyboardInterrupt):
        pack(source, index, Failing(2), tmp_path / "pairs", 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "in"]


def test_every_image_that_is_too_small_is_named(tmp_path: Path) -> None:
    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "train", 1, 8, seed=0)
    with pytest.raises(SrlabError) as caught:
        pack(source, index, Bicubic(4), tmp_path / "pairs", 36)
    lines = str(caught.value).splitlines()
    assert [Path(line.split(" is ")[0]).name for line in lines] == ["grey.png", "square.png", "tall.png"]
    assert "is 32x40 px; the smallest usable side is 36" in lines[0]  # 33x41 cut to multiples of 4


@pytest.mark.parametrize("limit", [0, math.inf], ids=["processes", "threads"])
def test_an_image_that_is_not_the_manifests_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    monkeypatch.setattr(packing, "PROCESSES_FROM", limit)
    source = images_folder(tmp_path, originals())
    write_png(source / "tall.png", np.zeros((64, 64, 3), np.uint8))
    index = build_index(read_json(source / "manifest.json"), "test", 0, 1, seed=0)
    with pytest.raises(SrlabError, match=r"tall\.png is not the image that its manifest describes") as caught:
        pack(source, index, Bicubic(2), tmp_path / "pairs", 16, 2)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "in"]


def full(scale: int = 2) -> Imaging:
    ranges = {"shift": (0, 1), "rotation": (-1, 1), "sigma": (0.2, 2), "anisotropy": (0, 0.5), "length": (0, 3)}
    ranges |= {"peak": (100, 900), "noise": (0, 10), "quality": (50, 90)}
    strengths = {key: {"min": low, "max": high} for key, (low, high) in ranges.items()}
    return Imaging(scale, seed=3, method="bicubic", kernel=None, **strengths)


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("degradation", [Bicubic(2), full()], ids=str)
def test_neither_number_nor_kind_of_workers_changes_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, degradation: Bicubic | Imaging, kind: str
) -> None:
    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "train", 1, 8, seed=0)
    pack(source, index, degradation, tmp_path / "alone", 16, 1)
    monkeypatch.setattr(packing, "PROCESSES_FROM", 0 if kind == "processes" else math.inf)
    pack(source, index, degradation, tmp_path / "together", 16, 2)
    for file in ("hr.npy", "lr.npy", "index.json"):
        assert (tmp_path / "alone" / file).read_bytes() == (tmp_path / "together" / file).read_bytes()


class Unpicklable(Bicubic):
    def __reduce__(self) -> str:
        raise AssertionError("went to a process")


def test_only_a_large_store_is_made_by_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "test", 0, 1, seed=0)
    pack(source, index, Unpicklable(2), tmp_path / "pairs", 16, 2)
    monkeypatch.setattr(packing, "PROCESSES_FROM", PairStore(tmp_path / "pairs")._hr.nbytes)
    with pytest.raises(Exception, match="pickle"):
        pack(source, index, Unpicklable(2), tmp_path / "pairs", 16, 2)


def test_what_was_drawn_is_kept_and_makes_the_same_image_again(tmp_path: Path) -> None:
    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "test", 0, 1, seed=0)
    pack(source, index, full(), tmp_path / "pairs", 16)
    store = PairStore(tmp_path / "pairs")
    for name, image in originals().items():
        drawn = full().draw(name)
        assert store.drawn(name) == drawn.parameters
        np.testing.assert_array_equal(store.lr(name), drawn(image)[1])
    assert store.degradation == str(full())


def test_noise_on_a_grey_training_image_is_grey(tmp_path: Path) -> None:
    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "train", 1, 8, seed=0)
    pack(source, index, full(), tmp_path / "pairs", 16)
    lr = PairStore(tmp_path / "pairs").lr("grey")
    assert lr.shape[2] == 3
    np.testing.assert_array_equal(lr[..., 1:], lr[..., :1].repeat(2, axis=2))


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = images_folder(tmp_path, originals())
    index = build_index(read_json(source / "manifest.json"), "test", 0, 1, seed=0)
    monkeypatch.setattr("os.pwrite", full_disk)
    with pytest.raises(SrlabError, match="does not fit on the disk"):
        pack(source, index, Bicubic(2), tmp_path / "pairs", 16)
    assert not (tmp_path / "pairs").exists()
