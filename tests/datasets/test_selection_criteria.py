"""Each measure against an analytic case or a reference that we did not write."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import laplace
from skimage import data

from srlab.datasets.selection_criteria import (
    MEASURES,
    VERDICTS,
    WINDOW,
    Criteria,
    Weights,
    blocking_score,
    colourfulness,
    exposure,
    jpeg_quality,
    judge,
    luma,
    measure,
    measure_file,
    perceptual_hash,
    shares,
    sharpness,
)
from srlab.errors import SrlabError

CRITERIA = Criteria(16, 75, 7, 0.3, 0.2, 7.5, 0.05, 6)
GOOD = np.array([(100, 90, 9, 0, 0, 40, 1, 0)], MEASURES)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.chelsea()  # 300x451, never JPEG-coded since it became a PNG


def coded(image: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


# --- colourfulness


@pytest.mark.parametrize(("left", "right", "expected"), [
    ((255, 0, 0), (255, 0, 0), 0.3 * np.hypot(255, 127.5)),  # one colour has its mean term alone
    ((200, 0, 0), (0, 200, 0), 200 + 0.3 * 100),  # R-G is +-200 (mean 0), (R+G)/2-B is 100 everywhere
    ((0, 0, 0), (90, 90, 90), 0),
])  # fmt: skip
def test_colourfulness_by_hand(left: tuple[int, ...], right: tuple[int, ...], expected: float) -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, :4], image[:, 4:] = left, right
    assert colourfulness(image) == pytest.approx(expected, rel=1e-6)


# --- sharpness


def test_sharpness_is_the_variance_of_scipys_laplacian_over_the_variance(photo: np.ndarray) -> None:
    grey = luma(photo)
    expected = laplace(grey.astype(np.float64))[1:-1, 1:-1].var() / grey.astype(np.float64).var()
    assert sharpness(grey) == pytest.approx(expected, rel=1e-4)  # float32 differences


# --- JPEG


@pytest.mark.parametrize("quality", [1, 30, 49, 75, 100])
def test_the_quality_that_libjpeg_was_asked_for_is_read_from_the_file(
    quality: int, photo: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(coded(photo[:64, :64], quality))
    assert measure_file(tmp_path / "x.jpg")["jpeg_quality"][0] == quality


def test_a_png_has_quality_100(photo: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(photo[:32, :32]).save(tmp_path / "x.png")
    assert measure_file(tmp_path / "x.png")["jpeg_quality"][0] == 100


# ITU-T T.81 (1992), table K.1: the luma quantization of quality 50, in natural order
LUMA_TABLE = """
    16 11 10 16 24  40  51  61    12 12 14 19 26  58  60  55    14 13 16 24 40  57  69  56    14 17 22 29 51  87  80  62
    18 22 37 56 68 109 103  77    24 35 55 64 81 104 113  92    49 64 78 87 103 121 120 101   72 92 95 98 112 100 103 99
"""


def test_the_standards_table_is_quality_50_and_one_beside_it_the_nearest() -> None:
    table = np.array([int(number) for number in LUMA_TABLE.split()])
    assert jpeg_quality({0: table.tolist()}) == 50
    assert jpeg_quality({0: (table + 1).tolist()}) in (48, 49, 50)


def block_reference(grey: np.ndarray) -> float:
    """Wang et al. 2002, section 2, sum by sum, in the paper's one-based indices."""
    x = grey.astype(float)
    num_rows, num_columns = x.shape

    def features(x: np.ndarray, m: int, n: int) -> tuple[float, float, float]:
        d = {(i, j): x[i - 1, j] - x[i - 1, j - 1] for i in range(1, m + 1) for j in range(1, n)}
        b = sum(abs(d[i, 8 * j]) for i in range(1, m + 1) for j in range(1, n // 8)) / (m * (n // 8 - 1))
        a = (8 / (m * (n - 1)) * sum(abs(v) for v in d.values()) - b) / 7
        z = sum(d[i, j] * d[i, j + 1] < 0 for i in range(1, m + 1) for j in range(1, n - 1)) / (m * (n - 2))
        return b, a, z

    pairs = zip(features(x, num_rows, num_columns), features(x.T, num_columns, num_rows), strict=True)
    b, a, z = ((first + second) / 2 for first, second in pairs)
    return -245.8909 + 261.9373 * b ** (-239.8886e-4) * a ** (160.1664e-4) * z ** (64.2859e-4)


@pytest.mark.parametrize("shape", [(32, 40), (37, 43)])
def test_the_blocking_score_is_that_of_the_papers_sums(shape: tuple[int, int], photo: np.ndarray) -> None:
    grey = luma(photo)[: shape[0], : shape[1]]
    assert blocking_score(grey) == pytest.approx(block_reference(grey), abs=1e-3)  # float32, times 262


def test_a_flat_picture_has_neither_blocks_nor_sharpness() -> None:
    flat = np.full((32, 32), 9, np.float32)
    assert (blocking_score(flat), sharpness(flat)) == (10, 0)


def test_a_picture_too_small_for_blocks_is_dropped_by_the_criterion() -> None:
    row = measure(np.zeros((15, 90, 3), np.uint8), 100)
    assert np.isnan(row["blocking"][0])
    lenient = Criteria(1, 0, -999, 1, 1, 0, 0, 6)
    assert VERDICTS[judge(row, lenient)[0]] == "blocking"


# --- exposure, size


def test_exposure_counts_the_pixels_at_the_ends_and_the_side_is_the_shorter_one() -> None:
    image = np.full((20, 30, 3), 128, np.uint8)
    image[:4], image[18:] = 0, 255
    row = measure(image, 100)
    assert (row["side"][0], row["dark"][0], row["bright"][0]) == pytest.approx((20, 0.2, 0.1))
    assert exposure(row)[0] == pytest.approx(-0.3)


def test_of_a_large_picture_the_middle_is_measured_on_the_grid_of_its_blocks() -> None:
    image = np.full((24, WINDOW + 1003, 1), 128, np.uint8)
    image[:, :496] = 0  # (3051 - 2048) // 2 = 501, the multiple of 8 below it is 496
    assert measure(image, 100)["dark"][0] == 0


# --- perceptual hash


def test_the_hash_is_the_median_sign_of_scipys_dct(photo: np.ndarray) -> None:
    small = np.asarray(Image.fromarray(photo).convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
    low = dctn(small)[:8, :8]
    bits = "".join("01"[int(bit)] for bit in (low > np.median(low)).ravel())
    assert perceptual_hash(photo) == int(bits, 2)


# --- judging and ranking


@pytest.mark.parametrize(("name", "field", "value"), [
    ("unreadable", "side", 0),
    ("grey", "colourfulness", 0),
    ("side", "side", 15),
    ("jpeg_quality", "jpeg_quality", 74),
    ("blocking", "blocking", 6.9),
    ("dark", "dark", 0.31),
    ("bright", "bright", 0.21),
    ("colourfulness", "colourfulness", 7),
    ("sharpness", "sharpness", 0.04),
])  # fmt: skip
def test_each_criterion_drops_alone(name: str, field: str, value: float) -> None:
    row = GOOD.copy()
    row[field] = value
    assert VERDICTS[judge(row, CRITERIA)[0]] == name


def test_what_meets_every_threshold_exactly_is_kept() -> None:
    row = np.array([(16, 75, 7, 0, 0, 7.5, 0.0625, 0)], MEASURES)  # 0.3 and 0.2 are no float32
    assert VERDICTS[judge(row, Criteria(16, 75, 7, 0, 0, 7.5, 0.0625, 6))[0]] == "chosen"


def test_the_first_failed_criterion_is_the_verdict() -> None:
    row = GOOD.copy()
    row["side"], row["sharpness"] = 3, 0
    assert VERDICTS[judge(row, CRITERIA)[0]] == "side"


def test_the_shares_are_the_ratios_of_the_weights() -> None:
    assert shares(Weights(0, 0, 0, 1, 0, 3)) == {"exposure": 0.25, "sharpness": 0.75}
    assert shares(Weights(2, 2, 2, 2, 2, 2)) == pytest.approx(dict.fromkeys(vars(Weights(*[1] * 6)), 1 / 6))


@pytest.mark.parametrize("weights", [Weights(0, 0, 0, 0, 0, 0), Weights(1, 1, 1, 1, 1, -1)])
def test_weights_that_say_nothing_are_refused(weights: Weights) -> None:
    with pytest.raises(SrlabError, match="at least 0"):
        shares(weights)
