"""All methods in one picture: quality against time, and the family tree with each method's figure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from srlab.evaluation.metrics.metric import Metric
from srlab.report.figures import COLOURS, FAINT, INK

Metrics = Mapping[str, Any]  # what `evaluation.scores.under` returns, with "branch"
SEPARATOR = " / "  # of a branch, as in "Learning / Sparse representation"
DOTS, RANGE = 5.4, 3.2  # inches: where the lines with the dots of the family tree begin, and their length
# Where a label may stand around its point, in points, nearest first: (right, up), its alignment; a line joins FAR ones
NEAR = [(6, 3, "left"), (6, -9, "left"), (-6, 3, "right"), (-6, -9, "right"), (0, 8, "center"), (0, -14, "center")]
FAR = [
    (radius * math.cos(angle), radius * math.sin(angle) - 3, "left" if math.cos(angle) > 0 else "right")
    for radius in (20, 32, 46, 62, 80, 100)
    for angle in np.radians([40, -40, 140, -140, 15, -15, 165, -165, 65, -65, 115, -115])
]


def quality_and_time(metrics: Sequence[Metrics], costs: Mapping[str, Mapping[str, Any]], set_name: str) -> Figure:
    """Mean PSNR (dB) on `set_name` against milliseconds per output megapixel (log axis), the Pareto front as a line.

    A method lies on the front if no other is both at least as fast and better, or faster and at least as good.
    One without a time, since the machine was busy, has no point.
    """
    metrics = [one for one in metrics if costs[one["method"]]["ms_per_megapixel"] is not None]
    times = [costs[one["method"]]["ms_per_megapixel"] for one in metrics]
    values = [one["datasets"][set_name]["psnr"] for one in metrics]
    figure, axes = _plane(f"PSNR on {set_name} (dB)", "ms per output megapixel")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    _scatter(figure, metrics, times, values, pareto_front(times, values), "steps-post", "lower right")
    return figure


def perception_distortion(metrics: Sequence[Metrics], set_name: str, index: Metric) -> Figure:
    """The plane of Blau and Michaeli 2018: mean PSNR (dB) on `set_name` against a perceptual index, lower is better.

    The line is the front: no other method has both a higher PSNR and a lower index.
    """
    psnrs = [one["datasets"][set_name]["psnr"] for one in metrics]
    values = [one["datasets"][set_name][index.name] for one in metrics]
    figure, _ = _plane(f"{index.heading} on {set_name}: lower is better", f"PSNR on {set_name} (dB)")
    front = pareto_front([-psnr for psnr in psnrs], [-value for value in values])
    _scatter(figure, metrics, psnrs, values, front, "steps-pre", "upper right")
    return figure


def pareto_front(times: Sequence[float], values: Sequence[float]) -> list[int]:
    """Indices of the points that no other beats: smaller time is better, and so is a larger value."""
    points = list(zip(times, values, strict=True))

    def beaten(time: float, value: float) -> bool:
        return any(t <= time and v >= value and (t, v) != (time, value) for t, v in points)

    return [index for index, (time, value) in enumerate(points) if not beaten(time, value)]


def family_tree(metrics: Sequence[Metrics], set_name: str) -> Figure:
    """The taxonomy of An, Dai and An 2022, sections 1 and 2.2, with each method's PSNR (dB) on `set_name`.

    It is drawn from the methods' "branch".
    """
    lines = list(_tree(metrics))
    height = 0.27 * len(lines) + 0.7
    figure = Figure(figsize=(9, height), dpi=150, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 9), ylim=(height, 0))
    axes.axis("off")
    axes.text(0.25, 0.3, f"Super-resolution methods, and their PSNR on {set_name} (dB)", fontsize=11, color=INK)
    colours = _branch_colours(metrics)
    values = [one["datasets"][set_name]["psnr"] for one in metrics]
    low, high = min(values), max(values)
    parents: dict[int, float] = {}
    for row, (depth, text, trunk, index) in enumerate(lines):
        x, y = 0.35 + 0.45 * depth, 0.72 + 0.27 * row
        if depth:
            elbow = x - 0.3
            axes.plot([elbow, elbow, x - 0.06], [parents[depth - 1], y, y], color="#c4c4c4", linewidth=1, zorder=1)
        parents[depth] = y + 0.09
        if index is None:
            axes.text(x, y, text, va="center", fontsize=9, color=colours[trunk], weight="bold")
            continue
        axes.text(x, y, text, va="center", fontsize=9, color=INK)
        reach = RANGE * (0.05 + 0.9 * (values[index] - low) / (high - low) if high > low else 0.5)
        # Dots and not bars: the scale does not begin at 0 dB.
        axes.plot([DOTS, DOTS + RANGE], [y, y], color="#d0d0d0", linewidth=1, zorder=1)
        axes.plot(DOTS + reach, y, "o", color=colours[trunk], markersize=6)
        figures = f"{values[index]:.2f}"
        weight = "bold" if figures == f"{high:.2f}" else "normal"
        axes.text(DOTS - 0.15, y, figures, ha="right", va="center", fontsize=9, color=INK, weight=weight)
    return figure


def _plane(title: str, x_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(10, 6), dpi=150, facecolor="white", layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x_label, fontsize=9.5, color=FAINT)
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    return figure, axes


def _scatter(
    figure: Figure,
    metrics: Sequence[Metrics],
    x: Sequence[float],
    y: Sequence[float],
    front: Sequence[int],
    steps: Literal["steps-pre", "steps-post"],
    legend: Literal["lower right", "upper right"],
) -> None:
    """A labelled point per method in the colour of its branch, those of the `front` (indices) joined by a line."""
    (axes,) = figure.axes
    corners = np.array(sorted((x[index], y[index]) for index in front)).reshape(-1, 2)
    axes.plot(*corners.T, drawstyle=steps, color="#b0b0b0", linewidth=1.4, zorder=1)
    for trunk, colour in _branch_colours(metrics).items():
        own = [index for index, one in enumerate(metrics) if _trunk(one) == trunk]
        points = [x[index] for index in own], [y[index] for index in own]
        axes.scatter(*points, s=42, color=colour, edgecolor="white", linewidth=0.8, label=trunk, zorder=3)
    axes.margins(x=0.12, y=0.08)
    axes.tick_params(which="both", labelsize=8.5, colors=FAINT, length=3)
    axes.grid(color="#ececec", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if metrics:
        axes.legend(frameon=False, fontsize=9, loc=legend)
    figure.draw_without_rendering()  # places of labels are in pixels, which the layout decides
    _label_points(axes, x, y, _short_names([one["label"] for one in metrics]), front)


def _tree(metrics: Sequence[Metrics]) -> Iterator[tuple[int, str, str, int | None]]:
    """(depth, text, trunk, index of the method or None) of each line: branches as they first appear, then methods."""
    branches: dict[str, list[int]] = {}
    for index, one in enumerate(metrics):
        branches.setdefault(one["branch"], []).append(index)
    # A trunk's branches belong together, whatever the order of the methods.
    trunks = list(dict.fromkeys(_trunk(one) for one in metrics))
    above: list[str] = []
    for branch in sorted(branches, key=lambda branch: trunks.index(branch.partition(SEPARATOR)[0])):
        parts = branch.split(SEPARATOR)
        for depth, part in enumerate(parts):
            if above[: depth + 1] != parts[: depth + 1]:
                yield depth, part, parts[0], None
        above = parts
        for index in branches[branch]:
            yield len(parts), metrics[index]["label"], parts[0], index


def _trunk(one: Metrics) -> str:
    return one["branch"].partition(SEPARATOR)[0]


def _short_names(labels: Sequence[str]) -> list[str]:
    """Labels without the remarks in brackets: the table has them, and 21 of them cover each other.

    The first remark stays where a name is taken: "SRGAN", "SRGAN (alpha 0.5)".
    """
    names: list[str] = []
    for label in labels:
        name, _, remarks = label.rstrip(")").partition(" (")
        names.append(f"{name} ({remarks.partition(', ')[0]})" if name in names and remarks else name)
    return names


def _branch_colours(metrics: Sequence[Metrics]) -> dict[str, str]:
    trunks = dict.fromkeys(_trunk(one) for one in metrics)
    return {trunk: COLOURS[index % len(COLOURS)] for index, trunk in enumerate(trunks)}


def _label_points(
    axes: Axes, x: Sequence[float], y: Sequence[float], labels: Sequence[str], front: Sequence[int]
) -> None:
    """Write each label where it and the line to its point cover least of other labels, points and lines."""
    points = axes.transData.transform(np.array([x, y]).T)
    taken = np.concatenate([points - 5, points + 5], axis=1)  # boxes, (number, 4): left, bottom, right, top
    from_left: list[int] = np.argsort(points[:, 0]).tolist()
    for index in from_left:
        style = {"fontsize": 8.5, "color": INK, "weight": "bold" if index in front else "normal"}
        others = np.delete(taken, index, axis=0)
        tried = []
        for place, (right, up, alignment) in enumerate(NEAR + FAR):
            at, offset = (x[index], y[index]), (right, up)
            note = axes.annotate(labels[index], at, offset, textcoords="offset points", ha=alignment, **style)
            box = note.get_window_extent().extents
            end = np.clip(points[index], box[:2], box[2:])
            dots = np.linspace(points[index], end, 40 if place >= len(NEAR) else 0)
            outside = int((box[:2] < axes.bbox.extents[:2]).any() or (box[2:] > axes.bbox.extents[2:]).any())
            # First what the label covers, then what its line crosses: in a crowd a line must cross something
            line = np.concatenate([dots - 1, dots + 1], axis=1)
            cost = (outside + _overlaps(box[None], others), _overlaps(line, others))
            tried.append((cost, place, note, box, line, end))
            note.set_visible(False)
            if cost == (0, 0):
                break
        *_, note, box, line, end = min(tried, key=lambda one: one[:2])
        for _, _, other, *_ in tried:
            if other is not note:
                other.remove()
        note.set_visible(True)
        taken = np.concatenate([taken, box[None], line])
        if len(line):
            axes.plot(*axes.transData.inverted().transform([points[index], end]).T, color=FAINT, linewidth=0.6)


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> int:
    """How many pairs of `boxes` (n, 4) and `others` (m, 4) overlap."""
    low, high = np.maximum(boxes[:, None, :2], others[:, :2]), np.minimum(boxes[:, None, 2:], others[:, 2:])
    return int((low < high).all(2).sum())
