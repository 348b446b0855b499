"""L = DBMH + n as a whole: what is drawn, from what, and that switched off nothing happens."""

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import torch
import yaml
from degradations import EVERYTHING, imaging
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image

from srlab.degradation.imaging import Bicubic, DrawnImaging, degrade, degrade_noiseless
from srlab.errors import SrlabError
from srlab.images.resample import METHODS, imresize, to_uint8

CONF = Path(__file__).parents[2] / "conf/degradation"
HR = np.random.default_rng(0).integers(0, 256, (50, 67, 3), dtype=np.uint8)


@pytest.mark.parametrize(("scale", "channels", "sides"), [(1, 3, (50, 67)), (3, 3, (48, 66)), (4, 1, (48, 64))])
def test_hr_is_cut_at_the_bottom_right_and_lr_has_its_sides_divided_by_scale(
    scale: int, channels: int, sides: tuple[int, int]
) -> None:
    hr, lr = Bicubic(scale)(HR[..., :channels])
    np.testing.assert_array_equal(hr, HR[: sides[0], : sides[1], :channels])
    assert (lr.shape, lr.dtype) == ((sides[0] // scale, sides[1] // scale, channels), np.uint8)
    if scale == 1:
        np.testing.assert_array_equal(lr, HR)


def test_an_image_smaller_than_scale_is_refused() -> None:
    with pytest.raises(SrlabError, match="5x3 px cannot be reduced by 4"):
        Bicubic(4)(np.zeros((3, 5, 3), np.uint8))


def test_all_off_is_bicubic_bit_for_bit() -> None:
    drawn = imaging(2).draw("any")
    assert drawn.parameters == {}
    np.testing.assert_array_equal(drawn(HR)[1], Bicubic(2)(HR)[1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [2, 3])
def test_every_method_reduces_by_every_scale(method: str, scale: int) -> None:
    hr, lr = imaging(scale, method=method).draw("any")(HR)
    assert lr.shape == (hr.shape[0] // scale, hr.shape[1] // scale, 3)
    # means of a thousand even grey levels agree within 4 standard errors where each output pixel sees its own inputs
    assert abs(float(lr.mean()) - float(hr.mean())) < 4 * 74 / np.sqrt(lr.size)


@pytest.mark.parametrize("method", ["pil_bilinear", "pil_bicubic", "pil_lanczos"])
def test_pil_alone_is_pillows_8_bit_resize(method: str) -> None:
    hr, lr = imaging(3, method=method).draw("any")(HR)
    kernel = getattr(Image.Resampling, method.removeprefix("pil_").upper())
    expected = np.asarray(Image.fromarray(hr).resize((22, 16), kernel))
    np.testing.assert_array_equal(lr, expected)


def test_only_blur_is_scipys_gaussian_then_matlabs_reduction() -> None:
    hr, lr = imaging(2, sigma=(1.5, 1.5)).draw("any")(HR)
    blurred = scipy.ndimage.gaussian_filter(hr / 255.0, (1.5, 1.5, 0), mode="reflect", radius=(6, 6, 0))
    difference = lr.astype(int) - to_uint8(imresize(blurred, scale=0.5))
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 1e-3  # blur in float32: a value on a half may round either way


def test_parameters_lie_in_their_ranges_and_fill_them() -> None:
    model = imaging(**EVERYTHING)
    draws = [model.draw(f"image {i}").parameters for i in range(400)]
    for key in ("rotation", "sigma", "anisotropy", "length", "peak", "noise", "quality"):
        low, high = EVERYTHING[key]
        values = np.array([draw[key] for draw in draws])
        assert low <= values.min() <= values.max() <= high
        assert np.histogram(values, 4, (low, high))[0].min() > 60  # 100 +- 9 expected in each quarter
    shifts = np.array([(draw["shift_right"], draw["shift_down"]) for draw in draws])
    lengths = np.hypot(*shifts.T)
    assert 0.1 <= lengths.min() <= lengths.max() <= 1
    assert np.abs(shifts.mean(axis=0)).max() < 0.1  # in all directions: standard error 0.02


@given(name=st.text(), other=st.text(), seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_what_is_drawn_depends_on_seed_and_name_alone(name: str, other: str, seed: int) -> None:
    drawn = imaging(seed=seed, **EVERYTHING).draw(name).parameters
    assert imaging(seed=seed, **EVERYTHING).draw(name).parameters == drawn
    assert imaging(seed=seed + 1, **EVERYTHING).draw(name).parameters != drawn
    assert (imaging(seed=seed, **EVERYTHING).draw(other).parameters == drawn) == (name == other)


def test_switching_noise_on_does_not_change_the_blur() -> None:
    blur = imaging(sigma=(0.3, 2)).draw("any").parameters
    both = imaging(sigma=(0.3, 2), noise=(1, 10)).draw("any").parameters
    assert blur["sigma"] == both["sigma"]


@pytest.mark.parametrize("key", [key for key in EVERYTHING if key != "anisotropy"])
def test_each_term_alone_changes_the_picture(key: str) -> None:
    drawn = imaging(**{key: EVERYTHING[key]}).draw("any")
    assert (drawn(HR)[1] != Bicubic(2)(HR)[1]).mean() > 0.5
    np.testing.assert_array_equal(drawn(HR)[0], Bicubic(2)(HR)[0])  # HR stays what it was


@pytest.mark.parametrize(("term", "expected"), [("shift_right", [8, 10]), ("shift_down", [10, 8])])
def test_a_shift_along_one_axis_alone_moves_the_pixels(term: str, expected: list[int]) -> None:
    scene = np.zeros((32, 32, 1), np.uint8)
    scene[16, 16] = 255
    lr = DrawnImaging(2, "area", {term: 4.0})(scene)[1]
    assert np.argwhere(lr)[:, :2].tolist() == [expected]


def test_a_batch_gives_what_its_images_give_alone() -> None:
    model = imaging(2, **EVERYTHING)
    draws = [model.draw(name) for name in "abc"] + [imaging(2).draw("d")]
    x = torch.from_numpy(np.random.default_rng(1).random((4, 3, 32, 40)))
    together = degrade(x, draws)
    for i, draw in enumerate(draws):
        # JPEG blocks may round one level apart after float32 blurs of another order
        assert (together[i] - degrade(x[i : i + 1], [draw])[0]).abs().mean() < 0.05 / 255


def test_a_kernel_file_blurs_and_leaves_its_digest(tmp_path: Path) -> None:
    scene = np.zeros((32, 32, 1), np.uint8)
    scene[16, 16] = 255
    kernel = np.zeros((3, 9))
    kernel[1, 8] = 1  # the scene 4 px to the right
    np.save(tmp_path / "kernel.npy", kernel)
    drawn = imaging(2, method="area", kernel=str(tmp_path / "kernel.npy")).draw("any")
    assert np.argwhere(drawn(scene)[1]).tolist() == [[8, 10, 0]]
    np.save(tmp_path / "other.npy", kernel[::-1, ::-1])
    other = imaging(2, kernel=str(tmp_path / "other.npy")).draw("any")
    assert drawn.parameters.keys() == {"kernel"}
    assert drawn.parameters["kernel"] != other.parameters["kernel"]


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ({"sigma": (3, 1)}, r"degrade\.sigma is 3\.\.1"),
        ({"quality": (50, 101)}, r"degrade\.quality is 50\.\.101"),
        ({"peak": (0, 100)}, r"degrade\.peak .* min of at least 1"),
        ({"method": "cubic"}, r"degrade\.method 'cubic' is unknown"),
        ({"scale": 2.5}, "whole number"),
    ],
)
def test_a_number_that_makes_no_sense_is_named_in_one_line(on: dict, message: str) -> None:
    with pytest.raises(SrlabError, match=message) as caught:
        imaging(**on)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_builds_a_degradation(path: Path) -> None:
    from hydra.utils import instantiate

    ranges = {key: {"min": low, "max": high} for key, (low, high) in EVERYTHING.items()}
    numbers = {"scale": 2, "seed": 0, "degrade": {"method": "bicubic", "kernel": None, **ranges}}
    degradation = instantiate(OmegaConf.create({**numbers, "made": yaml.safe_load(path.read_text())}).made)
    parameters = degradation.draw("any").parameters
    terms = {"bicubic": (), "classical": ("sigma", "noise"), "full": ("shift_right", "rotation", "sigma", "noise")}
    assert set(terms[path.stem]) <= parameters.keys()
    assert ("length" in parameters, "rotation" in parameters) == (path.stem == "full",) * 2
    assert degradation.draw("any")(HR)[1].shape == (25, 33, 3)


# --- What a method may assume, and the linear part that it inverts


LINEAR = {
    "shift_right": 0.7,
    "shift_down": -0.4,
    "rotation": 1.5,
    "sigma": 1.1,
    "anisotropy": 0.3,
    "sigma_angle": 20.0,
    "length": 2.5,
    "length_angle": 40.0,
}


def test_the_nominal_draw_is_the_middle_of_blur_and_noise_and_nothing_with_a_direction() -> None:
    ranges = {"shift": (0, 1), "rotation": (-1, 2), "sigma": (0.2, 2.0), "anisotropy": (0, 0.5), "length": (0, 3)}
    noise = {"peak": (100, 300), "noise": (0, 5), "quality": (50, 90)}
    found = imaging(**ranges, **noise).nominal()
    assert found.parameters == {"sigma": pytest.approx(1.1), "peak": 200, "noise": 2.5}
    assert (found.scale, found.method, found.kernel) == (2, "bicubic", None)
    assert imaging().nominal() == Bicubic(2).nominal() == DrawnImaging(2, "bicubic", {})


def test_the_kernel_file_is_known_for_every_image(tmp_path) -> None:
    np.save(tmp_path / "kernel.npy", np.ones((3, 5)))
    model = imaging(kernel=str(tmp_path / "kernel.npy"))
    found = model.nominal()
    assert found.parameters == model.draw("any").parameters
    assert found.kernel is not None
    assert found.kernel.shape == (3, 5)


@pytest.mark.parametrize("terms", [{}, {"noise": 3.0}, {"peak": 400.0}, {"peak": 900.0, "noise": 1.0}])
def test_the_variance_is_that_of_what_is_drawn(terms: dict[str, float]) -> None:
    ramp = np.linspace(0.45, 0.55, 400 * 400).reshape(400, 400, 1)  # mid-grey, but between the levels evenly
    draw = DrawnImaging(1, "bicubic", {**terms, "noise_seed": 7})
    x = torch.from_numpy(ramp).permute(2, 0, 1)[None]
    error = (degrade(x, [draw]) * 255).round() / 255 - x
    # 160,000 samples: the relative standard error of a variance is sqrt(2 / 160,000) = 0.35 %
    assert error.var().item() == pytest.approx(draw.variance, rel=0.02)


@pytest.mark.parametrize("scale", [2, 3])
def test_what_is_observed_without_noise_is_expected(scale: int) -> None:
    x = torch.rand(2, 3, 8 * scale, 9 * scale, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    draws = [DrawnImaging(scale, "bicubic", LINEAR), DrawnImaging(scale, "bicubic", {"sigma": 0.5})]
    assert torch.equal(degrade(x, draws), degrade_noiseless(x, draws, scene_dtype=torch.float32))


def test_what_is_expected_is_linear() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 1, 1, 24, 30, dtype=torch.float64, generator=generator)
    draws = [DrawnImaging(2, "bicubic", LINEAR)]
    both, one, other = (degrade_noiseless(image, draws, torch.float64) for image in (3 * x - 2 * y, x, y))
    torch.testing.assert_close(both, 3 * one - 2 * other, rtol=0, atol=1e-12)  # float64 rounding of values below 5
