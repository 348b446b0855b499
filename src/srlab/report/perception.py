"""What PSNR and SSIM do not see: the second table, and the perception-distortion plane."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from srlab.evaluation.metrics.catalogue import METRICS, of_table
from srlab.evaluation.scores import under
from srlab.report.charts import perception_distortion
from srlab.report.checks import joined
from srlab.report.table import scores_table

Metrics = Mapping[str, Any]  # what `evaluation.benchmark.evaluate` returns
INDICES = ("lpips", "st_lpips", "niqe")  # of the plane: the first that all methods have


def section(
    metrics: Sequence[Metrics],
    protocol: str,
    titles: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    set_name: str,
) -> str:
    """Markdown: a table per set of the metrics of perception that all methods have, and why others are left out.

    `set_name` is the set of the plane; the others are those of `table.summary`.
    """
    headline = [under(one, protocol) for one in metrics]
    parts = ["## Perception", "What PSNR and SSIM do not see; docs/metrics.md says what each figure means."]
    for name in headline[0]["datasets"]:
        if keys := _common(headline, name):
            parts.append(scores_table(headline, [(name, key) for key in keys], titles, groups))
    parts += _left_out(metrics)
    if not _indices(headline, set_name):
        parts.append(f"A perception-distortion plane wants {' or '.join(METRICS[key].label for key in INDICES)}.")
    return "\n\n".join(parts)


def plane(metrics: Sequence[Metrics], set_name: str) -> dict[str, Figure]:
    """{"perception_distortion": the figure} of one protocol; {} if no index of INDICES was measured for all methods."""
    found = _indices(metrics, set_name)
    return {"perception_distortion": perception_distortion(metrics, set_name, METRICS[found[0]])} if found else {}


def _indices(metrics: Sequence[Metrics], set_name: str) -> list[str]:
    return [key for key in INDICES if key in _common(metrics, set_name)]


def _common(metrics: Sequence[Metrics], set_name: str) -> list[str]:
    return [key for key in of_table("perception") if all(key in one["datasets"][set_name] for one in metrics)]


def _left_out(metrics: Sequence[Metrics]) -> list[str]:
    """A line per metric and reason."""
    absent: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for one in metrics:
        for name, reasons in one["left_out"].items():
            for key, reason in reasons.items():
                sets, methods = absent.setdefault((key, reason), ({}, {}))
                sets[name] = methods[one["label"]] = None
    lines = []
    for (key, reason), (sets, methods) in absent.items():
        where = "" if len(sets) == len(metrics[0]["left_out"]) else f" on {joined(list(sets))}"
        who = "" if len(methods) == len(metrics) else f" for {joined(list(methods))}"
        lines.append(f"{METRICS[key].label} was not measured{where}{who}: {reason}.")
    return lines
