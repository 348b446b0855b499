"""All methods in one picture: quality against time, and the family tree with each method's figure."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatter, LogLocator
from matplotlib.transforms import Bbox

from srlab.evaluation.metrics.metric import Metric
from srlab.report.figures import COLOURS, FAINT, INK

Metrics = Mapping[str, Any]  # what `evaluation.scores.under` returns, with "branch"
SEPARATOR = " / "  # of a branch, as in "Learning / Sparse representation"
DOTS, RANGE = 5.4, 3.2  # inches: where the lines with the dots of the family tree begin, and their length
# Where a label may stand around its point, in points, best first: (right, up); a line joins the FAR ones to their point
NEAR = [(7, 5), (7, -6), (-7, 5), (-7, -6), (0, 10), (0, -11)]
FAR = [(r * right, r * up) for r in range(18, 110, 10) for right, up in product((1, -1, 0.3, -0.3), (1, -1, 0.3, -0.3))]


def quality_and_time(metrics: Sequence[Metrics], costs: Mapping[str, Mapping[str, Any]], set_name: str) -> Figure:
    """Mean PSNR (dB) on `set_name` against milliseconds per output megapixel (log axis), the Pareto front as a line.

    A method lies on the front if no other is both at least as fast and better, or faster and at least as good.
    The axis starts at bicubic: what is worse is named below the picture, so that the others are told apart.
    Methods that other programs slowed down are named there, too.
    """
    quality = {one["method"]: one["datasets"][set_name]["psnr"] for one in metrics}
    start = quality.get("bicubic", min(quality.values()))
    colours, methods = _branch_colours(metrics), [one["method"] for one in metrics]
    names = dict(zip(methods, _short_names([one["label"] for one in metrics]), strict=True))
    slowed = [names[method] for method in methods if costs[method]["remark"]]
    below = [f"{names[method]} {quality[method]:.2f}" for method in methods if quality[method] < start]
    missing = [f"Worse than bicubic ({start:.2f} dB): {', '.join(below)}."] * bool(below)
    missing += [f"Slowed down by other programs: {', '.join(slowed)}."] * bool(slowed)
    lines = ["ms per output megapixel", *(line for text in missing for line in textwrap.wrap(text, 120))]
    title = f"PSNR on {set_name} (dB)" + ", from bicubic on" * ("bicubic" in quality)
    figure, axes = _plane(title, "\n".join(lines))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.xaxis.set_minor_formatter(LogFormatter())  # writes only where there is less than a decade
    metrics = [one for one in metrics if quality[one["method"]] >= start]
    times = [costs[one["method"]]["ms_per_megapixel"] for one in metrics]
    values = [quality[one["method"]] for one in metrics]
    words = "Pareto front, names in bold: no method is both faster and better"
    front = pareto_front(times, values)
    _scatter(figure, metrics, times, values, front, "steps-post", words, colours, start if values else None)
    return figure


def perception_distortion(metrics: Sequence[Metrics], set_name: str, index: Metric) -> Figure:
    """The plane of Blau and Michaeli 2018: mean PSNR (dB) on `set_name` against a perceptual index, lower is better.

    The line is the front: no other method has both a higher PSNR and a lower index.
    """
    psnrs = [one["datasets"][set_name]["psnr"] for one in metrics]
    values = [one["datasets"][set_name][index.name] for one in metrics]
    figure, _ = _plane(f"{index.heading} on {set_name}: lower is better", f"PSNR on {set_name} (dB)")
    front = pareto_front([-psnr for psnr in psnrs], [-value for value in values])
    words = f"Front, names in bold: no method has both a higher PSNR and a lower {index.label}"
    _scatter(figure, metrics, psnrs, values, front, "steps-pre", words, _branch_colours(metrics), None)
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
    figure = Figure(figsize=(10, 6.6), dpi=150, facecolor="white", layout="constrained")
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
    words: str,
    colours: Mapping[str, str],
    start: float | None,
) -> None:
    """A labelled point per method in the colour of its branch, those of the `front` (indices) joined by a line.

    `words` say what the line is; the axis starts at `start` where one is given.
    """
    (axes,) = figure.axes
    corners = np.array(sorted((x[index], y[index]) for index in front)).reshape(-1, 2)
    axes.plot(*corners.T, drawstyle=steps, color="#b0b0b0", linewidth=1.4, zorder=1, label=words)
    for trunk in dict.fromkeys(_trunk(one) for one in metrics):
        own = [index for index, one in enumerate(metrics) if _trunk(one) == trunk]
        points = [x[index] for index in own], [y[index] for index in own]
        axes.scatter(*points, s=42, color=colours[trunk], edgecolor="white", linewidth=0.8, label=trunk, zorder=3)
    axes.margins(x=0.12, y=0.08)
    if start is not None:
        axes.set_ylim(bottom=start - 0.03 * (max(y) - start or 1))  # half a dot of bicubic's own
    axes.tick_params(which="both", labelsize=8.5, colors=FAINT, length=3)
    axes.grid(color="#ececec", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=3)  # below: there it covers no label
    figure.draw_without_rendering()  # places of labels are in pixels, which the layout decides
    labels = _short_names([one["label"] for one in metrics])
    _label_points(axes, np.array([x, y]).T, labels, [colours[_trunk(one)] for one in metrics], front)


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

    Where a name is taken, the first remark that is new stays: "SRGAN", "SRGAN (alpha 0.5)".
    """
    names: list[str] = []
    known: dict[str, set[str]] = {}
    for label in labels:
        name, _, remarks = label.rstrip(")").partition(" (")
        listed = remarks.split(", ") if remarks else []
        new = [remark for remark in listed if remark not in known.get(name, listed)]
        names.append(f"{name} ({new[0]})" if new else name)
        known.setdefault(name, set()).update(listed)
    return names


def _branch_colours(metrics: Sequence[Metrics]) -> dict[str, str]:
    trunks = dict.fromkeys(_trunk(one) for one in metrics)
    return {trunk: COLOURS[index % len(COLOURS)] for index, trunk in enumerate(trunks)}


def _label_points(
    axes: Axes, points: np.ndarray, labels: Sequence[str], colours: Sequence[str], front: Sequence[int]
) -> None:
    """Write each label, in its colour, beside its point (N, 2), where it covers no other label, point or line."""
    places = axes.transData.transform(points)
    styles: list[dict[str, Any]] = [
        {"fontsize": 8.5, "weight": "bold" if index in front else "normal"} for index in range(len(labels))
    ]
    sizes = [
        Text(text=label, figure=axes.figure, **style).get_window_extent()
        for label, style in zip(labels, styles, strict=True)
    ]
    # Whichever label is placed first has the best place, so several orders are tried.
    orders = [order.tolist() for axis in places.T for order in (np.argsort(axis), np.argsort(-axis))]
    _, offsets = min((_placed(axes, places, sizes, order) for order in orders), key=lambda found: found[0])
    for index, best in offsets.items():
        style, colour = styles[index], colours[index]
        edge = 0.5 - 0.5 * float(np.sign(best[0]))  # of the label, which the offset and the line lead to
        style |= {"ha": ["left", "center", "right"][int(2 * edge)], "va": "center", "color": _dark(colour)}
        if best in FAR:
            line = {"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
            style["arrowprops"] = line | {"relpos": (edge, 0.5)}
        axes.annotate(labels[index], points[index], best, textcoords="offset points", **style)


def _placed(
    axes: Axes, places: np.ndarray, sizes: Sequence[Bbox], order: Sequence[int]
) -> tuple[float, dict[int, tuple[float, float]]]:
    """What labels cover and how far they stand off, to be small; and the offset of each, chosen in this order."""
    dots = [Bbox.from_bounds(x - 7, y - 7, 14, 14) for x, y in places]
    taken: list[Bbox] = []
    offsets: dict[int, tuple[float, float]] = {}
    total = 0.0
    for index in order:
        at, size = places[index], sizes[index]
        covered = taken + [dot for dot, place in zip(dots, places, strict=True) if abs(place - at).max() > 4]

        def cost(offset: tuple[float, float], at: np.ndarray = at, size: Bbox = size, covered: list = covered) -> float:
            box, *line = _boxes(axes, at, size, offset)
            if box.x0 < axes.bbox.x0 or box.x1 > axes.bbox.x1 or box.y0 < axes.bbox.y0:
                return 100
            away = np.hypot(*(places - places.clip(box.min, box.max)).T)  # from the label to each point
            is_anothers = not line and away.min() < np.hypot(*(at - at.clip(box.min, box.max))) - 1
            return box.count_overlaps(covered) + sum(part.count_overlaps(covered) > 0 for part in line) + is_anothers

        offsets[index] = best = min(NEAR + FAR, key=cost)
        taken += _boxes(axes, at, size, best)
        total += 1000 * cost(best) + float(np.hypot(*best))
    return total, offsets


def _boxes(axes: Axes, at: np.ndarray, size: Bbox, offset: tuple[float, float]) -> list[Bbox]:
    """In pixels: of a label that stands at `offset` (points) from `at`, and along the line to it, if there is one."""
    x, y = at + np.array(offset) * axes.figure.dpi / 72
    left = x - size.width * (0.5 - 0.5 * np.sign(offset[0]))
    label = Bbox.from_bounds(left, y - size.height / 2, size.width, size.height)
    line = np.linspace(at, (x, y), 12)[3:-1] if offset in FAR else []
    return [label, *(Bbox.from_bounds(x - 2, y - 2, 4, 4) for x, y in line)]


def _dark(colour: str) -> str:
    """A colour in which words can be read on white (contrast of 4.5 and more, for all of COLOURS)."""
    return to_hex(tuple(0.66 * np.array(to_rgb(colour))))
