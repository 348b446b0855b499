"""MLflow, kept at arm's length: a mirror of what is on disk, which can fail without failing a training.

The only import of mlflow. Metrics of a training are in its checkpoint and in `models/<m>/history.csv` first.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # the default blocks 251 s on a dead server
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

import mlflow.data.code_dataset_source
import mlflow.data.meta_dataset
import yaml
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from srlab.files import read_json
from srlab.stage import is_follower

Row = dict[str, float]
LEARNING_RATE = "lr"  # the metric by which the row of an epoch is known
MAX_PARAMS = 100  # that MLflow takes in one call


class Tracker:
    """One MLflow run. After the first failing call it warns once and stays silent: results do not depend on it.

    Args:
        uri: tracking URI; a sqlite file is created on first use, once, however many processes start.
        artifacts: folder for artifacts where `uri` is a sqlite file; a server decides for itself.
        experiment: name of the MLflow experiment, created if need be.
    """

    def __init__(self, uri: str, artifacts: str, experiment: str) -> None:
        self.uri, self.artifacts, self.experiment = _absolute(uri), Path(artifacts).resolve(), experiment
        self.run_id = self.experiment_id = ""
        self.last_step = -1  # epochs up to this one are in the run already
        self._failed = False

    def start(self, name: str, tags: dict[str, str], params: dict[str, Any], run_id: str = "") -> "Tracker":
        """Go on with `run_id` if the store knows it, else open a new one with `tags`, `params`, code version.

        Of the processes that train one model on several devices, only the first tells MLflow anything.
        """
        if is_follower():
            self.run_id, self._failed = run_id, True
        self._try(self._start, name, tags, params, run_id)
        return self

    def metrics(self, row: Row, step: int) -> None:
        """Log one epoch's metrics; a step that a resumed run logged before is skipped."""
        if step > self.last_step:
            self._log(row, step)

    def scores(self, row: Row) -> None:
        """Log figures of no epoch, also to a training's run after its last epoch: there they replace earlier ones."""
        self._log(row, step=0)

    def tags(self, tags: dict[str, str]) -> None:
        """Set tags of the run; `mlflow.note.content` is its description in the UI, in Markdown."""
        self._try(lambda: self.client.log_batch(self.run_id, tags=[RunTag(k, v) for k, v in tags.items()]))

    def describe(self, text: str, methods: list[str]) -> None:
        """Make `text` (Markdown) the run's description in the UI, with links to the newest runs of `methods`."""
        runs = {method: self.latest(method) for method in methods}
        links = [f"- [{method}]({self.link(run)})" for method, run in runs.items() if run]
        self.tags({"mlflow.note.content": "\n".join([text, "## Runs", "", *links])})

    def artifact(self, path: Path, folder: str) -> None:
        """Log a file or a whole folder under `folder`."""
        log = "log_artifacts" if path.is_dir() else "log_artifact"
        self._try(lambda: getattr(self.client, log)(self.run_id, str(path), folder or None))

    def image(self, image: Any, key: str, step: int) -> None:
        """Log a uint8 image (H, W, 3) of one epoch; the UI shows a slider over the epochs."""
        if step > self.last_step:
            self._try(lambda: self.client.log_image(self.run_id, image, key=key, step=step))

    def table(self, rows: list[dict[str, Any]], name: str) -> None:
        """Log rows as a table artifact, which the UI's evaluation view shows; a table of that name is replaced."""
        self._try(self._table, rows, name)

    def dataset(self, path: str, digest: str) -> None:
        """Log the data set that was trained on: its folder, DVC's md5 of it and the digest of its pixels."""
        tags = {"path": path, "dvc_md5": dvc_md5(path) or "not in dvc.lock", "pixel_digest": digest}
        source = mlflow.data.code_dataset_source.CodeDatasetSource(tags=tags)
        dataset: Any = mlflow.data.meta_dataset.MetaDataset(
            source=source, name=Path(path).name, digest=tags["dvc_md5"][:36]
        )
        inputs = [DatasetInput(dataset._to_mlflow_entity(), tags=[])]
        self._try(lambda: self.client.log_inputs(self.run_id, inputs))

    def latest(self, method: str) -> str:
        """Run id of the newest pipeline run of a method, or "" if there is none."""
        found = self._try(lambda: self.client.search_runs([self.experiment_id], f"tags.`srlab.method` = '{method}'"))
        return next((run.info.run_id for run in found or [] if run.data.tags.get("dvc.stage")), "")

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close the run at the end of the block: FINISHED, or on an exception FAILED, on an interrupt KILLED."""
        status = "KILLED"
        try:
            yield
            status = "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            self._try(lambda: self.client.set_terminated(self.run_id, status))

    def link(self, run_id: str) -> str:
        """Where the UI shows a run, relative to its root."""
        return f"#/experiments/{self.experiment_id}/runs/{run_id}"

    def _start(self, name: str, tags: dict[str, str], params: dict[str, Any], run_id: str) -> None:
        with _lock(self.uri):  # two processes that create one sqlite store at once race in its migrations
            self.client = MlflowClient(self.uri)
            experiment = self.client.get_experiment_by_name(self.experiment)
            location = self.artifacts.as_uri() if self.uri.startswith("sqlite") else None
            self.experiment_id = (
                experiment.experiment_id if experiment else self.client.create_experiment(self.experiment, location)
            )
        if run_id and self._knows(run_id):
            self.run_id = run_id
            self.client.update_run(run_id, status="RUNNING")
            self.last_step = max((m.step for m in self.client.get_metric_history(run_id, LEARNING_RATE)), default=-1)
            return
        run = self.client.create_run(self.experiment_id, run_name=name, tags={**tags, **code_tags()})
        self.run_id = run.info.run_id
        entries = [Param(key, str(value)) for key, value in params.items()]
        for start in range(0, len(entries), MAX_PARAMS):
            self.client.log_batch(self.run_id, params=entries[start : start + MAX_PARAMS])

    def _log(self, row: Row, step: int) -> None:
        now = int(time.time() * 1000)
        batch = [Metric(key, value, now, step) for key, value in row.items()]
        self._try(lambda: self.client.log_batch(self.run_id, metrics=batch))

    def _table(self, rows: list[dict[str, Any]], name: str) -> None:
        columns = {key: [row[key] for row in rows] for key in rows[0]}
        if all(file.path != name for file in self.client.list_artifacts(self.run_id)):
            self.client.log_table(self.run_id, columns, name)
        else:  # log_table would add the rows of a second evaluation to those of the first
            content = {"columns": list(columns), "data": [list(row.values()) for row in rows]}
            self.client.log_dict(self.run_id, content, name)

    def _knows(self, run_id: str) -> bool:
        """False for a run of another store: a clone pulls models/<m>/run.json without the runs."""
        try:
            return self.client.get_run(run_id).info.lifecycle_stage == "active"
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _try(self, call: Callable[..., Any], *args: Any) -> Any:
        if self._failed:
            return None
        try:
            return call(*args)
        except Exception as error:
            self._failed = True
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            print(f"MLflow at {self.uri} does not answer, so this run is not complete there: {reason}", file=sys.stderr)
            return None


def remembered_run(folder: Path) -> str:
    """The tracking run that an earlier, killed process opened in this folder; "" if there was none."""
    file = folder / "run.json"
    return read_json(file)["run_id"] if file.exists() else ""


def code_tags() -> dict[str, str]:
    """Tags that say which code made a run: git commit (shown by the UI), whether it was edited, DVC stage."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()

    tags = {
        "mlflow.source.git.commit": git("rev-parse", "HEAD"),
        "mlflow.source.name": Path(sys.argv[0]).name,
        "mlflow.source.type": "LOCAL",
        "git.edited": str(bool(git("status", "--porcelain", "--untracked-files=no"))).lower(),
        "dvc.stage": os.environ.get("DVC_STAGE", ""),
        "dvc.experiment": os.environ.get("DVC_EXP_NAME", ""),
    }
    return {key: value for key, value in tags.items() if value}


def dvc_md5(path: str) -> str | None:
    """DVC's md5 of an output, from dvc.lock; None where it is not there."""
    lock = Path("dvc.lock")
    stages = (yaml.safe_load(lock.read_text()) or {}).get("stages", {}) if lock.exists() else {}
    outs = (out for stage in stages.values() for out in stage.get("outs", []))
    return next((out["md5"] for out in outs if out["path"] == path), None)


def _absolute(uri: str) -> str:
    prefix = "sqlite:///"
    return prefix + str(Path(uri.removeprefix(prefix)).resolve()) if uri.startswith(prefix) else uri


@contextmanager
def _lock(uri: str) -> Iterator[None]:
    if not uri.startswith("sqlite:///"):
        yield
        return
    path = Path(uri.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
