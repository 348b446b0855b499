"""The digests of conf/dataset/digests are those of the public sets."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from zoo import DIGESTS, cropped, refusal, resave, verified

from srlab.datasets.folders import pictures
from srlab.datasets.verification import PixelCheck


@pytest.fixture
def mirror() -> Path:
    if not os.environ.get("SRLAB_DATASETS"):
        pytest.skip("SRLAB_DATASETS is not set: it names the folder that holds Set5/, Set14/ and BSD100/")
    return Path(os.environ["SRLAB_DATASETS"])


@pytest.mark.data
@pytest.mark.parametrize(("folder", "count"), [("Set5", 5), ("Set14", 14), ("BSD100", 100)])
def test_the_digests_are_those_that_the_mirror_states(mirror: Path, folder: str, count: int) -> None:
    stated = json.loads((mirror / "digests.json").read_text())[folder]
    ours = json.loads((DIGESTS / f"{folder.lower()}.json").read_text())["images"]
    assert len(ours) == count
    for file, entry in stated.items():
        mine = ours[Path(file).stem]
        assert (mine["width"], mine["height"], mine["mode"]) == (entry["width"], entry["height"], entry["mode"])
        if mine["mode"] == "RGB":  # the mirror's digests are over RGB always
            assert mine["sha256"] == entry["pixel_sha256"]


@pytest.mark.data
def test_the_digests_of_urban100_are_those_that_the_mirror_states(mirror: Path) -> None:
    stated = json.loads((mirror / "urban100_digests.json").read_text())["images"]
    assert json.loads((DIGESTS / "urban100.json").read_text())["images"] == stated


@pytest.mark.data
def test_the_digest_of_the_grey_bridge_is_over_its_single_channel(mirror: Path) -> None:
    with Image.open(mirror / "Set14" / "bridge.png") as image:
        digest = hashlib.sha256(f"{image.height}x{image.width}x1:".encode() + image.tobytes()).hexdigest()
    assert json.loads((DIGESTS / "set14.json").read_text())["images"]["bridge"]["sha256"] == digest


@pytest.mark.data
@pytest.mark.parametrize("folder", ["Set5", "Set14", "BSD100"])
def test_the_sets_of_the_mirror_stand_the_check(mirror: Path, folder: str) -> None:
    check = PixelCheck(str(DIGESTS / f"{folder.lower()}.json"))
    assert len(check.check(pictures(mirror / folder), complete=True)) == check.total


@pytest.mark.data
def test_set14_cropped_to_a_multiple_of_4_passes_only_when_asked_for(mirror: Path, tmp_path: Path) -> None:
    shutil.copytree(mirror / "Set14", tmp_path / "Set14", copy_function=shutil.copyfile)
    (tmp_path / "Set14").chmod(0o755)
    resave(tmp_path / "Set14", cropped(4), ".bmp")
    (line,) = refusal(str(DIGESTS / "set14.json"), tmp_path / "Set14")
    assert "Set14 is here as the variant mod4, not original" in line
    assert len(verified(str(DIGESTS / "set14.json"), tmp_path / "Set14", "mod4")) == 14


@pytest.mark.data
def test_bridge_as_rgb_is_the_one_line_about_set14(mirror: Path, tmp_path: Path) -> None:
    shutil.copytree(mirror / "Set14", tmp_path / "Set14", copy_function=shutil.copyfile)
    (tmp_path / "Set14").chmod(0o755)
    resave(tmp_path / "Set14", lambda image: image.convert("RGB"))
    (line,) = refusal(str(DIGESTS / "set14.json"), tmp_path / "Set14")
    assert "Set14's bridge, but a grey image turned into RGB" in line
