"""The README's table: what the shipped weights reach on the standard sets, beside what was published."""

from collections.abc import Mapping, Sequence
from typing import Any

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.evaluation.scores import under
from srlab.report.literature import Published
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
    of weights. `rows` is {method: label in the literature}; `metrics` are results of `evaluate`. SrlabError if a
    method was not evaluated, or the literature has no such label.
    """
    evaluated = {one["method"]: one for one in metrics}
    known = {(one.label, one.set): one for one in published if one.scale == 4}
    lines = []
    for name, label in rows.items():
        if name not in evaluated:
            raise SrlabError(f"{name} of conf/headline.yaml was not evaluated: add its line to params.yaml")
        if label not in {one.label for one in known.values()}:
            raise SrlabError(f"literature.csv has no {label!r}: correct conf/headline.yaml")
        found = under(evaluated[name], protocol)
        cells = [found["label"]]
        for set_name in sets:
            scores, there = found["datasets"][set_name], known.get((label, set_name))
            cells += [METRICS["psnr"].text(scores["psnr"]), (there and there.psnr) or NONE]
            cells += [METRICS["ssim"].text(scores["ssim"])]
        seen = found["datasets"][sets[-1]].get(perception)
        lines.append([*cells, NONE if seen is None else METRICS[perception].text(seen)])
    headings = [heading for one in sets for heading in (f"{one}: PSNR (dB)", "published", "SSIM")]
    headings.append(f"{sets[-1]}: {METRICS[perception].heading}")
    return markdown(["Method", *headings], lines, num_text=1) + "\n"
