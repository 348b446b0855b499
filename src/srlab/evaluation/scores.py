"""The result of `benchmark.evaluate` as one protocol sees it, and as flat rows for a tracker."""

from collections.abc import Mapping
from typing import Any

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS

Metrics = Mapping[str, Any]  # what `evaluate` returns


def under(one: Metrics, protocol: str) -> dict[str, Any]:
    """`one` with the "protocol" and "datasets" of a protocol in place of "protocols"; SrlabError where it has none."""
    if protocol not in one["protocols"]:
        known = ", ".join(one["protocols"])
        raise SrlabError(f"{one['method']} was not scored under {protocol!r}: set report.protocol to one of {known}")
    return {key: value for key, value in one.items() if key != "protocols"} | one["protocols"][protocol]


def set_scores(one: Metrics) -> dict[str, float]:
    """{"<protocol>/<set>/<metric>": value} of one method."""
    return {
        f"{protocol}/{name}/{key}": scores[key]
        for protocol, found in one["protocols"].items()
        for name, scores in found["datasets"].items()
        for key in METRICS
        if key in scores
    }


def cost_scores(cost: Mapping[str, Any]) -> dict[str, float]:
    """{"cost/<name>": number} of what `cost.measure` returns; what was not measured is left out."""
    return {f"cost/{key}": value for key, value in cost.items() if isinstance(value, int | float)}


def image_rows(one: Metrics) -> list[dict[str, Any]]:
    """One {"protocol", "set", "image", metric: value, ...} per test image of one method and protocol, unrounded."""
    return [
        {"protocol": protocol, "set": name, "image": image, **scores}
        for protocol, found in one["protocols"].items()
        for name, of_set in found["datasets"].items()
        for image, scores in of_set["images"].items()
    ]
