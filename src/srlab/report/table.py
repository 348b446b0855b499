"""The comparison as text: a Markdown page, and flat rows for a tracker."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from srlab.errors import SrlabError
from srlab.evaluation.cost import SIDE
from srlab.evaluation.machine import MACHINE_BUSY
from srlab.evaluation.metrics.catalogue import METRICS, of_table
from srlab.evaluation.metrics.metric import Metric
from srlab.evaluation.scores import under
from srlab.models.base.network import counted
from srlab.report.audit import paper_remarks
from srlab.report.checks import joined
from srlab.report.literature import PAPER_SCALE, Published
from srlab.report.repetitions import mean_label, mean_text

Metrics = Mapping[str, Any]  # what `evaluation.benchmark.evaluate` returns
Cost = Mapping[str, Any]  # what `evaluation.cost.measure` returns
Paper = Mapping[str, Mapping[str, Mapping[str, float]]]  # set -> method -> metric -> value

NONE = "–"  # a figure that there is not
PAPER = ("psnr", "ssim")  # the metrics of the paper's Table 2, and of what other papers print
ERA = "classic"  # the protocol of the paper's time
SSIM_KINDS = {"gauss": "Gaussian", "daala": "daala", "": "not stated"}
METHOD_NAMES = {"bicubic": "Bicubic", "srcnn": "SRCNN", "espcn": "ESPCN", "srgan": "SRGAN"}  # the paper's columns
COSTS: dict[str, Callable[[Cost], str]] = {
    "Parameters": lambda cost: f"{cost['num_parameters']:,}" if cost["num_parameters"] else NONE,
    "Multiply-adds (G)": lambda cost: _significant(cost["multiply_adds"], 1e9),
    "ms / MPix": lambda cost: _significant(cost["ms_per_megapixel"], 1) + "*" * bool(cost["remark"]),
    "Peak memory (MB)": lambda cost: _significant(cost["peak_bytes"], 1e6),
}


def summary(
    metrics: Sequence[Metrics],
    protocol: str,
    paper: Paper,
    notes: Sequence[str],
    published: Sequence[Published] = (),
    costs: Mapping[str, Cost] = {},
    titles: Mapping[str, str] = {},
    sections: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] = {},
) -> str:
    """Markdown page of `evaluate` results, a method per line: our table, the paper's beside it, notes, the protocols.

    The first table is of `protocol`; what was published stands beside our figures of its own protocol. `costs` (by
    method) add columns; `titles` are what headings call sets, as in "Set14 (9 of 14 images)"; `sections` follow the
    table. `groups` are `repetitions` of one method: each gets a row with means and standard deviations at the end.

    Where sets of `paper` were evaluated at its scale, its figures and the remarks on them are part of the page. Of
    `published`, what other papers print for the same methods, sets and scale gets a section of its own.

    The best of a column is bold, and so is every method that prints the same figure. SrlabError if there is nothing to
    tabulate, or the methods differ in scale, protocols, sets or images.
    """
    require_comparable(metrics)
    headline = [under(one, protocol) for one in metrics]
    first = headline[0]
    columns = [(name, key) for name in first["datasets"] for key in of_table("fidelity")]
    parts = [f"# Super-resolution x{first['scale']}: results", scores_table(headline, columns, titles, groups, costs)]
    if unchecked := first.get("unchecked"):
        reasons = "; ".join(f"{name} ({reason})" for name, reason in unchecked.items())
        parts.append(f"Nearest and bicubic were not compared with known figures on {reasons}.")
    if costs:
        parts.append(_costs_note(costs))
    parts += sections
    shared = {name: methods for name, methods in paper.items() if name in first["datasets"]}
    if shared and first["scale"] == PAPER_SCALE:
        beside = _beside([under(one, ERA) for one in metrics], shared)
        parts += ["## The paper's own figures beside ours", beside]
        notes = [*notes, *paper_remarks()]
    parts += _published_section(metrics, published)
    if notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    words = [f"- {found['protocol']}" for found in metrics[0]["protocols"].values()]
    parts.append("\n".join([f"Protocols (x{first['scale']}; the first table is {protocol}):", "", *words]))
    return "\n\n".join(parts) + "\n"


def rows(metrics: Sequence[Metrics], costs: Mapping[str, Cost]) -> list[dict[str, Any]]:
    """One {"method", "protocol", "set", metric: value} and cost per method, protocol and set; errors of `summary`."""
    require_comparable(metrics)
    return [
        {"method": one["method"], "protocol": protocol, "set": name}
        | {key: scores[key] for key in METRICS if key in scores}
        | dict(costs[one["method"]])
        for one in metrics
        for protocol, found in one["protocols"].items()
        for name, scores in found["datasets"].items()
    ]


def require_comparable(metrics: Sequence[Metrics]) -> None:
    """SrlabError if there is nothing, or two neighbours were not evaluated alike."""
    if not metrics:
        raise SrlabError("no evaluation to report: name at least one method and run `dvc repro`")
    for left, right in pairwise(metrics):
        conditions = _conditions(right)
        for what, value in _conditions(left).items():
            if conditions[what] != value:
                who = f"{left['method']} and {right['method']}"
                raise SrlabError(f"{who} were evaluated {what}: run `dvc repro` to evaluate both again")
    names = [one["method"] for one in metrics]
    if len(set(names)) < len(names):
        raise SrlabError(f"a method is listed twice among {', '.join(names)}: list each once")


def _conditions(one: Metrics) -> dict[str, Any]:
    """What methods of one table have in common, by what is said of those that have not."""
    found = list(one["protocols"].values())
    sets = found[0]["datasets"]
    return {
        "with different scales": one["scale"],
        "with different protocols": [scored["protocol"] for scored in found],
        "on different sets": set(sets),
        **{f"on different images of {name}": set(scores["images"]) for name, scores in sets.items()},
    }


def scores_table(
    metrics: Sequence[Metrics],
    scored: Sequence[tuple[str, str]],
    titles: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    costs: Mapping[str, Cost] = {},
) -> str:
    """A line per method: its scores by `scored` (set, metric), then what it costs; and a line per group of repetitions.

    `metrics` are those of one protocol; the others as for `summary`.
    """
    by_name = {one["method"]: one for one in metrics}
    evaluated = [[by_name[name] for name in names if name in by_name] for names in groups.values()]
    evaluated = [group for group in evaluated if len(group) > 1]
    headings, columns = ["Method"], [[one["label"] for one in metrics]]
    columns[0] += [mean_label(group[0]["label"], len(group)) for group in evaluated]
    for name, key in scored:
        metric = METRICS[key]
        title = titles.get(name, f"{name} ({counted(image=len(metrics[0]['datasets'][name]['images']))})")
        headings.append(f"{title}: {metric.heading}")
        column = _bold_best([one["datasets"][name][key] for one in metrics], metric)
        means = [mean_text([one["datasets"][name][key] for one in group], metric) for group in evaluated]
        columns.append(column + means)
    if costs:
        for heading, show in COSTS.items():
            headings.append(heading)
            columns.append([show(costs[one["method"]]) for one in metrics] + [NONE] * len(evaluated))
    return markdown(headings, list(zip(*columns, strict=True)), num_text=1)


def _costs_note(costs: Mapping[str, Cost]) -> str:
    devices = list(dict.fromkeys(f"{cost['device']} ({cost['libraries']})" for cost in costs.values()))
    return (
        "Cost, for luma: parameters; multiply-adds of convolutions and matrix products for an output of 1280x720 "
        "(interpolation, activations and sorting are not counted, nor is a method that learns nothing); time per "
        f"million output pixels, of the fastest run (*: {MACHINE_BUSY}, other programs slowed that down); and "
        "memory at the peak beyond what was in use before. "
        f"Measured on {joined(devices)} with an output of {SIDE}x{SIDE}."
    )


def by_kind(metrics: Sequence[Metrics]) -> dict[str, Metrics]:
    """Ours of each method that the literature knows: the entry of that name, else the first of that kind."""
    return {one.get("kind", ""): one for one in reversed(metrics)} | {one["method"]: one for one in metrics}


def _beside(metrics: Sequence[Metrics], paper: Paper) -> str:
    """One line per set and method of the paper: its figure, ours and the difference, for each metric."""
    ours = by_kind(metrics)
    lines = []
    for name, methods in paper.items():
        for method, published in methods.items():
            label = ours[method]["label"] if method in ours else METHOD_NAMES[method]
            line = [name, label]
            for key in PAPER:
                metric = METRICS[key]
                line.append(metric.text(published[key]))
                if method in ours:
                    value = ours[method]["datasets"][name][key]
                    line += [metric.text(value), _difference(value, published[key], metric.decimals)]
                else:
                    line += ["not run", ""]
            lines.append(line)
    headings = [part for key in PAPER for part in (f"{METRICS[key].heading}: paper", "ours", "ours - paper")]
    return markdown(["Set", "Method", *headings], lines, num_text=2)


def _published_section(metrics: Sequence[Metrics], published: Sequence[Published]) -> list[str]:
    """Heading, text and table of the published figures that ours can stand beside; nothing where there is none."""
    ours = {label: by_kind(_of_variant(metrics, label, published)) for label in {row.label for row in published}}
    lines = []
    for name in next(iter(metrics[0]["protocols"].values()))["datasets"]:
        for row in published:
            found = ours[row.label].get(row.method, {"protocols": {}})["protocols"].get(row.protocol)
            if (row.set, row.scale) == (name, metrics[0]["scale"]) and found:
                scores = found["datasets"][name]
                figures = [cell for key in PAPER for cell in (row.printed(key), METRICS[key].text(scores[key]))]
                about = [name, row.label, row.training, row.source, row.protocol, SSIM_KINDS[row.ssim_kind]]
                lines.append([*about, *figures])
    if not lines:
        return []
    headings = ["Set", "Method", "Trained on", "Source", "Protocol", "SSIM"]
    headings += ["PSNR (dB): published", "ours", "SSIM: published", "ours"]
    text = (
        "What other papers print for these methods, beside our figures under the protocol of their era. Their training "
        "sets, and some of their SSIMs, are not ours: an SSIM of another kind than Gaussian does not compare."
    )
    return ["## Published figures beside ours", text, markdown(headings, lines, num_text=6)]


def _of_variant(metrics: Sequence[Metrics], label: str, published: Sequence[Published]) -> list[Metrics]:
    """Those that a published row of that label concerns: SRCNN 9-1-5 of ours does not stand beside SRCNN 9-5-5.

    Where our label begins with published ones, the row's has to begin with one of them, too.
    """
    found = []
    for one in metrics:
        meant = {row.label for row in published if one["label"].startswith(row.label)}
        if not meant or label.startswith(tuple(meant)):
            found.append(one)
    return found


def _bold_best(values: Sequence[float], metric: Metric) -> list[str]:
    # Compared as printed: two cells that read the same must not differ in weight.
    printed = [metric.text(value) for value in values]
    if metric.higher_is_better is None:
        return printed
    best = (max if metric.higher_is_better else min)(printed, key=float)
    return [f"**{text}**" if text == best else text for text in printed]


def _significant(value: float | None, unit: float) -> str:
    """Three significant digits of `value` in `unit`s, or NONE."""
    if value is None:
        return NONE
    rounded = float(f"{value / unit:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:.3g}"


def _difference(ours: float, paper: float, decimals: int) -> str:
    """Signed difference of the two figures as printed, so that the line adds up for the reader."""
    return f"{round(ours, decimals) - round(paper, decimals):+.{decimals}f}"


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]], num_text: int) -> str:
    """A pipe table whose first `num_text` columns are text (left) and the others numbers (right)."""
    rule = ["---"] * num_text + ["---:"] * (len(headings) - num_text)
    escaped = ([cell.replace("|", r"\|") for cell in cells] for cells in [headings, rule, *lines])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in escaped)
