"""What a sweep says on the console."""

from typing import Any

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.planning.forecast import duration
from srlab.sweeps.jobs import Result
from srlab.sweeps.space import Values, describe, overrides
from srlab.sweeps.study import Asked, Study


def say_how_it_begins(study: Study, num_jobs: int) -> None:
    """How many trials there are, and how many of them are over."""
    name, over, left = study.folder.name, study.num_over, study.num_left_running
    text = f"sweep {name}: {study.num_trials} trials, {num_jobs} at a time"
    if over or left:
        text += f"; {over} are over" + (f", {left} had begun" if left else "")
    print(f"{text} (in {study.folder})", flush=True)


def progress(study: Study, asked: Asked, result: Result, left: float) -> str:
    """A line for a trial that is over; `left` are seconds until all are."""
    ended, best = result.why, study.best()
    if result.outcome:
        ended = _figures(study, dict(zip(study.objectives, result.outcome["values"], strict=True)))
    text = f"{study.num_over}/{study.num_trials}  trial {asked.number}, {describe(asked.values)}: {ended}"
    if len(best) == 1:
        text += f"; best: trial {best[0]['trial']}, {_figures(study, best[0])}"
    elif best:
        text += f"; front: trials {', '.join(str(row['trial']) for row in best)}"
    return f"{text}; about {duration(left / 3600)} left" if study.num_over < study.num_trials else text


def say_how_it_ended(study: Study) -> None:
    """The best trials, and how to promote them. SrlabError if trials failed."""
    best, rows = study.best(), study.rows()
    for row in best:
        values: Values = {one.key: row[one.key] for one in study.parameters}
        print(f"best: trial {row['trial']}: {_figures(study, row)}: {' '.join(overrides(values))}")
    if best:
        which = "" if len(best) == 1 else f" --trial {best[0]['trial']}"
        print(f"`srlab promote {study.folder.name}{which}` writes this into params.yaml, `dvc repro` confirms it")
    if failed := [row for row in rows if row["state"] == "failed"]:
        raise SrlabError(
            f"{len(failed)} of {len(rows)} trials failed, as trial {failed[-1]['trial']}: {failed[-1]['why']}"
        )


def _figures(study: Study, row: dict[str, Any]) -> str:
    """The objectives of a row."""
    return ", ".join(figure(row[name], name) for name in study.objectives)


def figure(value: float, name: str) -> str:
    """A value of a metric that is logged under `name`, as in "30.123 dB"; of anything else as in "val/loss 0.01"."""
    metric = METRICS.get(name.rpartition("/")[2])
    return f"{metric.text(value)} {metric.unit}" if metric and metric.unit else f"{name} {value:.4g}"
