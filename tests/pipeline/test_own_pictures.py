"""A user's folder of pictures, training and test set at once: damaged at first, and then the same in both sets."""

import re

import numpy as np
import pytest
from PIL import Image
from workspace import Workspace, clone, stages_run

pytestmark = pytest.mark.pipeline

SIZE = (64, 48)  # px, width and height
DAMAGED = {
    "cut.png": "cannot be decoded",
    "deep.png": "more than 8 bits per channel",
    "glass.png": "transparency",
    "strip.png": "3x1 px",
    "text.png": "no image",
}
UNUSUAL = {"cmyk.jpg": ("CMYK", 3), "grey.png": ("L", 1), "opaque.png": ("RGBA", 3), "palette.png": ("P", 3)}
LINE = {"source": "folder", "selection": "none", "path": "pics", "num_images": None, "num_val": 0}


def noise(seed: int, height: int, width: int, channels: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A fresh clone with two sets of the same folder: DAMAGED pictures, and UNUSUAL ones that are fine."""
    workspace = clone(tmp_path_factory.mktemp("mine") / "srlab")
    pictures = workspace.root / "pics"
    pictures.mkdir()
    noise(0, *SIZE[::-1], 3).save(pictures / "cut.png")
    (pictures / "cut.png").write_bytes((pictures / "cut.png").read_bytes()[:1000])
    (pictures / "text.png").write_text("This is no picture.\n")
    noise(0, 1, 3, 3).save(pictures / "strip.png")
    noise(0, *SIZE[::-1], 4).save(pictures / "glass.png")
    Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40) * 60).save(pictures / "deep.png")
    for seed, (name, (mode, _)) in enumerate(UNUSUAL.items()):
        noise(seed, *SIZE[::-1], 3).convert(mode).save(pictures / name)
    workspace.set_param("datasets", {"photos": LINE | {"role": "train"}, "heldout": LINE | {"role": "test"}})
    return workspace


@pytest.fixture(scope="module")
def refused(workspace: Workspace) -> str:
    """What `dvc repro fetch@photos` says to the damaged pictures."""
    return workspace.fail("dvc", "repro", "fetch@photos")


@pytest.fixture(scope="module")
def shared(workspace: Workspace, refused: str) -> str:
    """What `dvc repro train@espcn` says after the files were put right."""
    assert refused
    for seed, name in enumerate(DAMAGED, len(UNUSUAL)):
        noise(seed, *SIZE[::-1], 3).save(workspace.root / "pics" / name)
    return workspace.fail("dvc", "repro", "train@espcn")


def test_every_damaged_file_is_named_in_one_line_with_what_is_wrong_and_a_cure(refused: str) -> None:
    lines = sorted(line for line in refused.splitlines() if line.startswith("error: "))
    assert "Traceback" not in refused
    for line, (name, reason) in zip(lines, DAMAGED.items(), strict=True):
        assert re.match(rf"error: pics/{name} .*: \w+", line)
        assert reason in line


def test_nothing_half_written_is_left(workspace: Workspace, refused: str) -> None:
    assert refused
    left = [path for path in (workspace.root / "data").rglob("*") if ".hydra" not in path.parts and path.is_file()]
    assert [path for path in left if "sheets" not in path.parts] == []  # a sheet says what was chosen before
    assert not (workspace.root / "data/images/train/photos").exists()


def test_the_next_run_takes_the_files_that_were_put_right(workspace: Workspace, shared: str) -> None:
    assert "fetch@photos" in stages_run(shared)
    images = workspace.read_json("data/images/train/photos/manifest.json")["images"].values()
    channels = dict.fromkeys(DAMAGED, 3) | {name: channels for name, (_, channels) in UNUSUAL.items()}
    assert {image["file"]: image["channels"] for image in images} == channels


def test_a_test_image_in_a_training_set_is_refused_in_one_line_before_any_training(shared: str) -> None:
    (line,) = re.findall(r"^error: (.*)$", shared, re.MULTILINE)
    assert re.match(r"training set photos and test set heldout show the same images \(9, such as photos's ", line)
    assert "train@espcn" not in stages_run(shared)


def test_it_passes_when_allowed_in_words(workspace: Workspace, shared: str) -> None:
    assert shared
    workspace.set_param("datasets.photos.allow_leaks", "to see how far overfitting goes")
    output = workspace.run("dvc", "repro", "compare_sets")
    assert "note: photos holds 9 of heldout's images, allowed in words (to see how far overfitting goes)" in output
    pairs = workspace.read_json("data/comparison/shared.json")["photos"]["shared"]["heldout"]
    assert len(pairs) == 9
    assert all(one == other for one, other in pairs)
