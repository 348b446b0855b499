"""What a sweep knows of its trials: a study of Optuna's, and sweep.json beside it for everybody else."""

import fcntl
import math
import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from omegaconf import DictConfig
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from srlab.errors import SrlabError, one_line
from srlab.files import write_json
from srlab.sweeps.jobs import Result
from srlab.sweeps.space import Parameter, Values, grid
from srlab.sweeps.trial import storage_of

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Asked:
    """A trial to be run."""

    number: int
    trial_id: int
    values: Values


class Study:
    """Trials of one search space on one set of data, whatever process runs them; reopened where it exists.

    `settings` are the config's `sweep`; a sampler that is `exhaustive` tries every point in order. SrlabError if the
    storage does not answer, or the sampler has no end.
    """

    def __init__(
        self, folder: Path, parameters: list[Parameter], settings: DictConfig, pruner: optuna.pruners.BasePruner
    ) -> None:
        self.folder, self.parameters, self._seed = folder, parameters, settings.seed
        self.objectives: dict[str, str] = {str(name): what for name, what in settings.objectives.items()}
        self._make_sampler = instantiate(settings.sampler.make)
        self._is_grid: bool = settings.sampler.exhaustive
        points: list[Values] = []
        self.num_trials: int = settings.num_trials or 0
        if self._is_grid:
            points = grid(parameters)[: settings.num_trials]
            self.num_trials = len(points)
        elif settings.num_trials is None:
            raise SrlabError("this sampler has no end: set sweep.num_trials")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.optuna = optuna.create_study(
                storage=storage_of(settings.storage, folder),
                study_name=folder.name,
                directions=[StudyDirection[what.upper()] for what in self.objectives.values()],
                pruner=pruner,
                load_if_exists=True,
            )
        except Exception as error:  # of SQLAlchemy, or of one of its drivers
            if settings.storage is None:
                raise
            raise SrlabError(f"the storage of studies does not answer (SRLAB_STUDIES): {one_line(error)}") from error
        there = {_text(_point(trial)) for trial in self.trials()}
        self._points = deque(point for point in points if _text(point) not in there)
        self._num_retried = self._retry() if settings.retry_failed else 0
        self._left = [trial for trial in self.trials() if trial.state == TrialState.RUNNING]

    def trials(self) -> list[FrozenTrial]:
        """All of them, by number."""
        return self.optuna.get_trials(deepcopy=False)

    @property
    def num_over(self) -> int:
        """Trials that are complete, pruned or failed, but for failed ones that are tried again."""
        return sum(trial.state.is_finished() for trial in self.trials()) - self._num_retried

    @property
    def num_left_running(self) -> int:
        """Trials that an earlier process began, and this one did not take up yet."""
        return len(self._left)

    def ask(self) -> Asked | None:
        """The next trial: one that an earlier process left behind, or a new one; None if there are enough.

        A new one is drawn with a seed of its own, so that a resumed sweep does not repeat itself.
        """
        if self._left:
            left = self._left.pop(0)
            self.optuna.sampler = self._make_sampler(seed=self._seed + left.number)
            return self._asked(optuna.Trial(self.optuna, left._trial_id))
        trials = self.trials()
        num_waiting = sum(trial.state == TrialState.WAITING for trial in trials)
        num_begun = len(trials) - num_waiting
        num_left = num_waiting + len(self._points)
        if (num_left if self._is_grid else self.num_trials + self._num_retried - num_begun) <= 0:
            return None
        if self._points and not num_waiting:
            self.optuna.enqueue_trial(self._points.popleft())
        self.optuna.sampler = self._make_sampler(seed=self._seed + num_begun)
        return self._asked(self.optuna.ask())

    def _asked(self, trial: optuna.Trial) -> Asked:
        """With the values that the trial has, and those that its process was killed before it drew."""
        values = {one.key: trial._suggest(one.key, one.distribution) for one in self.parameters}
        return Asked(trial.number, trial._trial_id, values)

    def tell(self, number: int, result: Result, seconds: float) -> Result:
        """Note how a trial ended, once; `result`, or a failure if an objective is no finite number."""
        trial = self.trials()[number]
        if trial.state.is_finished():
            return result
        outcome = result.outcome or {}
        for name, value in zip(self.objectives, outcome.get("values", []), strict=False):
            if not math.isfinite(value):
                result = Result("failed", None, f"{name} is {value} in its best epoch")
        kept = {key: outcome[key] for key in ("epoch", "run_id", "output") if key in outcome}
        for key, value in {"why": result.why, "seconds": seconds, **kept}.items():
            self.optuna._storage.set_trial_user_attr(trial._trial_id, key, value)
        self.optuna.tell(number, outcome["values"] if result.outcome else None, STATES[result.state])
        return result

    def _retry(self) -> int:
        trials = self.trials()
        failed = [trial for trial in trials if trial.state == TrialState.FAIL]
        others = {_text(_point(trial)) for trial in trials if trial.state != TrialState.FAIL}
        for text, point in {_text(_point(trial)): _point(trial) for trial in failed}.items():
            if text not in others:
                self.optuna.enqueue_trial(point)
        return len(failed)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each trial that is over or runs: number, state, values, objectives, epoch, seconds, run, why."""
        return [_row(trial, self.objectives) for trial in self.trials() if trial.state != TrialState.WAITING]

    def best(self) -> list[dict[str, Any]]:
        """The rows of the best trial, or of the front of those that none surpasses in everything."""
        if not any(trial.state == TrialState.COMPLETE for trial in self.trials()):
            return []
        chosen = [self.optuna.best_trial] if len(self.objectives) == 1 else self.optuna.best_trials
        return [_row(trial, self.objectives) for trial in sorted(chosen, key=lambda trial: trial.number)]

    def write(self, facts: dict[str, Any]) -> None:
        """sweep.json: `facts`, objectives, best trials, all trials."""
        content = {**facts, "objectives": self.objectives, "best": self.best(), "trials": self.rows()}
        write_json(self.folder / "sweep.json", content)


def _point(trial: FrozenTrial) -> Values:
    """The values of a trial, also of one that waits."""
    return trial.params or trial.system_attrs.get("fixed_params", {})


def _text(point: Values) -> str:
    return str(sorted(point.items()))


def _row(trial: FrozenTrial, objectives: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, float | None] = dict.fromkeys(objectives)
    if trial.state == TrialState.COMPLETE:  # a pruned one has the value of an epoch, no result
        found = dict(zip(objectives, trial.values, strict=True))
    num_epochs = max(trial.intermediate_values, default=-1) + 1
    return {
        "trial": trial.number,
        "state": "failed" if trial.state == TrialState.FAIL else trial.state.name.lower(),
        **trial.params,
        **found,
        "epoch": trial.user_attrs.get("epoch"),
        "reported_epochs": num_epochs or None,
        "seconds": trial.user_attrs.get("seconds"),
        "run_id": trial.user_attrs.get("run_id", ""),
        "why": trial.user_attrs.get("why", ""),
    }


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's folder. SrlabError if another process runs this sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel however the process ends
        except BlockingIOError as error:
            lock.seek(0)
            raise SrlabError(f"{folder.name} is being run by process {lock.read()}: wait for it or stop it") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        os.register_at_fork(after_in_child=lock.close)
        yield
