"""Which plots a sweep has, and that its importances are those of the variance."""

import random
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot
from optuna import Study, create_study
from optuna.distributions import FloatDistribution
from optuna.importance import get_param_importances
from optuna.trial import TrialState, create_trial

from srlab.images.files import read_image
from srlab.sweeps.plots import MIN_TRIALS, draw_plots, evaluator

SPACE = {
    "m.u": FloatDistribution(1, 100, log=True),
    "m.v": FloatDistribution(0, 1),
    "m.w": FloatDistribution(0, 1),
}


def additive(num_trials: int, directions: Sequence[str] = ("maximize",)) -> Study:
    """y = 3 u + v with log u and v uniform: u has 9/10 of the variance. w has no part in it. One trial is pruned."""
    draws = random.Random(0)
    study = create_study(directions=list(directions))
    for _ in range(num_trials):
        u, v, w = (draws.random() for _ in range(3))
        values = [3 * u + v, w][: len(directions)]
        study.add_trial(create_trial(values=values, params={"m.u": 100**u, "m.v": v, "m.w": w}, distributions=SPACE))
    if len(directions) == 1:
        study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={0: 1.0}))
    return study


def test_importances_are_shares_of_the_variance() -> None:
    shares = get_param_importances(additive(200), evaluator=evaluator())
    # Impurity is variance; the forest of 200 trials also fits chance, whence the few percent of tolerance.
    assert shares == pytest.approx({"m.u": 0.9, "m.v": 0.1, "m.w": 0.0}, abs=0.04)


@pytest.mark.parametrize(
    ("study", "names"),
    [
        (additive(0), set()),
        (additive(MIN_TRIALS - 1), {"history", "parallel", "epochs"}),
        (additive(MIN_TRIALS), {"history", "parallel", "epochs", "importance"}),
        (
            additive(2, ["maximize", "minimize"]),
            {"history-val-psnr", "history-adds", "parallel-val-psnr", "parallel-adds", "front"},
        ),
    ],
)
def test_what_a_sweep_has_plots_of(study: Study, names: set[str], tmp_path: Path) -> None:
    style = matplotlib.rcParams["axes.facecolor"], matplotlib.rcParams["axes.grid"]
    files = draw_plots(study, ["val/psnr", "adds"][: len(study.directions)], tmp_path)
    assert {file.stem for file in files} == names
    assert all(read_image(file).std() > 5 for file in files)  # no blank sheet
    assert pyplot.get_fignums() == []
    assert (matplotlib.rcParams["axes.facecolor"], matplotlib.rcParams["axes.grid"]) == style
