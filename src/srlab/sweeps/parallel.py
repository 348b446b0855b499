"""What a sweep tried and what came of it, in one picture: parallel coordinates (Inselberg 1985)."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from srlab.report.figures import COLOURS, FAINT, INK
from srlab.sweeps.outcomes import finished, front, larger_is_better, last_value, short_names
from srlab.sweeps.scales import Numbers, Scale, of_objective, of_parameter
from srlab.sweeps.sheet import legend_below, sheet, words

BETTER = LinearSegmentedColormap.from_list("better", ["#dbe7f1", COLOURS[0]])  # the darker, the better
PRUNED = "#c2c2c2"


def parallel_coordinates(study: Study, names: Sequence[str]) -> Figure:
    """One axis per parameter and, at the right, per objective; one line per trial.

    Finished trials are the darker the better their first objective is, the best trial (of several objectives the front)
    is drawn over them, and pruned trials are thin and grey and end at their last epoch's value.
    """
    trials = finished(study)
    if not trials:
        return words("no trial finished")
    pruned = [trial for trial in study.trials if trial.state is TrialState.PRUNED]
    keys = list(dict.fromkeys(key for trial in trials + pruned for key in trial.params))
    parameters = {
        key: of_parameter([trial.distributions[key] for trial in trials + pruned if key in trial.params])
        for key in keys
    }
    objectives = [
        of_objective([trial.values[index] for trial in trials], larger_is_better(study, index))
        for index in range(len(names))
    ]

    figure = sheet(max(7.0, 1.0 + 1.7 * (len(keys) + len(names))), 4.6)
    axes = figure.subplots()
    for trial in pruned:
        ends = [last_value(trial)] if len(names) == 1 else [None] * len(names)  # Optuna prunes by one objective alone
        axes.plot(_heights(trial, ends, parameters, objectives), color=PRUNED, linewidth=0.8, zorder=1)
    best = front(study)
    over = {trial.number for trial in best}
    worst_first = sorted(trials, key=lambda trial: trial.values[0], reverse=not larger_is_better(study, 0))
    for trial in worst_first:
        if trial.number not in over:
            share = objectives[0].place(trial.values[0])
            colour = BETTER(share if larger_is_better(study, 0) else 1 - share)
            axes.plot(_heights(trial, trial.values, parameters, objectives), color=colour, linewidth=1.4, zorder=2)
    for trial in best:
        style = {"color": COLOURS[1], "linewidth": 2.2, "marker": "o", "markersize": 5, "zorder": 3}
        axes.plot(_heights(trial, trial.values, parameters, objectives), **style)

    short = short_names(keys)
    _draw_axes(axes, [short[key] for key in keys], list(parameters.values()), strong=False, start=0)
    _draw_axes(axes, names, objectives, strong=True, start=len(keys))
    numbers = ", ".join(str(trial.number) for trial in best[:6]) + (", ..." if len(best) > 6 else "")
    chosen = f"{'best' if len(names) == 1 else 'front'}: {'trial' if len(best) == 1 else 'trials'} {numbers}"
    axes.plot([], [], color=COLOURS[1], linewidth=2.2, label=chosen)
    axes.plot([], [], color=COLOURS[0], linewidth=1.4, label="finished, the darker the better")
    if pruned:
        axes.plot([], [], color=PRUNED, linewidth=0.8, label="pruned, by the last epoch's value")
    axes.set(xlim=(-0.55, len(keys) + len(names) - 0.8), ylim=(-0.06, 1.06))
    axes.axis("off")
    legend_below(figure, axes)
    return figure


def _heights(
    trial: FrozenTrial, ends: Sequence[float | None], parameters: dict[str, Scale], objectives: Sequence[Numbers]
) -> list[float]:
    """Where a trial's line meets each axis; nan where the trial has no value, which leaves a gap."""
    own = [scale.place(trial.params[key]) if key in trial.params else math.nan for key, scale in parameters.items()]
    reached = [math.nan if end is None else scale.place(end) for scale, end in zip(objectives, ends, strict=True)]
    return own + reached


def _draw_axes(axes: Axes, names: Sequence[str], scales: Sequence[Scale], strong: bool, start: int) -> None:
    for x, (name, scale) in enumerate(zip(names, scales, strict=True), start):
        axes.plot([x, x], [0, 1], color=INK if strong else "#8a8a8a", linewidth=1.4 if strong else 1.0, zorder=4)
        head = name if len(name) <= 16 else name.replace(".", ".\n").replace("/", "/\n")
        weight = "bold" if strong else "normal"
        axes.annotate(
            head, (x, 1), (0, 12), textcoords="offset points", ha="center", fontsize=9.5, color=INK, weight=weight
        )
        for height, text in scale.ticks():
            axes.plot([x - 0.02, x], [height, height], color="#8a8a8a", linewidth=1, zorder=4)
            axes.annotate(
                text,
                (x, height),
                (-6, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=8.5,
                color=INK if strong else FAINT,
                zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8},
            )
