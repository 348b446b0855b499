"""All methods in one picture: quality against time, and the family tree with each method's figure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator
from matplotlib.transforms import Bbox

from srlab.report.figures import COLOURS, FAINT, INK

Metrics = Mapping[str, Any]  # what `evaluation.scores.under` returns, with "branch"
SEPARATOR = " / "  # of a branch, as in "Learning / Sparse representation"
DOTS, RANGE = 5.4, 3.2  # inches: where the lines with the dots of the family tree begin, and their length
# Where a label may stand around its point, in points, nearest first: (right, up), its alignment; a line joins FAR ones
NEAR = [(6, 3, "left"), (6, -9, "left"), (-6, 3, "right"), (-6, -9, "right"), (0, 8, "center"), (0, -14, "center")]
FAR = [(8, 14, "left"), (8, -20, "left"), (-8, 14, "right"), (-8, -20, "right"), (10, 26, "left"), (10, -32, "left")]


def quality_and_time(metrics: Sequence[Metrics], costs: Mapping[str, Mapping[str, Any]], set_name: str) -> Figure:
    """Mean PSNR (dB) on `set_name` against milliseconds per output megapixel (log axis), the Pareto front as a line.

    A method lies on the front if no other is both at least as fast and better, or faster and at least as good.
    One without a time, since the machine was busy, has no point.
    """
    metrics = [one for one in metrics if costs[one["method"]]["ms_per_megapixel"] is not None]
    figure = Figure(figsize=(10, 6), dpi=150, facecolor="white", layout="constrained")
    axes = figure.subplots()
    times = [costs[one["method"]]["ms_per_megapixel"] for one in metrics]
    values = [one["datasets"][set_name]["psnr"] for one in metrics]
    front = pareto_front(times, values)
    steps = np.array(sorted((times[index], values[index]) for index in front)).reshape(-1, 2)
    axes.plot(*steps.T, drawstyle="steps-post", color="#b0b0b0", linewidth=1.4, zorder=1)
    colours = _branch_colours(metrics)
    for trunk, colour in colours.items():
        own = [index for index, one in enumerate(metrics) if _trunk(one) == trunk]
        x, y = [times[index] for index in own], [values[index] for index in own]
        axes.scatter(x, y, s=42, color=colour, edgecolor="white", linewidth=0.8, label=trunk, zorder=3)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.08)
    axes.set_xlabel("ms per output megapixel", fontsize=9.5, color=FAINT)
    axes.set_title(f"PSNR on {set_name} (dB)", loc="left", fontsize=10.5, color=INK)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.tick_params(which="both", labelsize=8.5, colors=FAINT, length=3)
    axes.grid(color="#ececec", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if metrics:
        axes.legend(frameon=False, fontsize=9, loc="lower right")
    figure.draw_without_rendering()  # places of labels are in pixels, which the layout decides
    _label_points(axes, times, values, _short_names([one["label"] for one in metrics]), front)
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
    axes: Axes, times: Sequence[float], values: Sequence[float], labels: Sequence[str], front: Sequence[int]
) -> None:
    """Write each label beside its point, where it covers no other label and no point, or else in the last place."""
    points = axes.transData.transform(np.array([times, values]).T)
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in points]
    from_left: list[int] = np.argsort(points[:, 0]).tolist()
    for index in from_left:
        style = {"fontsize": 8.5, "color": INK, "weight": "bold" if index in front else "normal"}
        others = [other for number, other in enumerate(taken) if number != index]
        for place in NEAR + FAR:
            right, up, alignment = place
            at, offset = (times[index], values[index]), (right, up)
            note = axes.annotate(labels[index], at, offset, textcoords="offset points", ha=alignment, **style)
            box = note.get_window_extent()
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            if place == FAR[-1] or (inside and not any(box.overlaps(other) for other in others)):
                taken.append(box)
                if place in FAR:
                    ends = axes.transData.inverted().transform([points[index], (box.x0 + 4, (box.y0 + box.y1) / 2)])
                    axes.plot(*ends.T, color=FAINT, linewidth=0.6, zorder=2)
                break
            note.remove()
