"""The check of the metrics: what it recognises, lets pass, refuses and leaves unchecked."""

import csv
from collections.abc import Callable
from pathlib import Path

import independent
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from eras import CLASSIC, MODERN
from skimage import data
from standard_sets import Store, standard

from srlab.degradation.imaging import Bicubic
from srlab.degradation.reduction import reduce_bicubic
from srlab.errors import SrlabError
from srlab.evaluation import canary, known
from srlab.evaluation.canary import check
from srlab.evaluation.known import own_images
from srlab.evaluation.metrics.ssim import ssim
from srlab.evaluation.protocol import Protocol
from srlab.images.resample import imresize, to_uint8

BOTH = [MODERN, CLASSIC]
PHOTOS = {"astronaut": data.astronaut()[:122, 100:231], "camera": data.camera()[100:200, 100:223, None]}
SOURCE = "tests/evaluation/independent.py"


@pytest.fixture
def photos_are_a_standard_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """PHOTOS count as standard set "Photos", with figures by the independent implementation."""
    catalogue = {"Photos": {name: (image.shape[:2], image.shape[2]) for name, image in PHOTOS.items()}}
    real = known.known

    def with_photos(scale: int, set_name: str, protocol: str, method: str) -> known.Known | None:
        if (scale, set_name) != (4, "Photos"):
            return real(scale, set_name, protocol, method)
        cut = [Bicubic(4)(image)[0] for image in PHOTOS.values()]
        psnr, value = np.mean([independent.scores(image, 4, method, protocol) for image in cut], axis=0)
        return known.Known(4, "Photos", protocol, method, float(psnr), float(value), "computed", SOURCE)

    monkeypatch.setattr(canary, "catalogue", lambda: catalogue)
    monkeypatch.setattr(canary, "known", with_photos)


def computed() -> dict[tuple[int, str], list[dict[str, str]]]:
    """The lines of known_scores.csv that are called computed, by scale and set."""
    text = Path(known.__file__).with_name("known_scores.csv").read_text().splitlines()
    found: dict[tuple[int, str], list[dict[str, str]]] = {}
    for row in csv.DictReader(line for line in text if not line.startswith("#")):
        if row["by"] == "computed":
            found.setdefault((int(row["scale"]), row["set"]), []).append(row)
    return found


def require_computed(images: list[np.ndarray], rows: list[dict[str, str]]) -> None:
    for row in rows:
        scores = [independent.scores(image, int(row["scale"]), row["method"], row["protocol"]) for image in images]
        psnr, value = np.mean(scores, axis=0)
        # half a unit of the last digit, and what sums in another order leave
        assert psnr == pytest.approx(float(row["psnr"]), abs=0.6e-4)
        assert value == pytest.approx(float(row["ssim"]), abs=0.6e-5)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_every_run_checks_own_images_with_figures_that_were_computed_independently(scale: int) -> None:
    checked = check({}, scale, BOTH)
    assert len(checked.readings) == 8  # two images, two methods, two protocols
    assert checked.unchecked == {}
    for name, image in own_images(scale).items():
        require_computed([image], computed()[scale, name])


@pytest.mark.data
def test_figures_of_set5_were_computed_independently() -> None:
    store = standard("Set5", 4)
    require_computed([store.hr(name) for name in store.test], computed()[4, "Set5"])


def test_a_scale_without_figures_is_refused() -> None:
    with pytest.raises(SrlabError, match=r"no figure is known at x5 .*use a scale of 2, 3, 4, 8"):
        check({}, 5, BOTH)


def refusal(store: Store | None = None) -> str:
    with pytest.raises(SrlabError) as caught:
        check({"photos": store} if store else {}, 4, BOTH)
    return str(caught.value)


@pytest.mark.usefixtures("photos_are_a_standard_set")
@pytest.mark.parametrize("names", [list(PHOTOS), ["img_0", "img_1"]], ids=["by name", "by size"])
def test_a_whole_standard_set_is_recognized_and_checked(names: list[str]) -> None:
    checked = check({"photos": Store(dict(zip(names, PHOTOS.values(), strict=True)))}, 4, BOTH)
    found = [reading.known.method for reading in checked.readings if reading.known.set == "Photos"]
    assert found == ["bicubic", "nearest"] * 2
    assert checked.unchecked == {}


UNCHECKED = {  # images, scale, reason
    "foreign": ({"coffee": data.coffee()[:80, :90]}, 4, "not a standard set"),
    "part": ({"camera": PHOTOS["camera"]}, 4, "1 of the 2 images of Photos"),
    "cropped": ({**PHOTOS, "astronaut": PHOTOS["astronaut"][:80, :90]}, 4, "astronaut is 88x80 px, not 128x120"),
    "grey as RGB": ({**PHOTOS, "camera": PHOTOS["camera"].repeat(3, axis=2)}, 4, "camera has 3 channels, not 1"),
    "scale": (PHOTOS, 2, "no figure of Photos is known at x2"),
}


@pytest.mark.usefixtures("photos_are_a_standard_set")
@pytest.mark.parametrize(("images", "scale", "reason"), UNCHECKED.values(), ids=UNCHECKED)
def test_what_has_no_known_figures_is_said_to_be_unchecked(images: dict, scale: int, reason: str, capsys) -> None:
    checked = check({"mine": Store(images, scale)}, scale, BOTH)
    assert reason in checked.unchecked["mine"]
    assert f"mine is not checked against known figures: {checked.unchecked['mine']}" in capsys.readouterr().out


@pytest.mark.usefixtures("photos_are_a_standard_set")
def test_other_images_under_the_names_of_a_standard_set_are_refused() -> None:
    assert "fetch the images of photos again" in refusal(Store({**PHOTOS, "camera": PHOTOS["camera"] // 2}))


def full_range(self: Protocol, image: np.ndarray) -> np.ndarray:
    luma = image.astype(float) @ np.array([0.299, 0.587, 0.114]) if image.shape[2] == 3 else image[..., 0]
    return (np.round(luma) if self.rounded_luma else luma) / 255


def opencvs(x: np.ndarray, scale: float, method: str = "bicubic") -> np.ndarray:
    size = [round(side * scale) for side in x.shape[:2]]
    planes = torch.from_numpy(x).permute(2, 0, 1)[None]
    return F.interpolate(planes, size=size, mode="bicubic", align_corners=False)[0].permute(1, 2, 0).numpy()


MISTAKES = {  # what is wrong: name and value in the module (or class), the reading that is off
    "luma": ([(Protocol, "luma", full_range)], "bicubic x4 reads"),
    "border": ([(canary, "border", lambda scale: 0)], "bicubic x4 reads"),
    "resize": (
        [
            (canary, "imresize", opencvs),
            (canary, "reduce_bicubic", lambda hr, scale: np.round(opencvs(hr / 255, 1 / scale) * 255)),
        ],
        "bicubic x4 reads",
    ),
    "LR rounded once": (
        [(canary, "reduce_bicubic", lambda hr, scale: reduce_bicubic(hr, scale, "bicubic_float"))],
        "nearest x4 reads",
    ),
    "SSIM": ([(canary, "ssim", lambda sr, hr, border: ssim(sr, hr, border) - 0.1)], "bicubic x4 reads"),
}


@pytest.mark.parametrize(("changes", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_noticed(changes: list, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for change in changes:
        monkeypatch.setattr(*change)
    text = refusal()
    assert message in text
    assert text.endswith("fix srlab.degradation or srlab.evaluation")


WRONG_LR: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "opencv": lambda hr: to_uint8(imresize(hr / 255.0, scale=1 / 4, method="opencv_bicubic")),
    "noise": lambda hr: Bicubic(4)(255 - hr)[1],
}


@pytest.mark.parametrize("make", WRONG_LR.values(), ids=WRONG_LR)
def test_lr_images_of_another_make_are_refused_unless_they_are_meant(make: Callable) -> None:
    store = Store(PHOTOS)
    store.pairs = {name: (hr, make(hr)) for name, (hr, _) in store.pairs.items()}
    assert "1 more are not MATLAB's bicubic x4 reduction of the HR image: run `dvc repro`" in refusal(store)
    store.degradation = "Imaging(scale=4)"
    assert len(check({"photos": store}, 4, BOTH).readings) == 8


@pytest.mark.data
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_metrics_read_the_known_figures_of_the_standard_sets(scale: int) -> None:
    names = ("Set5", "Set14", "BSD100") if scale == 4 else ("Set5", "Set14")
    checked = check({name: standard(name, scale) for name in names}, scale, BOTH)
    assert len(checked.readings) == (2 + len(names)) * 4  # own images, and the sets
    assert checked.unchecked == {}
