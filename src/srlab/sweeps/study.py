"""What a sweep knows of its trials: a study of Optuna's, and trials.json beside it for everybody else."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from srlab.errors import SrlabError
from srlab.files import write_json
from srlab.sweeps.launchers import Result
from srlab.sweeps.space import Parameter, Values, grid
from srlab.sweeps.trial import storage_of

OVER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
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

    Args:
        folder: of this study.
        storage: URL of Optuna's storage, None for a sqlite file in the folder.
        objectives: name -> maximize or minimize.
        make_sampler: seed -> sampler.
        exhaustive: try every point, in order, whatever the sampler.
        num_trials: None for all points.
        retry_failed: begin those anew that failed before.

    Raises:
        SrlabError: the storage does not answer, or another process runs this sweep.
    """

    def __init__(
        self,
        folder: Path,
        storage: str | None,
        parameters: list[Parameter],
        objectives: Mapping[str, str],
        make_sampler: Callable[[int], optuna.samplers.BaseSampler],
        pruner: optuna.pruners.BasePruner,
        exhaustive: bool,
        num_trials: int | None,
        retry_failed: bool,
    ) -> None:
        self.folder, self.parameters, self.objectives = folder, parameters, dict(objectives)
        self._make_sampler = make_sampler
        points = grid(parameters) if exhaustive else []
        if num_trials is None and not exhaustive:
            raise SrlabError("this sampler has no end: set sweep.num_trials")
        self.num_trials = len(points) if num_trials is None else min(num_trials, len(points) or num_trials)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.optuna = optuna.create_study(
                storage=storage_of(storage, folder),
                study_name=folder.name,
                directions=[StudyDirection[what.upper()] for what in self.objectives.values()],
                pruner=pruner,
                load_if_exists=True,
            )
        except Exception as error:  # of SQLAlchemy, or of one of its drivers
            if storage is None:
                raise
            text = next(iter(str(error).splitlines()), type(error).__name__)
            raise SrlabError(f"the storage of studies does not answer (SRLAB_STUDIES): {text[:200]}") from error
        for point in points[: self.num_trials]:
            self.optuna.enqueue_trial(point, skip_if_exists=True)
        self._num_retried = self._retry() if retry_failed else 0
        self._left = [trial for trial in self.trials() if trial.state == TrialState.RUNNING]

    def trials(self) -> list[FrozenTrial]:
        """All of them, by number."""
        return self.optuna.get_trials(deepcopy=False)

    @property
    def num_over(self) -> int:
        """Trials that are complete, pruned or failed, but for failed ones that are begun anew."""
        return sum(trial.state in OVER for trial in self.trials()) - self._num_retried

    @property
    def num_left_running(self) -> int:
        """Trials that an earlier process began, and this one did not take up yet."""
        return len(self._left)

    def ask(self) -> Asked | None:
        """The next trial: one that an earlier process left behind, or a new one; None if there are enough.

        A new one is drawn with a seed of its own, so that a sweep which is gone on with does not repeat itself.
        """
        if self._left:
            trial = self._left.pop(0)
            return Asked(trial.number, trial._trial_id, dict(trial.params))
        begun = [trial for trial in self.trials() if trial.state != TrialState.WAITING]
        if len(begun) - self._num_retried >= self.num_trials:
            return None
        self.optuna.sampler = self._make_sampler(len(begun))
        asked = self.optuna.ask({one.key: one.distribution for one in self.parameters})
        return Asked(asked.number, asked._trial_id, {one.key: asked.params[one.key] for one in self.parameters})

    def tell(self, number: int, result: Result, seconds: float) -> None:
        """How a trial ended; a second time it changes nothing."""
        trial = self.trials()[number]
        if trial.state in OVER:
            return
        storage = self.optuna._storage
        outcome = result.outcome or {}
        for key, value in {"why": result.why, "seconds": seconds, **_kept(outcome)}.items():
            storage.set_trial_user_attr(trial._trial_id, key, value)
        values = outcome["values"] if result.state == "complete" else None
        self.optuna.tell(number, values, STATES[result.state])

    def _retry(self) -> int:
        trials = self.trials()
        failed = [trial for trial in trials if trial.state == TrialState.FAIL]
        others = [trial.params for trial in trials if trial.state not in (TrialState.FAIL, TrialState.WAITING)]
        for params in (dict(key) for key in dict.fromkeys(tuple(trial.params.items()) for trial in failed)):
            if params not in others:
                self.optuna.enqueue_trial(params)
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


def _kept(outcome: dict[str, Any]) -> dict[str, Any]:
    return {key: outcome[key] for key in ("epoch", "run_id", "output") if key in outcome}


def _row(trial: FrozenTrial, objectives: Mapping[str, str]) -> dict[str, Any]:
    found = dict(zip(objectives, trial.values or [None] * len(objectives), strict=True))
    state = {"complete": "complete", "fail": "failed"}.get(trial.state.name.lower(), trial.state.name.lower())
    if trial.state == TrialState.PRUNED:
        found = dict.fromkeys(objectives)  # it has the value of an epoch, no result
    num_epochs = max(trial.intermediate_values, default=-1) + 1
    return {
        "trial": trial.number,
        "state": state,
        **trial.params,
        **found,
        "epoch": trial.user_attrs.get("epoch"),
        "reported_epochs": num_epochs or None,
        "seconds": trial.user_attrs.get("seconds"),
        "run_id": trial.user_attrs.get("run_id", ""),
        "why": trial.user_attrs.get("why", ""),
    }


@contextmanager
def only_one(folder: Path) -> Iterator[TextIO]:
    """Hold the lock of a study's folder.

    Raises:
        SrlabError: another process runs this sweep.
    """
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
        yield lock
