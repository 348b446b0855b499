"""The writer: whole or nothing, the same bytes however many work on it, and what was drawn is kept."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from degradations import EVERYTHING, imaging
from stores import images_folder, originals

from srlab.datasets.augmentation import build_index
from srlab.degradation import packing
from srlab.degradation.imaging import Bicubic, DrawnImaging, Imaging
from srlab.degradation.packing import pack
from srlab.degradation.pairs import PairStore
from srlab.errors import SrlabError
from srlab.files import read_json
from srlab.images.files import write_png


def source_and_index(folder: Path, role: str) -> tuple[Path, dict]:
    """A folder of images as fetch leaves it, and which of them to pack."""
    source = images_folder(folder, originals())
    num_val, operations = (1, 8) if role == "train" else (0, 1)
    return source, build_index(read_json(source / "manifest.json"), role, num_val, operations, seed=0)


def test_an_exception_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    class Failing(Bicubic):
        calls = 0

        def draw(self, name: str) -> DrawnImaging:
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().draw(name)

    source, index = source_and_index(tmp_path, "test")
    with pytest.raises(KeyboardInterrupt):
        pack(source, index, Failing(2), tmp_path / "pairs", 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "in"]


def test_every_image_that_is_too_small_is_named(tmp_path: Path) -> None:
    source, index = source_and_index(tmp_path, "train")
    with pytest.raises(SrlabError) as caught:
        pack(source, index, Bicubic(4), tmp_path / "pairs", 36)
    lines = str(caught.value).splitlines()
    assert [Path(line.split(" is ")[0]).name for line in lines] == ["grey.png", "square.png", "tall.png"]
    assert "is 32x40 px at x4; the smallest usable side is 36: remove it" in lines[0]  # 33x41 cut to multiples of 4


NOISE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
FRAMED = np.pad(np.full((32, 32, 3), 7, np.uint8), ((4, 4), (4, 4), (0, 0)), constant_values=200)
STEP = np.where(np.arange(40)[:, None, None] < 20, np.full((40, 40, 3), 100, np.uint8), np.uint8(101))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([NOISE[:16], NOISE[:16, ::-1]], "{}.png is 40x16 px at x4; the smallest usable side is 19: remove it"),
        ([FRAMED, FRAMED + 1], "{} is of one grey level where it is scored, which every method returns as it is"),
        ([STEP, STEP[::-1]], "{} is what bicubic makes of its LR image, so that its PSNR is infinite: remove it"),
    ],
    ids=["small", "flat but for the border", "of two levels"],
)
def test_images_that_cannot_be_scored_are_named_all_at_once(
    tmp_path: Path, images: list[np.ndarray], said: str
) -> None:
    """All may be learned from."""
    source = images_folder(tmp_path, dict(zip("abc", [*images, NOISE], strict=True)))
    manifest = read_json(source / "manifest.json")
    with pytest.raises(SrlabError) as caught:
        pack(source, build_index(manifest, "test", 0, 1, seed=0), Bicubic(4), tmp_path / "pairs", 16)
    lines = str(caught.value).splitlines()
    assert [said.format(name) in line for line, name in zip(lines, "ab", strict=True)] == [True, True]
    assert not (tmp_path / "pairs").exists()
    pack(source, build_index(manifest, "train", 0, 1, seed=0), Bicubic(4), tmp_path / "pairs", 16)


@pytest.mark.parametrize("limit", [0, math.inf], ids=["processes", "threads"])
def test_an_image_that_is_not_the_manifests_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    monkeypatch.setattr(packing, "PROCESSES_FROM", limit)
    source, index = source_and_index(tmp_path, "test")
    write_png(source / "tall.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(SrlabError, match=r"tall\.png is not the image that its manifest describes") as caught:
        pack(source, index, Bicubic(2), tmp_path / "pairs", 16, 2)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "in"]


def full() -> Imaging:
    return imaging(2, seed=3, **EVERYTHING)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_neither_number_nor_kind_of_workers_changes_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source, index = source_and_index(tmp_path, "train")
    pack(source, index, full(), tmp_path / "alone", 16, 1)
    monkeypatch.setattr(packing, "PROCESSES_FROM", 0 if kind == "processes" else math.inf)
    pack(source, index, full(), tmp_path / "together", 16, 2)
    for file in ("hr.npy", "lr.npy", "index.json"):
        assert (tmp_path / "alone" / file).read_bytes() == (tmp_path / "together" / file).read_bytes()


def test_what_was_drawn_is_kept_and_makes_the_same_image_again(tmp_path: Path) -> None:
    source, index = source_and_index(tmp_path, "test")
    pack(source, index, full(), tmp_path / "pairs", 16)
    store, entries = PairStore(tmp_path / "pairs"), read_json(tmp_path / "pairs" / "index.json")["images"]
    for name, image in originals().items():
        drawn = full().draw(name)
        assert entries[name]["drawn"] == drawn.parameters
        np.testing.assert_array_equal(store.lr(name), drawn(image)[1])
    assert store.degradation == str(full())


def test_noise_on_a_grey_training_image_is_grey(tmp_path: Path) -> None:
    source, index = source_and_index(tmp_path, "train")
    pack(source, index, full(), tmp_path / "pairs", 16)
    lr = PairStore(tmp_path / "pairs").lr("grey")
    assert lr.shape[2] == 3
    np.testing.assert_array_equal(lr[..., 1:], lr[..., :1].repeat(2, axis=2))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_a_full_disk(path: Path, *_: object) -> SimpleNamespace:
        path.symlink_to("/dev/full")
        return SimpleNamespace(offset=128)

    source, index = source_and_index(tmp_path, "test")
    monkeypatch.setattr(packing, "open_memmap", on_a_full_disk)
    with pytest.raises(SrlabError, match=r"pairs cannot be written \(No space left on device\)"):
        pack(source, index, Bicubic(2), tmp_path / "pairs", 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "in"]
