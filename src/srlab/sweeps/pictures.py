"""A sweep as pictures: which parameter matters, how it went, and what two objectives cost each other.

What is tried together stands in `srlab.sweeps.parallel`. A study is Optuna's; `names` are those of its objectives, in
its order ("val/psnr", "multiply_adds"), and `study.directions` say whether larger or smaller is better.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox
from optuna.importance import MeanDecreaseImpurityImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from srlab.report.figures import COLOURS, FAINT, INK
from srlab.sweeps.outcomes import finished, front, larger_is_better, last_value, short_names
from srlab.sweeps.parallel import parallel_coordinates
from srlab.sweeps.scales import Numbers, number_text, of_objective
from srlab.sweeps.sheet import legend_below, sheet, words

# In 40 random studies of which one of four parameters held 89 % of the variance, 4 trials named it first 17 times,
# 6 trials 31 times, 8 trials 35 times and 10 trials 37 times; by chance it would be 10 times.
FEWEST = 8


def pictures(study: Study, names: Sequence[str]) -> dict[str, Figure]:
    """All pictures of a sweep, by the name of their file; the front is there for two objectives."""
    makers: dict[str, Callable[[Study, Sequence[str]], Figure]] = {
        "history": history_figure,
        "importance": importance_figure,
        "parallel": parallel_coordinates,
    }
    if len(names) == 2:
        makers["front"] = pareto_figure
    return {name: make(study, names) for name, make in makers.items()}


def importances(study: Study, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """{objective: {parameter: share in [0, 1] of what the parameters together explain}}, largest first.

    An objective has no entry for any parameter where there is nothing to tell: fewer than FEWEST finished trials, equal
    values, fewer than two parameters that every finished trial has, or one whose range was changed in between.

    Shares are mean decreases in impurity (Breiman 2001) of a random forest with a fixed seed. Of Optuna's evaluators
    this is the one whose forest sees a learning rate from 1e-4 to 1e-2 as the sampler does (splits do not change under
    a logarithm; fANOVA integrates over the plain number, nine tenths of which lie above 1e-3), and that can tell
    anything from tens of trials (PED-ANOVA looks at the best tenth alone). Values far worse than the others count as
    the end of the axis that the pictures have: otherwise a rate that diverges would be all there is to tell. Shares
    concern the trials made, of whose values some is chance, which a forest rather ascribes to numbers than to words: a
    few percent are nothing.
    """
    return {name: _importances(study, index) for index, name in enumerate(names)}


def _importances(study: Study, index: int) -> dict[str, float]:
    trials = finished(study)
    shared = set.intersection(*(set(trial.params) for trial in trials)) if trials else set()
    varied = [key for key in shared if len({trial.params[key] for trial in trials}) > 1]
    if len(trials) < FEWEST or len(varied) < 2 or len({trial.values[index] for trial in trials}) == 1:
        return {}
    scale = of_objective([trial.values[index] for trial in trials], larger_is_better(study, index))
    shares = get_param_importances(
        study,
        evaluator=MeanDecreaseImpurityImportanceEvaluator(seed=0),
        target=lambda trial: min(max(trial.values[index], scale.low), scale.high),
    )
    if not set(varied) <= set(shares):  # Optuna leaves out what was drawn from two ranges
        return {}
    return {key: float(share) for key, share in shares.items()}


def importance_figure(study: Study, names: Sequence[str]) -> Figure:
    """`importances` as bars in percent, the parameter that matters most at the top, one colour per objective."""
    found = {name: shares for name, shares in importances(study, names).items() if shares}
    if not found:
        return words(f"too few different trials to tell what matters ({len(finished(study))} finished)")
    totals: dict[str, float] = {}
    for shares in found.values():
        for key, share in shares.items():
            totals[key] = totals.get(key, 0.0) + share
    keys = sorted(totals, key=lambda key: (-totals[key], key))
    figure = sheet(8, 1.1 + len(keys) * (0.16 + 0.22 * len(found)))
    axes = figure.subplots()
    height = 0.8 / len(found)
    rows = np.arange(len(keys))
    for number, (name, shares) in enumerate(found.items()):
        percent = [100 * shares.get(key, 0.0) for key in keys]
        places = rows + height * (number - (len(found) - 1) / 2)
        bars = axes.barh(places, percent, 0.9 * height, color=COLOURS[names.index(name) % len(COLOURS)], label=name)
        axes.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=8.5, color=INK)
    short = short_names(keys)
    axes.set_yticks(rows, [short[key] for key in keys])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(share for shares in found.values() for share in shares.values()) * 100)
    _tidy(axes, f"How much each parameter decides, of {len(finished(study))} finished trials", across=True)
    axes.xaxis.set_visible(False)  # the bars say it
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)
    legend_below(figure, axes)
    return figure


def history_figure(study: Study, names: Sequence[str]) -> Figure:
    """Each objective against the number of the trial, with the best so far; pruned trials by their last epoch's value.

    Values worse than what the axis shows stand as triangles at its end.
    """
    trials = finished(study)
    pruned = [trial for trial in study.trials if trial.state is TrialState.PRUNED and last_value(trial) is not None]
    failed = [trial.number for trial in study.trials if trial.state is TrialState.FAIL]
    if not trials:
        return words("no trial finished")
    figure = sheet(9, 1.2 + 2.6 * len(names))
    panels: list[Axes] = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0].tolist()
    for index, (name, axes) in enumerate(zip(names, panels, strict=True)):
        larger = larger_is_better(study, index)
        values = [trial.values[index] for trial in trials]
        scale = of_objective(values, larger)
        _scale(axes, scale, "y")
        best = list(accumulate(values, max if larger else min))
        numbers = [trial.number for trial in trials]
        ends = [*numbers, study.trials[-1].number]
        axes.plot(ends, [*best, best[-1]], drawstyle="steps-post", color=COLOURS[1], linewidth=1.6, label="best so far")
        _points(axes, scale, numbers, values, color=COLOURS[0], label="finished")
        if pruned:
            lasts = [last for trial in pruned if (last := last_value(trial)) is not None]
            _points(axes, scale, [trial.number for trial in pruned], lasts, color="#9a9a9a", label="pruned", marker="x")
        if failed:
            foot = {"transform": axes.get_xaxis_transform(), "zorder": 4}  # they have no value
            axes.plot(
                failed, [0.03] * len(failed), "|", color=COLOURS[3], markersize=11, mew=2.5, label="failed", **foot
            )
        winner = trials[values.index(best[-1])].number
        _tidy(axes, f"{name} ({_better(larger)} is better): best {number_text(best[-1])}, trial {winner}")
    panels[-1].set_xlabel("trial", fontsize=9, color=FAINT)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panels[-1].set_xlim(-0.6, study.trials[-1].number + 0.6)
    legend_below(figure, panels[0])
    return figure


def pareto_figure(study: Study, names: Sequence[str]) -> Figure:
    """The first objective against the second, the front joined and labelled with the numbers of its trials.

    The front is always whole; of the other trials those far worse than the rest lie off the axes, and are counted.
    """
    trials = finished(study)
    if not trials:
        return words("no trial finished")
    best = front(study)
    on_it = {trial.number for trial in best}
    rest = [_point(trial) for trial in trials if trial.number not in on_it]
    points = sorted({_point(trial) for trial in best})
    y, x = (
        of_objective([trial.values[index] for trial in trials], larger_is_better(study, index)).widened(
            [trial.values[index] for trial in best]
        )
        for index in (0, 1)
    )
    x_larger, y_larger = larger_is_better(study, 1), larger_is_better(study, 0)

    figure = sheet(9, 5.6)
    axes = figure.subplots()
    _scale(axes, x, "x")
    _scale(axes, y, "y")
    # What the front beats lies behind each of its points: to their left where a larger x is better.
    steps = "steps-pre" if x_larger else "steps-post"
    axes.plot(*zip(*points, strict=True), drawstyle=steps, color="#b0b0b0", linewidth=1.4, zorder=1)
    if rest:
        off = sum(not (x.low <= across <= x.high and y.low <= up <= y.high) for across, up in rest)
        label = "beaten by another" + (f" ({off} more off the axes)" if off else "")
        axes.scatter(*zip(*rest, strict=True), s=26, color="#9fb6c6", label=label, zorder=2)
    axes.scatter(*zip(*points, strict=True), s=46, color=COLOURS[1], edgecolor="white", label="on the front", zorder=3)
    _tidy(axes, f"{names[0]} ({_better(y_larger)} is better)", across=True)
    axes.set_xlabel(f"{names[1]} ({_better(x_larger)} is better)", fontsize=9.5, color=INK)
    axes.grid(color="#ececec", linewidth=0.8)
    legend_below(figure, axes)
    figure.draw_without_rendering()  # places of labels are in pixels, which the layout decides
    _number_points(axes, best, outwards=(1 if x_larger else -1, 1 if y_larger else -1))
    return figure


def _better(larger: bool) -> str:
    return "larger" if larger else "smaller"


def _point(trial: FrozenTrial) -> tuple[float, float]:
    """(x, y): the second objective, the first."""
    return trial.values[1], trial.values[0]


def _number_points(axes: Axes, trials: Sequence[FrozenTrial], outwards: tuple[int, int]) -> None:
    """Write the numbers of the trials of a front beside its points, on the side where no trial can be.

    A label that would cover another goes further out, and has a line to its point.
    """
    numbers: dict[tuple[float, float], list[int]] = {}
    for trial in trials:
        numbers.setdefault(_point(trial), []).append(trial.number)
    taken: list[Bbox] = []
    right, up = outwards
    for point in sorted(numbers):
        for steps in range(12):
            note = axes.annotate(
                ", ".join(map(str, numbers[point])),
                point,
                (right * (5 + 4 * steps), up * (5 + 8 * steps)),
                textcoords="offset points",
                ha="left" if right > 0 else "right",
                va="bottom" if up > 0 else "top",
                fontsize=8.5,
                color=INK,
                zorder=4,
            )
            box = note.get_window_extent()
            if steps == 11 or not any(box.overlaps(other) for other in taken):
                taken.append(box)
                if steps:
                    corner = (box.x0 if right > 0 else box.x1, box.y0 if up > 0 else box.y1)
                    line = axes.transData.inverted().transform([tuple(axes.transData.transform(point)), corner])
                    axes.plot(*line.T, color=FAINT, linewidth=0.6, zorder=2)
                break
            note.remove()


def _scale(axes: Axes, scale: Numbers, which: str) -> None:
    """Set the x or y axis of `axes` to what `scale` shows, with room around it."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    set_limits = axes.set_ylim if which == "y" else axes.set_xlim
    if scale.log:
        (axes.set_yscale if which == "y" else axes.set_xscale)("log")
        room = (scale.high / scale.low) ** 0.07
        set_limits(scale.low / room, scale.high * room)
        few = scale.high / scale.low < 100
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=12))
        axis.set_minor_formatter(NullFormatter())
    else:
        room = 0.07 * (scale.high - scale.low) or 0.05 * abs(scale.high) or 1.0
        set_limits(scale.low - room, scale.high + room)
    axis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value)))


def _points(
    axes: Axes,
    scale: Numbers,
    numbers: Sequence[int],
    values: Sequence[float],
    color: str,
    label: str,
    marker: str = "o",
) -> None:
    """Values as dots, those beyond the scale as triangles at its edge."""
    sides = [-1 if value < scale.low else 1 if value > scale.high else 0 for value in values]
    for side, shape in ((0, marker), (-1, "v"), (1, "^")):
        there = [index for index, one in enumerate(sides) if one == side]
        if there or side == 0:
            shown = [min(max(values[index], scale.low), scale.high) for index in there]
            axes.plot(
                [numbers[index] for index in there],
                shown,
                shape,
                color=color,
                markersize=5.5,
                markeredgecolor=color if shape == "x" else "white",
                markeredgewidth=1.3 if shape == "x" else 0.7,
                label=label if side == 0 else f"{label}, off the axis",
                zorder=3,
            )


def _tidy(axes: Axes, title: str, across: bool = False) -> None:
    """The look of this project's charts; `across` leaves the grid to the caller."""
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    axes.tick_params(which="both", labelsize=8.5, colors=FAINT, length=3)
    if not across:
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
