"""A user's folder of pictures, some of them damaged or unusual."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workspace import Workspace, clone

pytestmark = pytest.mark.pipeline

SIZE = (40, 24)  # px, width and height
DAMAGED = ["cut.png", "deep.png", "glass.png", "strip.png", "text.png"]
UNUSUAL = {"cmyk.jpg": "CMYK", "grey.png": "L", "opaque.png": "RGBA", "palette.png": "P"}


def noise(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, channels), dtype=np.uint8)


def damage(folder: Path) -> None:
    """Files that no training may learn from."""
    good = Image.fromarray(noise(SIZE[1], SIZE[0], 3))
    good.save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:1000])
    (folder / "text.png").write_text("This is no picture.\n")
    Image.fromarray(noise(1, 3, 3)).save(folder / "strip.png")
    Image.fromarray(noise(SIZE[1], SIZE[0], 4)).save(folder / "glass.png")
    Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40) * 60).save(folder / "deep.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A fresh clone with a test set `mine`: the damaged pictures and the unusual ones that are fine."""
    workspace = clone(tmp_path_factory.mktemp("mine") / "srlab")
    pictures = workspace.root / "pics"
    pictures.mkdir()
    damage(pictures)
    for name, mode in UNUSUAL.items():
        Image.fromarray(noise(SIZE[1], SIZE[0], 3)).convert(mode).save(pictures / name)
    mine = {"role": "test", "source": "folder", "selection": "none", "path": "pics", "num_images": None, "num_val": 0}
    workspace.set_param("datasets.mine", mine)
    return workspace


@pytest.fixture(scope="module")
def refused(folder: Workspace) -> str:
    """What `dvc repro fetch@mine` says to the damaged pictures."""
    return folder.fail("dvc", "repro", "fetch@mine")


def test_every_damaged_file_is_named_in_one_line_with_a_cure(refused: str) -> None:
    lines = [line for line in refused.splitlines() if line.startswith("error: ")]
    assert sorted(re.findall(r"^error: pics/(\S+) .*: \w+", line)[0] for line in lines) == DAMAGED
    assert "Traceback" not in refused


@pytest.mark.parametrize(("file", "reason"), [
    ("cut.png", "cannot be decoded"),
    ("deep.png", "more than 8 bits per channel"),
    ("glass.png", "transparency"),
    ("strip.png", "3x1 px"),
    ("text.png", "no image"),
])  # fmt: skip
def test_the_line_says_what_is_wrong(refused: str, file: str, reason: str) -> None:
    (line,) = [line for line in refused.splitlines() if f"pics/{file}" in line]
    assert reason in line


def test_nothing_half_written_is_left(folder: Workspace, refused: str) -> None:
    assert refused
    left = [path for path in (folder.root / "data").rglob("*") if ".hydra" not in path.parts and path.is_file()]
    assert [path for path in left if "sheets" not in path.parts] == []  # a sheet says what was chosen before
    assert not (folder.root / "data/images/test/mine").exists()


def test_the_next_run_succeeds_once_the_files_are_fixed(folder: Workspace, refused: str) -> None:
    assert refused
    for name in DAMAGED:
        Image.fromarray(noise(SIZE[1], SIZE[0], 3)).save(folder.root / "pics" / name)
    folder.run("dvc", "repro", "fetch@mine")
    images = folder.read_json("data/images/test/mine/manifest.json")["images"]
    assert sorted(entry["file"] for entry in images.values()) == sorted([*DAMAGED, *UNUSUAL])
    channels = {entry["file"]: entry["channels"] for entry in images.values()}
    assert {name: channels[name] for name in UNUSUAL} == {
        "cmyk.jpg": 3, "grey.png": 1, "opaque.png": 3, "palette.png": 3,
    }  # fmt: skip
