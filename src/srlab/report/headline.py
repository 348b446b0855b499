"""The README's table: what the shipped weights reach on the standard sets, beside what was published."""

from collections.abc import Mapping, Sequence
from typing import Any

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.evaluation.scores import under
from srlab.report.literature import PAPER_SCALE, Published
from srlab.report.table import NONE, markdown


def headline(
    metrics: Sequence[Mapping[str, Any]],
    rows: Mapping[str, str],
    sets: Sequence[str],
    protocol: str,
    perception: str,
    published: Sequence[Published],
) -> str:
    """Markdown table of PSNR and SSIM per set, ours, and the PSNR that was published, a method a row.

    The last column is the metric `perception` on the last set. "–" is what was not published, or not measured for lack
    of weights. `rows` is {method: label in the literature, or "label (training set)"}; `metrics` are results of
    `evaluate`. SrlabError if a method was not evaluated, or the literature has no such label, or several of it.
    """
    evaluated = {one["method"]: one for one in metrics}
    figures: dict[tuple[str, str], list[str]] = {}
    for one in published:
        for label in (one.label, f"{one.label} ({one.training})") if one.scale == PAPER_SCALE else ():
            figures.setdefault((label, one.set), []).append(one.psnr)
    lines = []
    for name, label in rows.items():
        if name not in evaluated:
            raise SrlabError(f"{name} of conf/headline.yaml was not evaluated: add its line to params.yaml")
        if label not in {known for known, _ in figures}:
            raise SrlabError(f"literature.csv has no {label!r}: correct conf/headline.yaml")
        if any(len(found) > 1 for (known, _), found in figures.items() if known == label):
            raise SrlabError(f"literature.csv has {label!r} of several training sets: add one in conf/headline.yaml")
        found = under(evaluated[name], protocol)
        cells = [found["label"]]
        for set_name in sets:
            scores, (printed,) = found["datasets"][set_name], figures.get((label, set_name), [NONE])
            cells += [METRICS["psnr"].text(scores["psnr"]), printed or NONE, METRICS["ssim"].text(scores["ssim"])]
        seen = found["datasets"][sets[-1]].get(perception)
        lines.append([*cells, NONE if seen is None else METRICS[perception].text(seen)])
    headings = [heading for one in sets for heading in (f"{one}: PSNR (dB)", "published", "SSIM")]
    headings.append(f"{sets[-1]}: {METRICS[perception].heading}")
    return markdown(["Method", *headings], lines, num_text=1) + "\n"
