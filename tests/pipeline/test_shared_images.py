"""A folder that is training and test set at once."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workspace import Workspace, clone, stages_run

pytestmark = pytest.mark.pipeline

LINE = {"source": "folder", "selection": "none", "path": "pics", "num_images": None, "num_val": 0}
MINE, PROOF = LINE | {"role": "train"}, LINE | {"role": "test"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A fresh clone with two sets of the same two pictures."""
    workspace = clone(tmp_path_factory.mktemp("shared") / "srlab")
    pictures: Path = workspace.root / "pics"
    pictures.mkdir()
    for seed in range(2):
        pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"p{seed}.png")
    workspace.set_param("datasets", {"photos": MINE, "heldout": PROOF})
    return workspace


@pytest.fixture(scope="module")
def refused(workspace: Workspace) -> str:
    """What `dvc repro train@espcn` says."""
    return workspace.fail("dvc", "repro", "train@espcn")


def test_it_is_refused_in_one_line_before_any_training(refused: str) -> None:
    (line,) = re.findall(r"^error: (.*)$", refused, re.MULTILINE)
    assert line.startswith(
        "training set photos and test set heldout show the same images (2, such as photos's p0, heldout's p0)"
    )
    assert "train@espcn" not in stages_run(refused)


def test_it_passes_when_allowed_in_words(workspace: Workspace, refused: str) -> None:
    assert refused
    workspace.set_param("datasets.photos.allow_leaks", "to see how far overfitting goes")
    output = workspace.run("dvc", "repro", "compare_sets")
    assert "note: photos holds 2 of heldout's images, allowed in words (to see how far overfitting goes)" in output
    assert workspace.read_json("data/comparison/shared.json")["photos"]["shared"] == {
        "heldout": [["p0", "p0"], ["p1", "p1"]]
    }
