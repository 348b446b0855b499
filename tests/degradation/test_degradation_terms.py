"""M, B and n one by one, against scipy, Pillow and sums that a textbook gives."""

import io
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image

from srlab.degradation.blur import convolve, gaussian_blur, gaussian_kernel, motion_blur, motion_kernel, read_kernel
from srlab.degradation.motion import move
from srlab.degradation.noise import gaussian, jpeg, poisson
from srlab.errors import SrlabError

GENERATOR = np.random.default_rng(0)
PLANE = GENERATOR.random((19, 24))
ZERO = torch.zeros(1, dtype=torch.float64)


def batch(plane: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(plane)[None, None]


def one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def test_a_shift_by_whole_pixels_moves_right_and_down() -> None:
    moved = move(batch(PLANE), torch.tensor([[3.0, 2.0]]), ZERO)[0, 0].numpy()
    np.testing.assert_allclose(moved[2:, 3:], PLANE[:-2, :-3], atol=1e-12)  # float64 rounding of positions


def test_a_shift_by_half_a_pixel_is_that_of_a_smooth_wave() -> None:
    columns = np.arange(64.0)
    wave = np.cos(2 * np.pi * columns / 32)[None].repeat(16, 0)
    moved = move(batch(wave), torch.tensor([[0.5, 0.0]]), ZERO)[0, 0].numpy()
    expected = np.cos(2 * np.pi * (columns - 0.5) / 32)
    # half way a = -0.75 weighs -3/32, 19/32, 19/32, -3/32: 0.3 % too much of a wave of 32 px
    np.testing.assert_allclose(moved[8, 4:-4], expected[4:-4], atol=5e-3)


def test_a_turn_is_anticlockwise() -> None:
    square = PLANE[:19, :19]
    turned = move(batch(square), torch.zeros(1, 2), one(90.0))[0, 0].numpy()
    np.testing.assert_allclose(turned, np.rot90(square), atol=1e-9)  # cos 90 degrees is 6e-17 times a 19 px side


@pytest.mark.parametrize("sigma", [0.4, 2.7])
def test_a_round_gaussian_is_scipys(sigma: float) -> None:
    radius = int(np.ceil(4 * sigma))
    expected = scipy.ndimage.gaussian_filter(PLANE, sigma, mode="reflect", radius=radius)  # scipy's reflect is ours
    blurred = gaussian_blur(batch(PLANE), one(sigma), ZERO, ZERO)[0, 0].numpy()
    np.testing.assert_allclose(blurred, expected, atol=1e-12)


def test_an_oblong_gaussian_along_the_row_is_scipys() -> None:
    expected = scipy.ndimage.gaussian_filter(PLANE, (1.0, 2.0), mode="reflect", radius=8)  # (down, right)
    blurred = gaussian_blur(batch(PLANE), one(2.0), one(0.5), ZERO)[0, 0].numpy()
    np.testing.assert_allclose(blurred, expected, atol=1e-12)


def test_an_oblong_gaussian_leans_as_its_angle_says() -> None:
    kernel = gaussian_kernel(one(4.0), one(0.5), one(30.0))[0].numpy()
    reach = np.arange(-16, 17)
    moments = [(kernel * a * b).sum() for a, b in ((reach, reach), (-reach[:, None], reach), (reach[:, None],) * 2)]
    # R diag(16, 4) R' with R by 30 degrees: 13, 3 sqrt(3), 7; a cut at 4 sigma takes about 0.1 % of the variance
    np.testing.assert_allclose(moments, [13, 3 * np.sqrt(3), 7], rtol=5e-3)


def test_motion_along_the_row_is_a_row_of_equal_weights() -> None:
    kernel = motion_kernel(one(4.0), ZERO)[0].numpy()
    middle = kernel.shape[0] // 2
    # a line of 4 px against triangles 2 px wide: 1/8 at its ends, 1/4 between
    np.testing.assert_allclose(kernel[middle], [0, 1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8, 0], atol=1e-4)  # 64 points a px
    assert kernel.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("angle", [37.0, 90.0])
def test_motion_displaces_nothing_and_spreads_along_its_angle(angle: float) -> None:
    kernel = motion_kernel(one(9.0), one(angle))[0].numpy()
    reach = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    right, up = (kernel * reach).sum(), (kernel * -reach[:, None]).sum()
    product = (kernel * reach * -reach[:, None]).sum()
    assert (right, up) == pytest.approx((0, 0), abs=1e-12)
    expected = 81 / 12 * np.sin(np.radians(2 * angle)) / 2  # variance of an even line of 9 px: 81 / 12
    assert product == pytest.approx(expected, abs=2e-2)  # bilinear weights add a little of their own


@pytest.mark.parametrize(("image", "shape"), [(PLANE, (5, 3)), (PLANE[:3, :4], (15, 15))], ids=["small", "large"])
def test_a_kernel_of_any_size_is_convolved_and_not_correlated(image: np.ndarray, shape: tuple[int, int]) -> None:
    kernel = GENERATOR.random(shape)
    expected = scipy.ndimage.convolve(image, kernel, mode="reflect")
    found = convolve(batch(image), torch.from_numpy(kernel)[None])[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-10)  # float64 sums of up to 225 products


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_a_kernel_file_is_read_and_normalised(tmp_path: Path, suffix: str) -> None:
    path, kernel = tmp_path / f"kernel{suffix}", np.array([[0.0, 1.0, 2.5], [3.0, 4.0, 5.0], [0.25, 1.0, 0.0]])
    np.save(path, kernel) if suffix == ".npy" else path.write_text("0,1,2.5\n3 4 5\n0.25, 1, 0\n")
    np.testing.assert_allclose(read_kernel(path).numpy(), kernel / 16.75, rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.npy", None, "does not exist"),
        ("k.txt", "1 2\n3 4\n", r"shape \(2, 2\)"),
        ("k.txt", "1 2 x\n", "cannot be read"),
        ("k.txt", "1 -3 1\n", "positive number"),
        ("k.npy", "no array", "cannot be read"),
        ("k.csv", "1", r"neither \.npy nor \.txt"),
    ],
)
def test_a_kernel_file_that_is_none_is_refused(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SrlabError, match=message) as caught:
        read_kernel(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_gaussian_noise_has_its_standard_deviation_in_grey_levels() -> None:
    flat = torch.full((1, 3, 100, 100), 0.5, dtype=torch.float64)
    noise = (gaussian(flat, one(10.0), [7]) - flat).numpy() * 255
    assert noise.std() == pytest.approx(10, rel=0.02)  # 30,000 values: standard error 0.4 %
    assert np.abs(np.corrcoef(noise.reshape(3, -1)) - np.eye(3)).max() < 0.04  # 4 standard errors of 10,000 pairs


def test_shot_noise_has_a_variance_of_level_over_peak() -> None:
    level = 0.2
    flat = torch.full((1, 1, 200, 200), level, dtype=torch.float64)
    counted = poisson(flat, one(50.0), [7]).numpy()
    assert counted.mean() == pytest.approx(level, rel=0.01)
    assert counted.var() == pytest.approx(level / 50, rel=0.04)  # 40,000 values: standard error 0.7 %
    np.testing.assert_allclose(counted * 50, np.rint(counted * 50), atol=1e-9)  # photons are whole


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(channels: int) -> None:
    pixels = GENERATOR.integers(0, 256, (16, 24, channels), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(stream, "JPEG", quality=40)
    expected = np.array(Image.open(stream)).reshape(pixels.shape)
    x = torch.from_numpy(pixels / 255.0).permute(2, 0, 1)[None]
    np.testing.assert_array_equal((jpeg(x, one(40))[0].permute(1, 2, 0) * 255).round().numpy(), expected)


TERMS = {
    "move": lambda x, on: move(x, torch.stack([0.7 * on, 0.2 * on], 1), 2 * on),
    "gaussian_blur": lambda x, on: gaussian_blur(x, 1.5 * on, 0.5 * on, 20 * on),
    "motion_blur": lambda x, on: motion_blur(x, 5 * on, 30 * on),
    "poisson": lambda x, on: poisson(x, 100 * on, range(len(on))),
    "gaussian": lambda x, on: gaussian(x, 10 * on, range(len(on))),
    "jpeg": lambda x, on: jpeg(x, 50 * on),
}


@pytest.mark.parametrize("term", TERMS)
def test_strength_0_leaves_an_image_of_a_batch_as_it_is(term: str) -> None:
    x = torch.from_numpy(GENERATOR.random((3, 3, 16, 20)))
    on = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    result = TERMS[term](x, on)
    assert torch.equal(result[1], x[1])
    assert not torch.equal(result[0], x[0])
    assert torch.equal(TERMS[term](x, 0 * on), x)


def test_a_wide_blur_beside_it_does_not_change_a_narrow_one() -> None:
    x = torch.from_numpy(GENERATOR.random((2, 1, 20, 20)))
    both = gaussian_blur(x, torch.tensor([0.6, 3.0]), torch.tensor([0.3, 0.3]), torch.zeros(2))
    alone = gaussian_blur(x[:1], torch.tensor([0.6]), torch.tensor([0.3]), torch.zeros(1))
    torch.testing.assert_close(both[:1], alone, rtol=0, atol=1e-12)  # the same sum with zeros in between
