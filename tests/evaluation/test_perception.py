"""LPIPS, ST-LPIPS and NIQE against values that others computed; the other two on analytic cases."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from eras import CLASSIC, MODERN
from skimage import data
from standard_sets import Store, mirror

from srlab.degradation.reduction import described, reduce_bicubic
from srlab.errors import SrlabError
from srlab.evaluation.benchmark import image_scores, left_out
from srlab.evaluation.metrics import niqe as niqe_file
from srlab.evaluation.metrics.catalogue import METRICS, of_table
from srlab.evaluation.metrics.high_frequency import HIGH_FREQUENCY, high_frequency
from srlab.evaluation.metrics.lpips import LPIPS, distance, lpips
from srlab.evaluation.metrics.lpips import SHAPES as LPIPS_SHAPES
from srlab.evaluation.metrics.lr_consistency import LR_CONSISTENCY
from srlab.evaluation.metrics.niqe import NIQE, naturalness, niqe
from srlab.evaluation.metrics.st_lpips import SHAPES, ST_LPIPS, st_lpips
from srlab.images.files import read_image
from srlab.training.validation import validation_scores

# MATLAB's rgb2gray: the first row of the inverse of the NTSC matrix, which its manual rounds to 0.2989, 0.5870, 0.1140
RGB2GRAY = np.linalg.inv([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]])[0]


def public(path: str) -> np.ndarray:
    """A picture of the public data; a missing folder skips the test."""
    return read_image(mirror(path))


def planes(image: np.ndarray) -> torch.Tensor:
    return MODERN.planes(image, "rgb")


@pytest.mark.data
def test_niqe_of_baboon_is_the_official_one() -> None:
    image = planes(public("Set14/baboon.png"))
    # official MATLAB code, as BasicSR's niqe.py states it; within 0.001: a second Python implementation reads 5.7300
    assert niqe(image, image, 0).item() == pytest.approx(5.7296, abs=0.001)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "official", "tolerance"),
    # I08: 1.4 % of it is saturated, and there the signs of rounding errors of 1e-14 count, which are each program's own
    [("I04", 3.6549, 0.001), ("I06", 3.2355, 0.001), ("I08", 3.1840, 0.025)],
)
def test_niqe_of_distorted_photos_is_the_official_one(name: str, official: float, tolerance: float) -> None:
    grey = public(f"metrics/calibration/dist/{name}.png") @ RGB2GRAY
    assert naturalness(torch.from_numpy(grey.round())).item() == pytest.approx(official, abs=tolerance)


def alexnet() -> None:
    """Skip the test where there are no weights of AlexNet."""
    if LPIPS.parameters is None or LPIPS.parameters.file() is None:
        pytest.skip("set SRLAB_ALEXNET to AlexNet's weights (docs/metrics.md)")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "official"), [("I03", 0.7237), ("I04", 0.2572), ("I06", 0.05079), ("I08", 0.05205), ("I19", 0.4253)]
)
def test_lpips_of_distorted_photos_is_the_official_one(name: str, official: float) -> None:
    alexnet()
    reference, distorted = (planes(public(f"metrics/calibration/{one}/{name}.png")) for one in ("ref", "dist"))
    # half of the last digit that the table of official values has, and a little for sums in float32
    assert lpips(distorted, reference, 0).item() == pytest.approx(official, abs=6e-5)
    assert lpips(reference, reference, 4).item() == 0


def test_lpips_refuses_other_weights_than_those_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "mine.npz", **{name: np.zeros(shape, np.float32) for name, shape in LPIPS_SHAPES.items()})
    monkeypatch.setenv("SRLAB_ALEXNET", str(tmp_path / "mine.npz"))
    image = planes(data.astronaut()[:40, :40])
    with pytest.raises(SrlabError, match=r"mine\.npz holds other weights than torchvision's AlexNet: get it again"):
        lpips(image, image, 4)


def test_features_count_by_their_direction_alone_and_by_their_layers_weights() -> None:
    """Right angles are a squared distance of 2, whatever the lengths: half of one place in layer 0, all of layer 1."""
    x, y = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    x[0, 0], y[0, 0, 0, 0], y[0, 1, 0, 1] = 5.0, 0.1, 7.0
    heads = [torch.tensor([3.0, 1.0]).reshape(1, 2, 1, 1), torch.tensor([0.0, 0.5]).reshape(1, 2, 1, 1)]
    # by hand: (0 + (3 + 1)) / 2 places, and (0 + 0.5) / 2
    assert distance([x, x], [y, y], heads).tolist() == pytest.approx([2.25])


@pytest.mark.data
@pytest.mark.parametrize(("name", "printed"), [("ex_p0", 0.777755), ("ex_p1", 0.132022)])
def test_st_lpips_of_the_authors_examples_is_what_their_code_prints(name: str, printed: float) -> None:
    first, second = (planes(public(f"metrics/stlpips/{one}.png")) for one in (name, "ex_ref"))
    # 1e-4: the weights are rounded to float16; with the authors' own float32 file it is the printed figure to 1e-6
    assert st_lpips(first, second, 0).item() == pytest.approx(printed, abs=1e-4)


@pytest.mark.data
def test_st_lpips_reads_torchs_own_format_and_is_0_for_equal_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = planes(public("metrics/stlpips/ex_ref.png"))
    file = tmp_path / "alex.pth"
    torch.save({name: one.float() for name, one in ST_LPIPS.parameters.read(SHAPES).items()}, file)  # pyright: ignore
    monkeypatch.setenv("SRLAB_STLPIPS", str(file))
    assert st_lpips(image, image, 4).item() == 0
    assert st_lpips(image.flip(3), image, 4).item() > 0.01


def test_detail_that_the_lr_image_cannot_hold_costs_no_consistency_and_the_rest_does() -> None:
    """Columns that alternate by 10 levels vanish in a reduction by an even factor: its taps are symmetric."""
    hr = np.clip(data.astronaut()[:96, 100:196], 20, 235)
    columns = np.where(np.arange(96) % 2, 10, -10)[None, :, None]
    striped, brighter = (np.uint8(hr.astype(int) + change) for change in (columns, 10))
    own, detail, shifted = (consistency(image, hr) for image in (hr, striped, brighter))
    assert 57 < own < 60  # the rounding of the LR image: 10 log10(12 * 255^2) = 58.9 dB, a little less as it is twofold
    assert detail == pytest.approx(own, abs=0.2)  # mirrored borders break the symmetry in the outermost pixels
    # 10 levels throughout, and the rounding of the LR image, of variance below 1/6, beside it
    assert shifted == pytest.approx(20 * math.log10(25.5), abs=0.02)


def consistency(sr: np.ndarray, hr: np.ndarray) -> float:
    lr = reduce_bicubic(hr, 4)
    return image_scores(sr, hr, 4, [MODERN], "here", {"lr_psnr": LR_CONSISTENCY}, lr)["modern"]["lr_psnr"]


def test_high_frequency_energy_is_that_beyond_the_lr_image_alone() -> None:
    """Waves of 1/16 cycles per px, which an LR image at x4 holds, and of 3/16, which it does not."""
    x = torch.arange(160, dtype=torch.float64)
    low, high = (torch.sin(2 * math.pi * frequency * x) for frequency in (1 / 16, 3 / 16))

    def image(a: float, b: float, turned: bool = False) -> torch.Tensor:
        rows = (0.5 + a * low + b * high).expand(1, 1, 160, 160)
        return rows.transpose(2, 3) if turned else rows

    # 1e-6: what the window spreads from one wave to the other's side
    assert high_frequency(image(0.1, 0.2), image(0.1, 0.1), 4).item() == pytest.approx(4, rel=1e-6)
    assert high_frequency(image(0.2, 0.1), image(0.1, 0.1), 4).item() == pytest.approx(1, rel=1e-6)
    assert high_frequency(image(0.1, 0.05, turned=True), image(0.1, 0.1), 4).item() == pytest.approx(0.25, rel=1e-6)
    assert high_frequency(image(0.1, 0), image(0.1, 0.1), 4).item() == pytest.approx(0, abs=1e-6)


def test_high_frequency_energy_is_the_sum_over_the_full_spectrum() -> None:
    """Parseval, on noise: energy of the windowed image without its low band, computed by numpy's full transform."""
    noise = np.random.default_rng(0).random((2, 31, 40))
    energies = []
    for one in noise:
        spectrum = np.fft.fft2((one - one.mean()) * np.outer(np.hanning(32)[:-1], np.hanning(41)[:-1]))
        high = np.maximum(*np.meshgrid(*(abs(np.fft.fftfreq(n)) for n in (31, 40)), indexing="ij")) > 1 / 8
        energies.append((abs(spectrum) ** 2)[high].sum())
    padded = np.pad(noise, ((0, 0), (4, 4), (4, 4)))  # a border that is ignored
    sr, hr = (torch.from_numpy(one)[None, None] for one in padded)
    assert high_frequency(sr, hr, 4).item() == pytest.approx(energies[0] / energies[1], rel=1e-9)  # float64 sums


def blank(side: int, degradation: str = described(4)) -> Store:
    store = Store({"a": np.zeros((side, 400, 3), np.uint8)})
    store.degradation = degradation
    return store


def test_what_cannot_be_measured_is_left_out_for_a_whole_set_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SRLAB_STLPIPS", raising=False)
    monkeypatch.delenv("SRLAB_ALEXNET", raising=False)
    monkeypatch.setenv("SRLAB_DATASETS", str(tmp_path))
    (tmp_path / "parameters.npz").touch()
    monkeypatch.setenv("SRLAB_NIQE", str(tmp_path / "parameters.npz"))
    stores = {"photos": blank(200), "small": blank(196), "noisy": blank(200, "Full(scale=4)")}
    found = left_out(stores, 4)  # pyright: ignore[reportArgumentType]
    wanted = {
        "lpips": "there is no alexnet.npz (docs/metrics.md), as SRLAB_ALEXNET or as metrics/lpips/alexnet.npz in "
        "SRLAB_DATASETS",
        "st_lpips": "there is no stlpips_alex_fp16.npz (docs/metrics.md), as SRLAB_STLPIPS or as "
        "metrics/stlpips/stlpips_alex_fp16.npz in SRLAB_DATASETS",
    }
    assert found == {
        "photos": wanted,
        "small": wanted | {"niqe": "an image has a side below 200 px"},
        "noisy": wanted | {"lr_psnr": "the LR images are not the bicubic reduction of the HR images"},
    }
    assert json.loads(json.dumps(found)) == found


def test_a_variable_that_names_no_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_NIQE", "/nowhere/niqe.npz")
    with pytest.raises(SrlabError, match=r"^SRLAB_NIQE names /nowhere/niqe.npz, which is no file: correct it"):
        left_out({"photos": blank(200)}, 4)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("content", ["empty", "shape", "name"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    file = tmp_path / "niqe.npz"
    arrays = {name: np.zeros(shape) for name, shape in niqe_file.SHAPES.items()}
    if content == "empty":
        file.touch()
    elif content == "shape":
        np.savez(file, **arrays | {"mu_pris_param": np.zeros(36)})
    else:
        np.savez(file, mu=np.zeros((1, 36)))
    monkeypatch.setenv("SRLAB_NIQE", str(file))
    photo = planes(data.astronaut()[:192, :192])
    with pytest.raises(SrlabError, match=rf"^{file} is not what docs/metrics.md names .*: get it again$"):
        niqe(photo, photo, 0)


def test_a_flat_image_has_no_niqe_and_the_image_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {name: torch.eye(*shape, dtype=torch.float64) for name, shape in niqe_file.SHAPES.items()}
    monkeypatch.setattr(type(NIQE.parameters), "read", lambda self, shapes: values)
    flat, photo = np.full((200, 200, 3), 99, np.uint8), data.astronaut()[:200, :200]
    with pytest.raises(SrlabError, match=r"^x on set/a: NIQE is nan: .* leave the image out of the set$"):
        image_scores(flat, photo, 4, [MODERN], "x on set/a", {"niqe": NIQE})


def test_what_is_the_same_under_every_protocol_is_measured_once() -> None:
    calls = []

    def once(sr: torch.Tensor, hr: torch.Tensor, border: int) -> torch.Tensor:
        calls.append(sr.shape)
        return (sr - hr).mean((1, 2, 3))

    rgb = type(NIQE)("x", "X", "", 1, True, "rgb", once)
    photo = data.astronaut()[:64, :64]
    found = image_scores(photo, photo, 4, [MODERN, CLASSIC], "here", {"x": rgb, "hf": HIGH_FREQUENCY})
    assert found == {one: {"x": 0.0, "hf": 1.0} for one in ("modern", "classic")}
    assert len(calls) == 1


def test_a_training_measures_fidelity_alone() -> None:
    photo = torch.rand(1, 3, 64, 64)
    assert set(validation_scores(photo, photo * 0.9, 4)) == {f"val/{key}" for key in of_table("fidelity")}
    assert {key for key, metric in METRICS.items() if metric.table == "fidelity"} == {"psnr", "ssim"}
