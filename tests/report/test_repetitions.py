"""Entries that differ in their seed alone, and the row of their means."""

import pytest
from test_table import COSTS, ours, page, result

from srlab.report.repetitions import repetitions

LINE = {"net": "espcn", "lr": 0.001, "max_epochs": 16}
SECOND = {**LINE, "seed": 2, "label": "ESPCN again"}


def test_lines_that_differ_in_seed_and_label_alone_are_repetitions() -> None:
    models = {"espcn": LINE, "srcnn": {**LINE, "net": "srcnn"}, "espcn_s2": SECOND, "espcn_s3": {**SECOND, "seed": 3}}
    assert repetitions({"models": models}, seed=42) == {"espcn": ["espcn", "espcn_s2", "espcn_s3"]}


def test_pretrained_lines_of_one_label_are_repetitions() -> None:
    one = {"method": "released", "weights": "a1.safetensors", "seed": 1, "label": "A, 3 hours"}
    lines = {
        "a1": one,
        "a2": {**one, "weights": "a2.safetensors", "seed": 2},
        "b": {**one, "weights": "b.safetensors", "seed": 3, "label": "B"},
    }
    assert repetitions({"pretrained": lines}, seed=42) == {"a1": ["a1", "a2"]}


OTHERS = {
    "another setting": {"models": {"espcn": LINE, "other": {**SECOND, "lr": 0.1}}},
    "another network": {"models": {"espcn": LINE, "other": {**SECOND, "net": "srcnn"}}},
    "another map": {"models": {"espcn": LINE}, "gans": {"other": SECOND}},
    "the same seed": {"models": {"espcn": LINE, "other": {**SECOND, "seed": 42}}},
}


@pytest.mark.parametrize("maps", OTHERS.values(), ids=OTHERS)
def test_other_lines_are_not(maps: dict) -> None:
    assert repetitions(maps, seed=42) == {}


def test_a_group_has_a_row_of_means_and_standard_deviations_under_the_methods() -> None:
    """30, 30.1 and 30.2: mean 30.1, deviations -0.1, 0 and 0.1, so that the variance (ddof 1) is 0.02 / 2."""
    names = ["bicubic", "a", "b", "c"]
    metrics = [result(name, 30 + index / 10, 0.8 + index / 100) for index, name in enumerate(["a", "b", "c"])]
    metrics.insert(0, result("bicubic", 28.0, 0.7))
    costs = dict.fromkeys(names, COSTS["srcnn"])
    without = ours(page(metrics, costs=costs))
    lines = ours(page(metrics, costs=costs, groups={"a": ["a", "b", "c", "not evaluated"]}))
    assert lines[:-1] == without
    assert lines[-1] == ["A, mean of 3 seeds", "30.10 ± 0.10", "0.8100 ± 0.0100", "–", "–", "–", "–"]


def test_one_evaluated_entry_of_a_group_has_no_deviation() -> None:
    metrics = [result("a", 30, 0.8)]
    assert page(metrics, groups={"a": ["a", "b"]}) == page(metrics)
