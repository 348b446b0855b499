"""The comparison of one frame with several."""

import json
from pathlib import Path

import numpy as np
import pytest
from eras import MODERN
from PIL import Image
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio

from srlab.classical.burst import Burst
from srlab.classical.ibp import IBP
from srlab.datasets.augmentation import build_index
from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic
from srlab.errors import SrlabError
from srlab.evaluation.frames import compare, rows, set_scores
from srlab.files import read_json
from srlab.images.files import write_png
from srlab.images.resample import imresize, to_uint8
from srlab.patches.packing import pack
from srlab.patches.pairs import PairStore

BURST = Burst(4, 0, 4, 1.2, 1.0)
IMAGES = {"face": astronaut()[:96, 160:288], "flag": astronaut()[300:396, 0:96, :1]}


def packed(images: dict[str, np.ndarray], folder: Path) -> PairStore:
    for name, image in images.items():
        write_png(folder / "in" / f"{name}.png", image)
    fetch_images(Folder(str(folder / "in"), None), folder / "images", 16)
    index = build_index(read_json(folder / "images/manifest.json"), "test", 0, 1, seed=0)
    pack(folder / "images", index, Bicubic(4), folder / "pairs", 16)
    return PairStore(folder / "pairs")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    store, folder = packed(IMAGES, tmp_path_factory.mktemp("store")), tmp_path_factory.mktemp("out") / "frames"
    return compare({"ibp": IBP(Bicubic(4), "IBP", 20, "bicubic")}, {"heldout": store}, BURST, MODERN, folder), folder


def test_bicubic_of_one_frame_comes_first_then_each_method_with_one_and_with_all(compared: tuple[dict, Path]) -> None:
    scores, folder = compared
    assert [(one["method"], one["label"], one["frames"]) for one in scores["results"]] == [
        ("bicubic", "Bicubic", 1),
        ("ibp", "IBP", 1),
        ("ibp", "IBP", 4),
    ]
    assert all(list(one["datasets"]["heldout"]["images"]) == ["face", "flag"] for one in scores["results"])
    assert (scores["protocol"], scores["scale"]) == (str(MODERN), 4)
    assert scores["burst"] == {"num": 4, "sigma": 1.2, "noise": 1.0}
    assert json.loads((folder / "scores.json").read_text()) == scores


def test_an_image_that_comes_back_as_it_was_is_refused_by_name(tmp_path: Path) -> None:
    """Its PSNR is infinite, which JSON cannot hold."""
    white = packed({"white": np.full((48, 48, 3), 255, dtype=np.uint8)}, tmp_path)
    with pytest.raises(SrlabError, match=r"^bicubic of 1 frames on flat/white: PSNR is inf: the output equals"):
        compare({}, {"flat": white}, Burst(4, 0, 4, 1.2, 0.0), MODERN, tmp_path / "frames")
    assert not (tmp_path / "frames").exists()


def test_more_frames_score_higher(compared: tuple[dict, Path]) -> None:
    bicubic, one, four = (row["psnr"] for row in rows(compared[0]))
    assert bicubic < one < four


def test_scores_are_those_of_a_grey_image_by_scikit_image(compared: tuple[dict, Path]) -> None:
    hr = IMAGES["flag"]
    first = BURST("flag", hr)[0]
    enlarged = to_uint8(imresize(first.lr, scale=4).clamp(0, 1)[0].permute(1, 2, 0).double()).numpy()
    # a grey image counts as RGB there, whose luma has the studio range: 219 levels from black to white
    expected = peak_signal_noise_ratio(hr[4:-4, 4:-4], enlarged[4:-4, 4:-4], data_range=255 * 255 / 219)
    found = compared[0]["results"][0]["datasets"]["heldout"]["images"]["flag"]["psnr"]
    assert found == pytest.approx(expected, abs=1e-9)  # float64


def test_the_first_image_of_a_set_is_kept_as_pictures(compared: tuple[dict, Path]) -> None:
    folder = compared[1] / "heldout" / "face"
    assert sorted(path.name for path in folder.iterdir()) == ["bicubic_1.png", "ibp_1.png", "ibp_4.png", "original.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "original.png")), IMAGES["face"])
    assert not (compared[1] / "heldout" / "flag").exists()


def test_the_tracker_gets_one_number_per_set_method_and_count(compared: tuple[dict, Path]) -> None:
    found = set_scores(compared[0])
    assert len(found) == 6
    assert found["frames/heldout/ibp_4/psnr"] == compared[0]["results"][2]["datasets"]["heldout"]["psnr"]
