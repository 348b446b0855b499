"""Ranks and choice of the candidates against scipy and plain sorting."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from srlab.datasets.candidates import Candidates
from srlab.datasets.selection_criteria import BEYOND, CHOSEN, DUPLICATE, MEASURES, VERDICTS, Weights, shares

DROPPED = VERDICTS.index("sharpness")
NUMBERS = st.lists(st.one_of(st.integers(0, 5), st.floats(0, 100, width=32)), min_size=1, max_size=30)


def table(values: Sequence[float], column: str = "sharpness", verdicts: Sequence[int] | int = CHOSEN) -> Candidates:
    """Candidates n0, n1, ... that differ in one measure and have distant hashes."""
    rows = np.zeros(len(values), MEASURES)
    rows["hash"] = np.random.default_rng(0).integers(0, 2**64, len(values), np.uint64)
    rows["side"], rows[column] = 300, values
    files = [(f"n{index}", Path(f"/pool/n{index}.png")) for index in range(len(values))]
    return Candidates(files, rows, np.broadcast_to(np.asarray(verdicts, np.uint8), len(values)), seed=0)


@settings(deadline=None)
@given(NUMBERS)
def test_ranks_are_scipys_average_ranks_and_the_best_come_first(values: list[float]) -> None:
    candidates = table(values)
    candidates.rank({"sharpness": 1.0})
    expected = (rankdata(np.float32(values)) - 0.5) / len(values)
    np.testing.assert_allclose(candidates.scores, expected, atol=1e-12)  # float64, values up to 1
    chosen = candidates.choose(99, bits=-1)
    assert np.float32(values)[chosen].tolist() == sorted(np.float32(values), reverse=True)


def test_the_score_is_the_weighted_mean_of_ranks_of_those_that_were_not_dropped() -> None:
    candidates = table([1, 2, 9], verdicts=[CHOSEN, CHOSEN, DROPPED])
    candidates.measures["dark"] = (0.0, 0.1, 0.5)
    counts = {name: number for name, number in candidates.counts().items() if number}
    assert counts == {VERDICTS[BEYOND]: 2, "sharpness": 1}
    candidates.rank(shares(Weights(0, 0, 0, 1, 0, 3)))
    # ranks of two: 1/4 and 3/4; sharpness speaks for the second, exposure for the first
    expected = [(0.75 + 3 * 0.25) / 4, (0.25 + 3 * 0.75) / 4, np.nan]
    np.testing.assert_allclose(candidates.scores, expected, atol=1e-12)  # float64, values up to 1


def test_of_near_hashes_the_one_with_the_better_score_is_chosen() -> None:
    candidates = table([3, 2, 1])
    candidates.measures["hash"] = (0, 2**63 + 1, 2**64 - 1)  # 2 bits, 62 bits apart
    candidates.rank({"sharpness": 1.0})
    assert candidates.choose(3, bits=2) == [0, 2]
    assert candidates.verdicts.tolist() == [CHOSEN, DUPLICATE, CHOSEN]


@pytest.mark.parametrize(("highest", "expected"), [(False, [1, 6, 3, 4, 0, 2]), (True, [0, 3, 4, 1, 6, 2])])
def test_the_candidates_of_one_verdict_are_sorted_with_nan_last(highest: bool, expected: list[int]) -> None:
    values = np.float32([3, 1, np.nan, 2, 2, 9, 1])
    candidates = table(values, verdicts=[DROPPED] * 5 + [CHOSEN] + [DROPPED])
    assert candidates.ordered("sharpness", DROPPED, slice(0, 99), highest=highest) == expected
    assert candidates.ordered("sharpness", DROPPED, slice(4, 6), highest=highest) == expected[4:6]
