"""Pictures of made-up studies: what they say is checked on their artists, that it can be read on boxes of text."""

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from optuna import Study, create_study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from srlab.sweeps.outcomes import short_names
from srlab.sweeps.pictures import FEWEST, history_figure, importance_figure, importances, pareto_figure, pictures
from srlab.sweeps.scales import Numbers, Words, number_text, of_objective, of_parameter

PSNR, BOTH = ["val/psnr"], ["val/psnr", "multiply_adds"]
SPACE: dict[str, BaseDistribution] = {
    "models.espcn.lr": FloatDistribution(1e-4, 1e-2, log=True),
    "models.espcn.batch_size": CategoricalDistribution([4, 8, 16]),
    "models.espcn.schedule": CategoricalDistribution(["cosine", "plateau", "step"]),
}
MORE = {
    "models.espcn.patches_per_epoch": IntDistribution(400, 4000, step=400),
    "recipes.modern.clip_norm": FloatDistribution(0.0, 2.0),
}


def drawn(distribution: BaseDistribution, share: random.Random) -> object:
    match distribution:
        case CategoricalDistribution():
            return share.choice(distribution.choices)
        case IntDistribution():
            return share.randrange(distribution.low, distribution.high + 1, distribution.step)
        case FloatDistribution(low=low, high=high, log=log):
            return low * (high / low) ** share.random() if log else share.uniform(low, high)
    raise TypeError(distribution)


def sweep(num_trials: int, space: dict[str, BaseDistribution], num_objectives: int = 1, seed: int = 1) -> Study:
    """Trials whose PSNR is best near a rate of 2e-3; every fourth pruned, and one failed, where that is possible."""
    share = random.Random(seed)
    study = create_study(directions=["maximize", "minimize"][:num_objectives])
    for number in range(num_trials):
        params = {key: drawn(distribution, share) for key, distribution in space.items()}
        adds = 2e6 * 10 ** share.uniform(0, 2)
        psnr = 28.4 - 0.6 * (math.log10(params["models.espcn.lr"]) + 2.7) ** 2 + share.gauss(0, 0.03)  # type: ignore[arg-type]
        psnr = share.uniform(6, 12) if params["models.espcn.lr"] > 8e-3 else psnr  # type: ignore[operator]
        state, epochs = TrialState.COMPLETE, 16
        if num_objectives == 1 and number % 4 == 3:
            state, epochs = TrialState.PRUNED, 5
        if num_objectives == 1 and number == 9:
            state, epochs = TrialState.FAIL, 0
        reported = {epoch: psnr - 1.5 / (epoch + 1) for epoch in range(epochs)}
        trial = create_trial(
            state=state,
            values=[psnr, adds + psnr * 1e5][:num_objectives] if state is TrialState.COMPLETE else None,
            params=params,
            distributions=space,
            intermediate_values=reported if num_objectives == 1 else {},
        )
        study.add_trial(trial)
    return study


def valued(values: Sequence[Sequence[float]], directions: Sequence[str]) -> Study:
    """A study without parameters."""
    study = create_study(directions=list(directions))
    for own in values:
        study.add_trial(create_trial(values=list(own)))
    return study


def texts(figure: Figure) -> list[Text]:
    """What can be read in a figure, drawn; ticks beyond the ends of their axis are not drawn."""
    figure.draw_without_rendering()
    unseen = set()
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            drawn_at_all = axes.axison and axis.get_visible()
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not (drawn_at_all and min(limits) <= tick.get_loc() <= max(limits)):
                    unseen |= {id(text) for text in tick.findobj(Text)}
    every = {id(text): text for text in figure.findobj(Text) if id(text) not in unseen}
    return [text for text in every.values() if text.get_text().strip() and text.get_visible()]  # type: ignore[attr-defined]


def said(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


# What matters


def additive(num_trials: int, log: bool = False) -> Study:
    """y = 3 u + v with u and v uniform in [0, 1]: u has 9/10 of the variance. w has no part in it."""
    share = random.Random(0)
    space = {"m.u": FloatDistribution(1, 100, log=True) if log else FloatDistribution(0, 1)}
    space |= {"m.v": FloatDistribution(0, 1), "m.w": FloatDistribution(0, 1)}
    study = create_study(direction="maximize")
    for _ in range(num_trials):
        u, v, w = (share.random() for _ in range(3))
        params = {"m.u": 100**u if log else u, "m.v": v, "m.w": w}
        study.add_trial(create_trial(value=3 * u + v, params=params, distributions=space))
    return study


@pytest.mark.parametrize("log", [False, True])
def test_importances_are_shares_of_the_variance(log: bool) -> None:
    shares = importances(additive(200, log), PSNR)["val/psnr"]
    # Impurity is variance; the forest of 200 trials also fits chance, whence the few percent of tolerance.
    assert shares == pytest.approx({"m.u": 0.9, "m.v": 0.1, "m.w": 0.0}, abs=0.04)
    assert list(shares) == ["m.u", "m.v", "m.w"]
    assert sum(shares.values()) == pytest.approx(1)


def test_importances_are_the_same_each_time() -> None:
    study = additive(30)
    assert importances(study, PSNR) == importances(study, PSNR)


@pytest.mark.parametrize("study", [
    additive(FEWEST - 1),
    valued([[28.0 + number] for number in range(20)], ["maximize"]),
    create_study(),
], ids=["few", "no parameter", "no trial"])  # fmt: skip
def test_nothing_is_said_where_there_is_nothing_to_tell(study: Study) -> None:
    assert importances(study, PSNR) == {"val/psnr": {}}
    assert "too few" in said(importance_figure(study, PSNR))


@pytest.mark.parametrize("kind", ["one parameter", "equal values"])
def test_nothing_is_said_of_one_parameter_or_of_equal_values(kind: str) -> None:
    study = create_study()
    space: dict[str, BaseDistribution] = {"m.lr": FloatDistribution(0, 1)}
    if kind == "equal values":
        space |= {"m.batch_size": IntDistribution(1, 64)}
    for number in range(20):
        params = {"m.lr": number / 20, "m.batch_size": number + 1}
        value = 28.0 if kind == "equal values" else float(number)
        own = {key: params[key] for key in space}
        study.add_trial(create_trial(value=value, params=own, distributions=space))
    assert importances(study, ["val/loss"]) == {"val/loss": {}}


def test_nothing_is_said_where_a_range_was_changed_in_between() -> None:
    study = additive(20)
    space = {"m.u": FloatDistribution(0, 2), "m.v": FloatDistribution(0, 1), "m.w": FloatDistribution(0, 1)}
    params = {"m.u": 1.5, "m.v": 0.5, "m.w": 0.5}
    study.add_trial(create_trial(value=5.0, params=params, distributions=space))
    assert importances(study, PSNR) == {"val/psnr": {}}


def test_each_objective_has_its_bars() -> None:
    figure = importance_figure(sweep(40, SPACE, 2), BOTH)
    shares = importances(sweep(40, SPACE, 2), BOTH)
    bars = {str(group.get_label()): group for group in figure.axes[0].containers}
    assert list(bars) == BOTH
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    for objective in BOTH:
        widths = dict(zip(names, (bar.get_width() for bar in bars[objective]), strict=True))  # type: ignore[attr-defined]
        short = {key.rpartition(".")[2]: 100 * share for key, share in shares[objective].items()}
        assert widths == pytest.approx(short)
    assert names[0] == "lr"  # from the top
    assert figure.axes[0].yaxis_inverted()


# How it went


@given(st.lists(st.floats(20, 40), min_size=1, max_size=30), st.sampled_from(["maximize", "minimize"]))
@settings(max_examples=10, deadline=None)  # a figure takes tens of milliseconds
def test_best_so_far_is_the_best_of_the_trials_before(values: list[float], direction: str) -> None:
    axes = history_figure(valued([[value] for value in values], [direction]), PSNR).axes[0]
    line = next(line for line in axes.lines if line.get_label() == "best so far")
    best = [(max if direction == "maximize" else min)(values[: end + 1]) for end in range(len(values))]
    assert list(line.get_ydata())[:-1] == best  # type: ignore[arg-type]
    winner = values.index(best[-1])
    assert axes.get_title("left").endswith(f"trial {winner}")


def marks(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    """{label: points} of the first panel."""
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in line.get_xydata()] for line in figure.axes[0].lines
    }  # type: ignore[union-attr]


def test_every_trial_has_its_mark() -> None:
    study = sweep(24, SPACE)
    found = marks(history_figure(study, PSNR))
    for state, label in ((TrialState.COMPLETE, "finished"), (TrialState.PRUNED, "pruned"), (TrialState.FAIL, "failed")):
        shown = [x for name, points in found.items() if name.partition(",")[0] == label for x, _ in points]
        assert sorted(shown) == [trial.number for trial in study.trials if trial.state is state]
    pruned = study.trials[3]
    assert (3.0, pruned.intermediate_values[4]) in found["pruned"]


def test_a_diverged_trial_does_not_flatten_the_others() -> None:
    values = [28.0 + 0.1 * (number % 5) for number in range(20)]
    figure = history_figure(valued([[value] for value in [*values, 7.0]], ["maximize"]), PSNR)
    assert figure.axes[0].get_ylim()[0] > 27.9
    assert marks(figure)["finished, off the axis"] == [(20.0, 28.0)]


# The front


FRONTS = st.lists(st.tuples(st.integers(20, 30), st.integers(1, 9)), min_size=1, max_size=15)


@given(FRONTS, st.lists(st.sampled_from(["maximize", "minimize"]), min_size=2, max_size=2))
@settings(max_examples=8, deadline=None)  # likewise
def test_the_front_has_the_numbers_of_optunas_best_trials(points: list[tuple[int, int]], directions: list[str]) -> None:
    study = valued(points, directions)
    axes = pareto_figure(study, BOTH).axes[0]
    numbers = sorted(int(number) for text in axes.texts for number in text.get_text().split(", "))
    assert numbers == sorted(trial.number for trial in study.best_trials)


def test_a_front_lies_inside_the_axes_whole() -> None:
    cheap = (8.0, 1e5)  # far worse than the others, and beaten by none of them
    study = valued([(28.0 + 0.01 * number, 1e8 + number) for number in range(20)] + [cheap], ["maximize", "minimize"])
    low, high = pareto_figure(study, BOTH).axes[0].get_ylim()
    assert low < 8.0
    assert high > 28.19


def test_numbers_of_a_crowded_front_can_be_read() -> None:
    crowd = [(28.0 + 0.001 * number, 1e8 + 1e5 * number) for number in range(8)]
    figure = pareto_figure(valued([*crowd, (27.5, 5e7), (28.5, 2e8)], ["maximize", "minimize"]), BOTH)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 10
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


# What was tried


def test_a_line_meets_each_axis_where_its_value_stands() -> None:
    study = sweep(24, SPACE)
    figure = pictures(study, PSNR)["parallel"]
    trial = study.best_trial
    line = next(line for line in figure.axes[0].lines if line.get_linewidth() == 2.2)
    lr = math.log10(trial.params["models.espcn.lr"] / 1e-4) / 2
    batch_size = [4, 8, 16].index(trial.params["models.espcn.batch_size"]) / 2
    schedule = ["cosine", "plateau", "step"].index(trial.params["models.espcn.schedule"]) / 2
    assert list(line.get_ydata()) == pytest.approx([lr, batch_size, schedule, 1.0])  # type: ignore[arg-type]
    assert f"best: trial {trial.number}" in said(figure)


def test_names_are_as_short_as_they_can_be() -> None:
    assert short_names(["models.espcn.lr", "models.espcn.batch_size"]) == {
        "models.espcn.lr": "lr",
        "models.espcn.batch_size": "batch_size",
    }
    assert list(short_names(["models.a.lr", "gans.b.lr", "seed"]).values()) == ["a.lr", "b.lr", "seed"]
    assert list(short_names(["lr", "models.a.lr"]).values()) == ["lr", "a.lr"]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join), unique=True))
def test_short_names_tell_apart(keys: list[str]) -> None:
    short = short_names(keys)
    assert len(set(short.values())) == len(keys)
    assert all(key == name or key.endswith("." + name) for key, name in short.items())


@pytest.mark.parametrize(("value", "text"), [
    (3e-4, "3e-4"), (0.00015, "1.5e-4"), (16, "16"), (0.05, "0.05"), (1600, "1600"), (1.25e9, "1.25e9"), (0, "0"),
    (-2e-5, "-2e-5"), (28.25, "28.25"), (1e10, "1e10"), (3e-10, "3e-10"),
])  # fmt: skip
def test_numbers_are_written_as_in_a_field(value: float, text: str) -> None:
    assert number_text(value) == text
    assert float(text) == value


def test_ticks_of_an_axis() -> None:
    assert [text for _, text in Numbers(1e-4, 1e-2, log=True).ticks()] == ["1e-4", "1e-3", "0.01"]
    assert [text for _, text in Numbers(5e-4, 5e-3, log=True).ticks()] == ["5e-4", "1e-3", "2e-3", "5e-3"]
    assert Words(("cosine", "step")).ticks() == [(0.0, "cosine"), (1.0, "step")]
    both = of_parameter([CategoricalDistribution(["a", "b"]), CategoricalDistribution(["b", "c"])])
    assert both == Words(("a", "b", "c"))  # of a sweep that was resumed with more to choose from


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.booleans())
def test_of_an_objective_the_best_are_shown_and_at_most_a_quarter_is_cut(values: list[float], larger: bool) -> None:
    scale = of_objective(values, larger)
    assert (scale.high if larger else scale.low) == (max(values) if larger else min(values))
    shown = [value for value in values if scale.low <= value <= scale.high]
    assert len(shown) >= 0.75 * len(values) - 1  # a quartile lies between two values
    assert scale.cut == (min(values) < scale.low, max(values) > scale.high)


def test_an_objective_over_decades_has_a_logarithmic_axis() -> None:
    assert of_objective([1e6, 3e6, 1e7, 1e8], larger_is_better=False) == Numbers(1e6, 1e8, log=True, ends=False)


# That it can be read


STUDIES = {
    "realistic": (sweep(24, SPACE), PSNR),
    "large": (sweep(60, SPACE | MORE, seed=2), PSNR),
    "two objectives": (sweep(40, SPACE, 2), BOTH),
    "one trial": (valued([[28.0]], ["maximize"]), PSNR),
    "none": (create_study(), PSNR),
}


@pytest.mark.parametrize("name", STUDIES)
def test_no_text_covers_another_or_is_cut(name: str) -> None:
    for picture, figure in pictures(*STUDIES[name]).items():
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
        assert boxes
        covered = [(a, b) for (a, one), (b, other) in itertools.combinations(boxes, 2) if one.overlaps(other)]
        assert covered == [], picture
        inside = figure.bbox.padded(1)  # rounding to whole pixels
        cut = [text for text, box in boxes if not (inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1))]
        assert cut == [], picture
