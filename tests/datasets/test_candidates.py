"""The table of candidates against numpy and scipy, which have all of it in memory."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from srlab.datasets.candidates import CHUNK, Candidates
from srlab.datasets.selection_criteria import BEYOND, CHOSEN, MEASURES, VERDICTS, Weights, shares

DROPPED = VERDICTS.index("sharpness")
NUMBERS = st.lists(st.one_of(st.integers(0, 5), st.floats(0, 100, width=32)), min_size=1, max_size=30)


def table(values: Sequence[float], column: str = "sharpness", verdicts: Sequence[int] | int = CHOSEN) -> Candidates:
    """Candidates n0, n1, ... that differ in one measure."""
    rows = np.zeros(len(values), MEASURES)
    rows["side"], rows[column] = 300, values
    candidates = Candidates(seed=0)
    files = [(f"n{index}", Path(f"/pool/n{index}.png")) for index in range(len(values))]
    candidates.add(files, rows, np.broadcast_to(np.asarray(verdicts, np.uint8), len(values)))
    return candidates


def scores(candidates: Candidates) -> list[float]:
    return [row["score"] for row in candidates.table()]


@settings(deadline=None)
@given(NUMBERS)
def test_ranks_are_scipys_average_ranks(values: list[float]) -> None:
    candidates = table(values)
    candidates.rank({"sharpness": 1.0})
    expected = (rankdata(np.float32(values)) - 0.5) / len(values)
    np.testing.assert_allclose(scores(candidates), expected, atol=1e-12)  # float64, values up to 1


def test_the_score_is_the_weighted_mean_of_ranks_of_those_that_were_not_dropped() -> None:
    rows = np.zeros(3, MEASURES)
    rows["sharpness"], rows["dark"] = (1, 2, 9), (0.0, 0.1, 0.5)
    candidates = Candidates(seed=0)
    candidates.add([(name, Path(name)) for name in "abc"], rows, np.array([CHOSEN, CHOSEN, DROPPED]))
    candidates.rank(shares(Weights(0, 0, 0, 1, 0, 3)))
    # ranks of two: 1/4 and 3/4; sharpness speaks for the second, exposure for the first
    expected = [(0.75 + 3 * 0.25) / 4, (0.25 + 3 * 0.75) / 4, np.nan]
    np.testing.assert_allclose(scores(candidates), expected, atol=1e-12)  # float64, values up to 1


@settings(deadline=None)
@given(NUMBERS)
def test_best_first_is_by_falling_score(values: list[float]) -> None:
    candidates = table(values)
    candidates.rank({"sharpness": 1.0})
    found = [np.float32(values)[place] for place, _ in candidates.best_first()]
    assert found == sorted(np.float32(values), reverse=True)


def test_hashes_keep_all_their_bits() -> None:
    hashes = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
    candidates = table(hashes, "hash")
    candidates.rank({"sharpness": 1.0})
    assert [row["hash"] for row in candidates.table()] == hashes
    assert dict(candidates.best_first()) == dict(enumerate(hashes))


@pytest.mark.parametrize("text", ["plain", "two\nlines", "\udcff", "\ud800 alone", "quote \" and ' and ,"])
def test_any_name_and_path_come_back(text: str) -> None:
    candidates = Candidates(seed=0)
    candidates.add([(text, Path(text))], np.zeros(1, MEASURES), np.zeros(1, np.uint8))
    assert candidates[0] == (text, Path(text))
    assert [row["name"] for row in candidates.table()] == [text]


def test_measures_come_back_as_they_were_also_without_a_number() -> None:
    values = np.float32([0.1, np.nan, 1e-30, 100])
    found = [row["blocking"] for row in table(values, "blocking").table()]
    np.testing.assert_array_equal(np.float32(found), values)


@settings(deadline=None)
@given(NUMBERS, st.floats(0, 100))
def test_percentiles_are_numpys(values: list[float], share: float) -> None:
    # numpy's line between two neighbours and ours differ by roundings of float64
    expected = [np.percentile(np.float64(np.float32(values)), share)]
    np.testing.assert_allclose(table(values).percentiles("sharpness", [share]), expected, rtol=1e-9)


def test_nobody_has_no_percentiles() -> None:
    assert table([1.0], verdicts=DROPPED).percentiles("score", [50]) == []


def test_histograms_are_numpys_with_the_ends_taking_what_is_beyond() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=2 * CHUNK + 7).astype(np.float32)
    verdicts = generator.choice([CHOSEN, DROPPED], len(values))
    edges = np.linspace(-1, 1, 9)
    found = table(values, verdicts=verdicts).histogram("sharpness", edges)
    for counts, verdict in zip(found, (CHOSEN, DROPPED), strict=True):
        expected = np.histogram(np.clip(np.float64(values[verdicts == verdict]), -1, 1), edges)[0]
        assert counts.tolist() == expected.tolist()


@pytest.mark.parametrize("highest", [False, True])
def test_the_ordered_are_numpys_stable_order_of_one_verdict(highest: bool) -> None:
    values = np.float32([3, 1, np.nan, 2, 2, 9, 1])
    verdicts = [DROPPED] * 5 + [CHOSEN] + [DROPPED]
    candidates = table(values, verdicts=verdicts)
    mine = np.flatnonzero(np.array(verdicts) == DROPPED)
    expected = mine[np.argsort(-values[mine] if highest else values[mine], kind="stable")]
    assert candidates.ordered("sharpness", DROPPED, slice(0, 99), highest=highest) == expected.tolist()
    assert candidates.ordered("sharpness", DROPPED, slice(4, 6), highest=highest) == expected[4:6].tolist()


def test_a_verdict_can_be_changed_while_the_best_are_read() -> None:
    candidates = table(range(3000))
    candidates.rank({"sharpness": 1.0})
    seen = []
    for place, _ in candidates.best_first():
        candidates.set_verdict(place, CHOSEN if place % 2 else DROPPED)
        seen.append(place)
    assert seen == list(range(2999, -1, -1))
    assert candidates.counts() == {CHOSEN: 1500, DROPPED: 1500}


def test_those_that_no_criterion_drops_are_not_chosen_yet() -> None:
    assert table([1, 2], verdicts=[CHOSEN, DROPPED]).counts() == {BEYOND: 1, DROPPED: 1}


MEMORY = """
import resource
from pathlib import Path
import numpy as np
from srlab.datasets import selection
from srlab.datasets.selection_criteria import MEASURES, Criteria, Weights

rows = np.zeros(997, MEASURES)
rows["side"] = 300
for key in MEASURES.names[1:-1]:
    rows[key] = np.random.default_rng(0).random(997)
selection._row = lambda path: rows[int(path.name) % 997 :][:1]
for num in (10_000, 50_000):
    files = ((f"name_{i}", Path(f"/a/folder/of/pictures/{i}")) for i in range(num))
    found = selection.select(files, 500, Criteria(0, 0, 0, 1, 1, 0, 0.1, -1), Weights(1, 1, 0, 1, 1, 1), 0, 1)
    sum(1 for _ in found.candidates.table())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_memory_does_not_grow_with_the_number_of_candidates() -> None:
    """In a process of its own, since the peak of this one is that of all tests before."""
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    few, many = (int(line) for line in run.stdout.splitlines() if line.isdigit())
    # kB. The sorts fill their caches once (2.6 MB); arrays of all candidates would be 200 bytes each, 8 MB.
    assert many - few < 4 * 1024
