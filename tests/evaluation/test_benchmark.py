"""A method against test sets. (Published figures: `test_published_network.py`, `test_canary.py`.)"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from eras import CLASSIC, MODERN
from PIL import Image
from skimage import data
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio
from standard_sets import Store

from srlab.errors import SrlabError
from srlab.evaluation.benchmark import evaluate

CPU = torch.device("cpu")


class Copying:
    """Nearest neighbour, and then what `change` makes of it."""

    label = "Copying"

    def __init__(self, change=lambda output: output) -> None:
        self.change = change

    def upscale(self, lr: torch.Tensor, scale: int) -> torch.Tensor:
        return self.change(lr.repeat_interleave(scale, 2).repeat_interleave(scale, 3))


@pytest.fixture
def stores() -> dict:
    photos = {"astronaut": data.astronaut()[:90, :121], "coffee": data.coffee()[100:163, 200:264]}
    return {"colour": Store(photos, 4), "grey": Store({"camera": data.camera()[100:200, 200:280, None]}, 4)}


def run(stores: dict, folder: Path, method=None, num_samples: int = 1) -> dict:
    return evaluate("copying", method or Copying(), stores, 4, [MODERN, CLASSIC], folder / "samples", num_samples, CPU)


def test_the_result_has_the_documented_keys_and_survives_strict_json(stores: dict, tmp_path: Path) -> None:
    result = run(stores, tmp_path)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    protocols = result.pop("protocols")
    assert result.pop("left_out").keys() == stores.keys()
    assert result == {"method": "copying", "label": "Copying", "scale": 4}
    assert {name: one["protocol"] for name, one in protocols.items()} == {
        "modern": str(MODERN),
        "classic": str(CLASSIC),
    }
    for one in protocols.values():
        images = {name: list(scores["images"]) for name, scores in one["datasets"].items()}
        assert images == {"colour": ["astronaut", "coffee"], "grey": ["camera"]}


def test_a_score_equals_scikit_images_on_the_saved_png(stores: dict, tmp_path: Path) -> None:
    """Under the modern protocol on scikit-image's own studio-range luma, under the classic one on that luma rounded."""
    protocols = run(stores, tmp_path)["protocols"]
    saved = np.asarray(Image.open(tmp_path / "samples/colour/astronaut.png"))
    planes = [rgb2ycbcr(image)[4:-4, 4:-4, 0] for image in (stores["colour"].hr("astronaut"), saved)]
    for name, plane in (("modern", planes), ("classic", [np.floor(plane + 0.5) for plane in planes])):
        ours = protocols[name]["datasets"]["colour"]["images"]["astronaut"]["psnr"]
        # 1e-7 dB: its luma is a matrix product in float64, whose last digits are others
        assert ours == pytest.approx(peak_signal_noise_ratio(*plane, data_range=255), abs=1e-7)


def test_a_set_scores_the_mean_of_its_images(stores: dict, tmp_path: Path) -> None:
    scores = run(stores, tmp_path)["protocols"]["modern"]["datasets"]["colour"]
    for metric in ("psnr", "ssim"):
        values = [image[metric] for image in scores["images"].values()]
        assert scores[metric] == pytest.approx(sum(values) / 2, abs=1e-12)  # two float64 terms
        assert values[0] != values[1]


def test_the_first_samples_of_each_set_replace_those_of_an_earlier_run(stores: dict, tmp_path: Path) -> None:
    for num_samples, coffee in ((9, True), (1, False)):
        run(stores, tmp_path, num_samples=num_samples)
        assert (tmp_path / "samples/colour/astronaut.png").exists()
        assert (tmp_path / "samples/grey/camera.png").exists()
        assert (tmp_path / "samples/colour/coffee.png").exists() == coffee
    run(stores, tmp_path, num_samples=0)
    assert list((tmp_path / "samples").iterdir()) == []


def test_a_failed_run_leaves_the_earlier_samples(stores: dict, tmp_path: Path) -> None:
    run(stores, tmp_path)
    with pytest.raises(SrlabError):
        run(stores, tmp_path, Copying(lambda output: output * float("nan")))
    assert (tmp_path / "samples/grey/camera.png").exists()


def test_output_outside_0_to_1_is_clipped(stores: dict, tmp_path: Path) -> None:
    run(stores, tmp_path, Copying(lambda output: output * 0 + 1.7))
    assert np.asarray(Image.open(tmp_path / "samples/colour/astronaut.png")).min() == 255


def infinite_on_grey(output: torch.Tensor) -> torch.Tensor:
    output[0, 0, 3, 3] = float("inf") if output.shape[1] == 1 else 0.5
    return output


FLAT = {"flat": Store({"blank": np.full((40, 40, 3), 99, np.uint8)}, 4)}
TINY = {"tiny": Store({"dot": data.astronaut()[:16, :40]}, 4)}
REFUSED = {  # stores (None: those of the fixture), method, message
    "not finite": (None, Copying(infinite_on_grey), "copying on grey/camera: the output is not finite"),
    "size": (None, Copying(lambda x: x[..., 1:]), r"copying on colour/astronaut: the output is \(88, 119, 3\)"),
    "equal": (FLAT, Copying(), "copying on flat/blank: PSNR is inf: the output equals the original"),
    "too small": (TINY, Copying(), "copying on tiny/dot: an image of 40x16 px is too small"),
    "scale": ({"double": Store({"a": data.coffee()}, 2)}, Copying(), "double was made for x2, this run wants x4"),
    "empty": ({"empty": Store({}, 4)}, Copying(), "empty has no test images"),
}


@pytest.mark.parametrize(("wrong", "method", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_scored_is_refused_by_name(stores: dict, tmp_path: Path, wrong, method, message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        run(wrong or stores, tmp_path, method)


def test_a_network_is_moved_to_the_device(stores: dict, tmp_path: Path) -> None:
    method, devices = Copying(), []
    setattr(method, "to", devices.append)  # noqa: B010
    run(stores, tmp_path, method)
    assert devices == [CPU]
