"""Trackers, a store that is told what MLflow would be told, and clients of it that fail or are killed at any call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE

from srlab.tracking.tracker import Tracker

EXPERIMENT = "srlab"


def start(
    outbox: Path, uri: str = "http://store", key: str = "", live: bool = False, **told: dict[str, Any]
) -> Tracker:
    """A tracker of a run with `tags` and `params`."""
    tracker = Tracker(uri, str(outbox.parent / "artifacts"), EXPERIMENT, str(outbox), live)
    return tracker.start("espcn", told.get("tags", {}), told.get("params", {"lr": 0.1}), key)


def close(tracker: Tracker) -> None:
    with tracker.closing():
        pass


class Killed(BaseException):
    """Ends everything, like a SIGKILL: no `except Exception` sees it."""


@dataclass
class Store:
    """What MLflow keeps, as far as it matters here: metrics by MLflow's primary key, in the order of their arrival."""

    runs: dict[str, Any] = field(default_factory=dict)
    metrics: dict[tuple[str, str, int, int, float], None] = field(default_factory=dict)
    artifacts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    refused: str = ""  # a metric, tag or parameter of this name
    calls: int = 0  # of log_batch

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id=name, lifecycle_stage="active")

    def create_run(self, experiment_id: str, start_time: int, tags: dict[str, str], run_name: str) -> Any:
        run_id = f"{len(self.runs):032x}"
        info = SimpleNamespace(
            run_id=run_id, start_time=start_time, lifecycle_stage="active", status="RUNNING", end_time=None
        )
        self.runs[run_id] = SimpleNamespace(info=info, data=SimpleNamespace(tags=dict(tags), params={}))
        return self.runs[run_id]

    def get_run(self, run_id: str) -> Any:
        if run_id not in self.runs:
            raise MlflowException(f"Run with id={run_id} not found", RESOURCE_DOES_NOT_EXIST)
        return self.runs[run_id]

    def search_runs(self, experiment_ids: list[str], filter_string: str, order_by: list[str]) -> list[Any]:
        return [run for run in self.runs.values() if f"= '{run.data.tags['srlab.key']}'" in filter_string]

    def update_run(self, run_id: str, status: str) -> None:
        self.get_run(run_id).info.status = status

    def set_terminated(self, run_id: str, status: str, end_time: int | None) -> None:
        info = self.get_run(run_id).info
        info.status, info.end_time = status, end_time

    def get_metric_history(self, run_id: str, key: str) -> list[Any]:
        return [SimpleNamespace(step=one[3]) for one in self.metrics if one[:2] == (run_id, key)]

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        data = self.get_run(run_id).data
        self.calls += 1
        assert len(metrics) <= 1000  # of MLflow's REST API
        if self.refused in [one.key for one in (*metrics, *params, *tags)]:
            raise MlflowException("Invalid metric name\nand more", INVALID_PARAMETER_VALUE)
        for one in metrics:
            self.metrics[run_id, one.key, one.timestamp, one.step, one.value] = None
        data.params.update({one.key: one.value for one in params})
        data.tags.update({one.key: one.value for one in tags})

    def list_artifacts(self, run_id: str, folder: str) -> list[Any]:
        return []

    def log_artifact(self, run_id: str, path: str, folder: str | None) -> None:
        self.get_run(run_id)
        self.artifacts[run_id, f"{folder}/{Path(path).name}"] = Path(path).read_bytes()


FAULTS: dict[str, tuple[bool, BaseException | None]] = {  # (whether the call has its effect, what its caller sees)
    "fine": (True, None),
    "no answer": (False, requests.ConnectionError("refused")),
    "answer lost": (True, requests.Timeout("timed out")),
    "busy": (False, MlflowException("(sqlite3.OperationalError) database is locked", TEMPORARILY_UNAVAILABLE)),
    "killed before": (False, Killed()),
    "killed after": (True, Killed()),
}


def in_turn(faults: list[tuple[int, str]]) -> Iterator[str]:
    """Faults of (fine calls before it, kind)."""
    return (kind for gap, fault in faults for kind in [*["fine"] * gap, fault])


class Flaky:
    """A client of a store whose calls meet the faults one after the other, and none when these are used up."""

    def __init__(self, store: Store, faults: Iterator[str]) -> None:
        self.store, self.faults = store, faults

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            happens, error = FAULTS[next(self.faults, "fine")]
            result = getattr(self.store, name)(*args, **kwargs) if happens else None
            if error:
                raise error
            return result

        return call
