"""One frame against several."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eras import MODERN
from PIL import Image
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio
from stores import packed

from srlab.classical.burst import Burst
from srlab.classical.ibp import IBP
from srlab.classical.interpolation import Interpolation
from srlab.degradation import packing
from srlab.degradation.imaging import Bicubic
from srlab.errors import SrlabError
from srlab.evaluation.frames import frame_scores, score_frames
from srlab.images.resample import imresize, to_uint8

BURST = Burst(4, 0, 4, 1.2, 1.0)
IMAGES = {"face": astronaut()[:96, 160:288], "flag": astronaut()[300:396, 0:96, :1]}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What bicubic and IBP score on a burst of both images; their pictures lie in scored["folder"]/<method>."""
    store, folder = packed(tmp_path_factory.mktemp("store"), IMAGES, "test", 4), tmp_path_factory.mktemp("out")
    methods = {"bicubic": Interpolation("bicubic"), "ibp": IBP(Bicubic(4), "IBP", 20, "bicubic")}
    found: dict[str, Any] = {
        name: score_frames(name, method, {"heldout": store}, BURST, [MODERN], folder / name)
        for name, method in methods.items()
    }
    return found | {"folder": folder}


def of(scored: dict[str, Any], method: str, count: str) -> dict[str, Any]:
    return scored[method]["frames"]["protocols"]["modern"][count]["heldout"]


def test_a_method_is_scored_with_one_frame_and_with_all_where_it_can(scored: dict[str, Any]) -> None:
    assert list(scored["bicubic"]["frames"]["protocols"]["modern"]) == ["1"]
    assert list(scored["ibp"]["frames"]["protocols"]["modern"]) == ["1", "4"]
    assert list(of(scored, "ibp", "4")["images"]) == ["face", "flag"]
    assert scored["ibp"]["frames"]["burst"] == {"num": 4, "sigma": 1.2, "noise": 1.0}
    assert json.loads(json.dumps(scored["ibp"])) == scored["ibp"]


def test_without_a_burst_nothing_is_scored_or_written(tmp_path: Path) -> None:
    assert score_frames("espcn", Interpolation("bicubic"), {}, None, [MODERN], tmp_path / "frames") == {}
    assert not (tmp_path / "frames").exists()


def test_an_image_that_comes_back_as_it_was_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its PSNR is infinite, which JSON cannot hold."""
    monkeypatch.setattr(packing, "unfit", lambda *_: None)
    white = packed(tmp_path, {"white": np.full((48, 48, 3), 255, np.uint8)}, "test", 4)
    burst = Burst(4, 0, 4, 1.2, 0.0)
    with pytest.raises(SrlabError, match=r"^bicubic of 1 frames on flat/white: PSNR is inf: the output equals"):
        score_frames("bicubic", Interpolation("bicubic"), {"flat": white}, burst, [MODERN], tmp_path / "frames")
    assert not (tmp_path / "frames").exists()


def test_more_frames_score_higher(scored: dict[str, Any]) -> None:
    assert of(scored, "bicubic", "1")["psnr"] < of(scored, "ibp", "1")["psnr"] < of(scored, "ibp", "4")["psnr"]


def test_scores_are_those_of_a_grey_image_by_scikit_image(scored: dict[str, Any]) -> None:
    hr = IMAGES["flag"]
    first = BURST("flag", hr)[0]
    enlarged = to_uint8(imresize(first.lr, scale=4).clamp(0, 1)[0].permute(1, 2, 0).double()).numpy()
    # a grey image counts as RGB there, whose luma has the studio range: 219 levels from black to white
    expected = peak_signal_noise_ratio(hr[4:-4, 4:-4], enlarged[4:-4, 4:-4], data_range=255 * 255 / 219)
    assert of(scored, "bicubic", "1")["images"]["flag"]["psnr"] == pytest.approx(expected, abs=1e-9)  # float64


def test_the_first_image_of_a_set_is_kept_as_pictures(scored: dict[str, Any]) -> None:
    folder = scored["folder"] / "ibp" / "heldout" / "face"
    assert sorted(path.name for path in folder.iterdir()) == ["1.png", "4.png", "original.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "original.png")), IMAGES["face"])
    assert not (scored["folder"] / "ibp/heldout/flag").exists()


def test_the_tracker_gets_one_number_per_set_and_count(scored: dict[str, Any]) -> None:
    found = frame_scores(scored["ibp"])
    assert found["frames/4/heldout/psnr"] == of(scored, "ibp", "4")["psnr"]
    assert len(found) == 4
    assert frame_scores({}) == {}
