"""The digests of conf/dataset/digests are those of the public sets."""

import json
from pathlib import Path

import pytest
from standard_sets import mirror
from zoo import DIGESTS

from srlab.datasets.folders import pictures
from srlab.datasets.verification import PixelCheck


@pytest.mark.data
@pytest.mark.parametrize(("folder", "count"), [("Set5", 5), ("Set14", 14), ("BSD100", 100)])
def test_the_digests_are_those_that_the_mirror_states(folder: str, count: int) -> None:
    stated = json.loads(mirror("digests.json").read_text())[folder]
    ours = json.loads((DIGESTS / f"{folder.lower()}.json").read_text())["images"]
    assert len(ours) == count
    for file, entry in stated.items():
        mine = ours[Path(file).stem]
        assert (mine["width"], mine["height"], mine["mode"]) == (entry["width"], entry["height"], entry["mode"])
        if mine["mode"] == "RGB":  # the mirror's digests are over RGB always
            assert mine["sha256"] == entry["pixel_sha256"]


@pytest.mark.data
def test_the_digests_of_urban100_are_those_that_the_mirror_states() -> None:
    stated = json.loads(mirror("urban100_digests.json").read_text())["images"]
    assert json.loads((DIGESTS / "urban100.json").read_text())["images"] == stated


@pytest.mark.data
@pytest.mark.parametrize("folder", ["Set5", "Set14", "BSD100"])
def test_the_sets_of_the_mirror_pass_the_check(folder: str) -> None:
    check = PixelCheck(str(DIGESTS / f"{folder.lower()}.json"))
    assert len(check.check(pictures(mirror(folder)), complete=True)) == len(check.images)
