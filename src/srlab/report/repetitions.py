"""Repetitions: entries of params.yaml that differ in their seed alone, and what they score on average."""

import json
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from srlab.evaluation.metrics.metric import Metric

Line = Mapping[str, Any]  # of an entry of params.yaml
FREE = {"seed", "label"}  # what the lines of repetitions may differ in
FREE_OF_PRETRAINED = {"seed", "weights"}  # there the common label says that they are of one training


def repetitions(maps: Mapping[str, Mapping[str, Line]], seed: int) -> dict[str, list[str]]:
    """{first entry: all entries} of each group of repetitions in {map: {entry: line}} of params.yaml.

    `seed` is that of lines without their own. Entries with a seed that the group already has are the same training
    twice: only the first counts.
    """
    groups: dict[tuple[str, str], dict[int, str]] = {}
    for section, entries in maps.items():
        for name, line in entries.items():
            free = FREE_OF_PRETRAINED if section == "pretrained" else FREE
            settings = {key: value for key, value in line.items() if key not in free}
            by_seed = groups.setdefault((section, json.dumps(settings, sort_keys=True)), {})
            by_seed.setdefault(line.get("seed", seed), name)
    members = [list(by_seed.values()) for by_seed in groups.values()]
    return {names[0]: names for names in members if len(names) > 1}


def mean_label(label: str, num: int) -> str:
    """What the row of a group is called; `label` is that of its first entry."""
    return f"{label}, mean of {num} seeds"


def mean_text(values: Sequence[float], metric: Metric) -> str:
    """Mean and standard deviation of a sample (ddof 1) of two or more values, as in "30.21 ± 0.03"."""
    return f"{metric.text(mean(values))} ± {metric.text(stdev(values))}"
