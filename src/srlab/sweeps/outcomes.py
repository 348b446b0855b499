"""What a study of Optuna holds, as its pictures need it."""

import math
from collections.abc import Sequence

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState


def finished(study: Study) -> list[FrozenTrial]:
    """Trials that ended with finite values, by number."""
    complete = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    return [trial for trial in complete if all(math.isfinite(value) for value in trial.values)]


def front(study: Study) -> list[FrozenTrial]:
    """Finished trials that no other beats: the Pareto front, and of one objective the best."""
    signs = [-1 if larger_is_better(study, index) else 1 for index in range(len(study.directions))]
    costs = [
        (trial, [sign * value for sign, value in zip(signs, trial.values, strict=True)]) for trial in finished(study)
    ]

    def beaten(own: list[float]) -> bool:
        return any(other != own and all(a <= b for a, b in zip(other, own, strict=True)) for _, other in costs)

    return [trial for trial, own in costs if not beaten(own)]


def larger_is_better(study: Study, index: int) -> bool:
    """Whether the objective of that index is maximized."""
    return study.directions[index] is StudyDirection.MAXIMIZE


def last_value(trial: FrozenTrial) -> float | None:
    """What a trial last reported, that of its last epoch; None if it reported nothing finite."""
    values = [value for _, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)]
    return values[-1] if values else None


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """{key: its last words, as few as tell it apart}: "lr" of models.espcn.lr, "espcn.lr" beside gans.srgan.lr."""

    def endings(key: str) -> list[str]:
        words = key.split(".")
        return [".".join(words[start:]) for start in range(len(words) - 1, -1, -1)]

    taken = [ending for key in set(keys) for ending in endings(key)]
    return {key: next((ending for ending in endings(key) if taken.count(ending) == 1), key) for key in keys}
