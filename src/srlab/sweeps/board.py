"""A sweep in MLflow: one run with what was tried and what came out, above one run for each trial."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hydra.utils import instantiate
from omegaconf import DictConfig

from srlab.errors import SrlabError
from srlab.files import write_json
from srlab.sweeps.space import describe
from srlab.sweeps.study import Study
from srlab.sweeps.trial import as_json
from srlab.tracking.journal import LOCAL
from srlab.tracking.tracker import Tracker, remembered_run


@dataclass
class Board:
    """What the run of a sweep, already started, shows of its study."""

    tracker: Tracker
    study: Study

    def update(self) -> None:
        """After each trial: the table of all, and the best value so far."""
        rows, best = self.study.rows(), self.study.best()
        states = [row["state"] for row in rows]
        counts = {f"trials/{state}": float(states.count(state)) for state in ("complete", "pruned", "failed")}
        front = {f"best/{name}": best[0][name] for name in self.study.objectives} if len(best) == 1 else {}
        self.tracker.metrics({**counts, **front}, step=self.study.num_over)
        if rows:
            self.tracker.table(rows, "trials.json")

    def finish(self) -> None:
        """The plots, and the best trial in the run's description."""
        from srlab.sweeps.plots import draw_plots  # imports matplotlib

        for file in draw_plots(self.study.optuna, list(self.study.objectives), self.study.folder):
            self.tracker.artifact(file, "plots")
        best, keys = self.study.best(), [one.key for one in self.study.parameters]
        columns = ["trial", *keys, *self.study.objectives]
        lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(str(row[key]) for key in columns)} |" for row in best]
        promote = f"`srlab promote {self.study.folder.name}` writes the best into params.yaml."
        text = "\n".join([f"## Best of {self.study.num_over} trials", "", *lines, "", promote])
        self.tracker.tags({"mlflow.note.content": text})  # the run's description in the UI
        if len(best) == 1:
            values = {key: best[0][key] for key in keys}
            best_trial = f"trial {best[0]['trial']}: {describe(values)}"
            self.tracker.tags({"srlab.best": best_trial, "srlab.values": as_json(values)})


@contextmanager
def board(tracking: DictConfig, experiment: str, study: Study, name: str) -> Iterator[tuple[Board, str]]:
    """The board and the id of its run; everything the trials tell MLflow is sent while the block lasts.

    SrlabError if the tracking server does not answer.
    """
    tracker: Tracker = instantiate(tracking, experiment=experiment)
    params = {one.key: one.text for one in study.parameters}
    goals = {f"objective {name}": what for name, what in study.objectives.items()}
    tags = {"srlab.sweep": study.folder.name}
    tracker.start(name, tags, {**params, **goals}, remembered_run(study.folder))
    with tracker.closing():
        run_id = tracker.known_id()
        if tracker.live and run_id.startswith(LOCAL):
            raise SrlabError(
                f"MLflow at {tracker.uri} does not answer: start it, or set tracking.live=false and run "
                "`srlab send` when it does"
            )
        write_json(study.folder / "run.json", {"run_id": run_id})
        yield Board(tracker, study), run_id
