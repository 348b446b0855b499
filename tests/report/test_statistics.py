"""Which differences are more than chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.report.statistics import compare, section

NOISE = np.random.default_rng(0).normal(0, 1, 30)


def test_the_p_value_of_differences_of_one_sign_is_that_of_the_exact_test() -> None:
    """All 2^n signs are equally likely, and two of these outcomes are as extreme: n positive, n negative."""
    found = compare(np.arange(1, 21) * 0.01 + 5, np.full(20, 5.0))
    assert found.p == pytest.approx(2 / 2**20, rel=1e-9)
    assert found.mean == pytest.approx(0.105)


def test_the_interval_is_near_that_of_students_t() -> None:
    found = compare(NOISE + 1, np.zeros(30))
    half = 2.045 * NOISE.std(ddof=1) / np.sqrt(30)  # t of 29 degrees of freedom, 97.5 %
    # 0.08: a percentile interval is narrower by sqrt(29 / 30) * 1.96 / 2.045, and drawn at random
    assert (found.low, found.high) == pytest.approx((NOISE.mean() + 1 - half, NOISE.mean() + 1 + half), abs=0.08)
    assert compare(NOISE + 1, np.zeros(30)) == found  # a fixed seed


@settings(max_examples=10)  # 10,000 resamples each
@given(st.lists(st.floats(10, 50), min_size=20, max_size=40), st.floats(0.01, 3))
def test_equal_methods_are_not_distinguishable_and_a_constant_advantage_is(values: list[float], gain: float) -> None:
    assert not compare(values, values).distinguishable
    better = [value + gain for value in values]
    assert compare(better, values).distinguishable
    assert compare(values, better).mean == pytest.approx(-gain)


def result(method: str, psnrs: np.ndarray) -> dict:
    images = {f"{index}": {"psnr": float(value)} for index, value in enumerate(psnrs)}
    datasets = {"few": {"psnr": 50.0, "images": {"a": {"psnr": 50.0}}}, "many": {"psnr": float(psnrs.mean())}}
    datasets["many"]["images"] = images
    return {"method": method, "label": method.upper(), "protocols": {"modern": {"datasets": datasets}}}


def test_neighbours_of_the_largest_set_are_compared_in_the_order_of_their_psnr() -> None:
    images = 25 + 5 * np.random.default_rng(1).random(30)
    metrics = [result("c", images - 1 + 0.01 * NOISE), result("a", images + 0.1 * NOISE), result("b", images)]
    text = section(metrics, "modern", {"many": "Many"})
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if "|" in line][2:]
    first, second = ("A", "B") if NOISE.mean() > 0 else ("B", "A")
    assert [row[:3] for row in rows] == [[first, second, "not distinguishable"], [second, "C", ""]]
    assert rows[1][5:] == ["30", "1.9e-09"]  # 2 / 2^30: every difference has one sign
    assert "by PSNR on Many" in text


@pytest.mark.parametrize("metrics", [[result("a", NOISE[:19]), result("b", NOISE[:19])], [result("a", NOISE)]])
def test_too_few_images_or_methods_are_not_tested_and_the_page_says_so(metrics: list) -> None:
    assert section(metrics, "modern", {}).endswith("Not tested: that takes two methods and a test set of 20 images.")
