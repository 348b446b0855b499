"""The folder of the stage augment."""

from pathlib import Path

import numpy as np
import pytest

from srlab.datasets.augmentation import build_index
from srlab.datasets.augmented import copy_name, turned_copy, write_augmented
from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic
from srlab.files import read_json
from srlab.images.files import read_image, write_png
from srlab.images.turns import OPERATIONS, transform


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three small noise images as fetch leaves them; sides that are no multiples of 4."""
    generator = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        write_png(tmp_path / "pool" / f"{name}.png", generator.integers(0, 256, (37, 30, 3), dtype=np.uint8))
    fetch_images(Folder(str(tmp_path / "pool"), None), tmp_path / "images", 16)
    return tmp_path / "images"


def written(images: Path, *, materialize: bool) -> Path:
    index = build_index(read_json(images / "manifest.json"), "train", num_val=1, operations=8, seed=1)
    write_augmented(images.parent / "augmented", images, index, 4, materialize)
    return images.parent / "augmented"


def test_without_materialize_there_is_only_the_index(images: Path) -> None:
    assert [path.name for path in written(images, materialize=False).iterdir()] == ["index.json"]


def test_materialize_writes_every_training_entry_and_no_validation_image(images: Path) -> None:
    folder = written(images, materialize=True)
    index = read_json(folder / "index.json")
    assert {path.stem for path in folder.glob("*.png")} == {copy_name(name, op) for name, op in index["train"]}
    assert len(index["train"]) == 16


def test_a_file_holds_the_turned_pixels(images: Path) -> None:
    folder = written(images, materialize=True)
    name, operation = read_json(folder / "index.json")["train"][3]
    expected = np.rot90(read_image(images / f"{name}.png")[:36, :28], 1)[::-1]  # operation 3: 90 degrees, flipped
    assert operation == 3
    np.testing.assert_array_equal(read_image(folder / f"{name}_90_flipped.png"), expected)


@pytest.mark.parametrize("operation", range(len(OPERATIONS)))
def test_the_lr_image_of_a_copy_is_the_turned_lr_image(images: Path, operation: int) -> None:
    image = read_image(images / "a.png")
    degradation = Bicubic(4, "bicubic_float")  # of the other methods: tests/data/test_reduction.py
    _, lr_of_copy = degradation(turned_copy(image, operation, 4))
    _, lr = degradation(image)
    np.testing.assert_array_equal(lr_of_copy, transform(lr, operation))  # bit for bit: the index loses nothing
