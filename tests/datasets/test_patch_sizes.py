"""Images smaller than a patch are named before any training, with the key to change."""

from pathlib import Path
from typing import Any

import pytest
from zoo import noise

from srlab.datasets.patch_sizes import require_room
from srlab.datasets.sources import Folder, fetch_images
from srlab.errors import SrlabError
from srlab.files import write_json

MODELS = {
    "models.wide": {"train_on": "mine", "patch_size": 48},
    "gans.wider": {"train_on": "mine", "patch_size": 96},
    "models.narrow": {"train_on": "mine", "patch_size": 24},
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A training set of 96x96, 80x50 and 47x96 px; a fourth image, of 20 px, is for validation."""
    (tmp_path / "in").mkdir()
    for name, width, height in (("a", 96, 96), ("b", 80, 50), ("c", 47, 96), ("d", 20, 20)):
        noise(0, width, height).save(tmp_path / "in" / f"{name}.png")
    fetch_images(Folder(str(tmp_path / "in"), None), tmp_path / "images/train/mine", 16)
    write_json(tmp_path / "images/train/mine/index.json", {"train": [["a", 0], ["b", 0], ["c", 0]], "val": ["d"]})
    return tmp_path / "images"


def test_each_image_that_is_too_small_has_a_line_with_all_that_cannot_use_it(images: Path) -> None:
    with pytest.raises(SrlabError) as caught:
        require_room(MODELS, images, 4)
    folder = images / "train/mine"
    assert str(caught.value).splitlines() == [
        f"{folder}/b.png is 80x48 px at x4, less than a patch of 96 px: lower patch_size of gans.wider in params.yaml, "
        "or take it out of the set",
        f"{folder}/c.png is 44x96 px at x4, less than a patch of 96 px: lower patch_size of models.wide, gans.wider in "
        "params.yaml, or take it out of the set",
    ]


@pytest.mark.parametrize("trainings", [{}, {"models.narrow": MODELS["models.narrow"]}], ids=["none", "narrow"])
def test_what_fits_passes(images: Path, trainings: dict[str, Any]) -> None:
    require_room(trainings, images, 4)
