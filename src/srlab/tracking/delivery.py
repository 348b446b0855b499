"""Bring one journal of the outbox to MLflow: entry by entry, in order. The only import of mlflow.

Every entry can be sent twice without harm (a metric is known by key, step, time and value, a file by its name, a run by
the tag srlab.key). So what a kill, or a lost answer, leaves in doubt is sent again.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # the default blocks 251 s on a dead server
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")  # it logs what it raises, and we say what is to be said

import mlflow.data.code_dataset_source
import mlflow.data.meta_dataset
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.multimedia import compress_image_size
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_LOGGED_IMAGES
from sqlalchemy import URL

from srlab.errors import one_line
from srlab.moved import renew_store
from srlab.tracking.answers import StoreError, is_permanent
from srlab.tracking.journal import (
    LOCAL,
    PARENT,
    SQLITE,
    Damaged,
    Entry,
    Progress,
    entries,
    files,
    header,
    joined,
    remove,
    set_aside,
)

KEY = "srlab.key"  # the tag by which a run is found whose id was not known when its first journal was written
JOURNAL = "srlab.journal"  # the tag that says which journal opened a run
LEARNING_RATE = "lr"  # the metric by which the row of an epoch is known
MAX_PARAMS, MAX_METRICS = 100, 1000  # that MLflow takes in one call
MakeClient = Callable[[str], Any]  # tracking URI to something with the methods of MlflowClient


def client_of(uri: str) -> MlflowClient:
    """MLflow's client; `uri` of a sqlite file holds its path as it is, and SQLAlchemy reads % and ? otherwise.

    Seen from the project no sign of its own path is left: MLflow makes the folder of what it takes for a path.
    """
    if uri.startswith(SQLITE) and re.search("[%?]", uri):
        uri = URL.create("sqlite", database=os.path.relpath(uri.removeprefix(SQLITE))).render_as_string()
    return MlflowClient(uri)


class Delivery:
    """The sending of one journal to `uri`, "" for the one in it; the caller holds the lock of the outbox.

    Damaged if the journal has no header.
    """

    def __init__(self, path: Path, uri: str = "", make_client: MakeClient = client_of) -> None:
        self.path, self.header, self.progress = path, header(path), Progress.of(path)
        self.uri = uri or self.header["uri"]
        if self.uri.startswith(SQLITE):
            renew_store(Path(self.uri.removeprefix(SQLITE)), Path(self.header["artifacts"]))
        self.client: Any = make_client(self.uri)

    def advance(self, is_written: bool) -> None:
        """Send what is in the journal by now; raises whatever the store raised, and the next call continues there.

        Unless it is still written to, the run gets its end, KILLED if the journal has none, and the journal is removed.
        """
        self._open()
        status, time = "KILLED", None
        for entry, offset in joined(entries(self.path, self.progress.offset), MAX_METRICS):
            if entry["kind"] == "end":  # is not noted: a sender that continues after a kill finds it again
                status, time = entry["status"], entry["time"] + self.progress.late
                break
            self._send(entry)
            self._note(offset)
        if not is_written:
            if not self._only_adds(self.client.get_run(self.progress.run_id)):
                self.client.set_terminated(self.progress.run_id, status, time)
            remove(self.path)

    def _open(self) -> None:
        """Find the run: the one of the progress, else the one with the key, else a new one."""
        client, key, journal = self.client, self.header["key"], self.path.stem
        if self.progress.run_id and known(client, self.progress.run_id):
            return
        experiment_id = self._experiment()
        run = known(client, key) or _tagged(client, experiment_id, key)
        if run is None:
            tags = {**self.header["tags"], **self._parent(experiment_id), KEY: key, JOURNAL: journal}
            made, name = self.header["time"], self.header["name"]
            run = client.create_run(experiment_id, start_time=made, tags=tags, run_name=name)
        self.progress = Progress(run.info.run_id, experiment_id)
        if run.data.tags.get(JOURNAL) == journal:  # though perhaps before a kill
            params = [Param(name, value) for name, value in self.header["params"].items()]
            for start in range(0, len(params), MAX_PARAMS):
                self._batch("params", params[start : start + MAX_PARAMS])
        else:
            self.progress.late = self._lateness(run.info.end_time or 0)
            if not self._only_adds(run):
                client.update_run(run.info.run_id, status="RUNNING")
            history = client.get_metric_history(run.info.run_id, LEARNING_RATE)
            self.progress.last_step = max((metric.step for metric in history), default=-1)
        _, behind_header = next(entries(self.path, 0))
        self._note(behind_header)

    def _lateness(self, ended: int) -> int:
        """As in `Progress`, given when the run was over before; 0 if it was this journal that ended it."""
        ends = [entry["time"] for entry, _ in entries(self.path, 0) if entry["kind"] == "end"]
        return 0 if ended in ends else max(0, ended - self.header["time"] + 1)

    def _only_adds(self, run: Run) -> bool:
        """Whether the run is that of a finished training, and keeps its end: an evaluation tells more of it."""
        return self.header.get("adds", False) and run.info.status == "FINISHED"

    def _experiment(self) -> str:
        name = self.header["experiment"]
        found = self.client.get_experiment_by_name(name)
        if found is None:
            is_file = self.uri.startswith("sqlite")  # a server decides for itself where artifacts lie
            return self.client.create_experiment(name, Path(self.header["artifacts"]).as_uri() if is_file else None)
        if found.lifecycle_stage == "deleted":
            restore = f"MLFLOW_TRACKING_URI={self.uri} mlflow experiments restore --experiment-id {found.experiment_id}"
            raise StoreError(f"has the experiment {name} among the deleted ones: `{restore}`")
        return found.experiment_id

    def _parent(self, experiment_id: str) -> dict[str, str]:
        """The tag that puts the run below another, whose id was not known when it was written."""
        key = self.header["tags"].get(PARENT, "")
        parent = _tagged(self.client, experiment_id, key) if key.startswith(LOCAL) else None
        return {PARENT: parent.info.run_id} if parent else {}

    def _note(self, offset: int) -> None:
        self.progress.offset, self.progress.failure = offset, ""
        self.progress.note(self.path)

    def _send(self, entry: Entry) -> None:
        try:
            log = getattr(self, f"_log_{entry['kind']}", None)
            if log is None:
                raise Damaged("no entry")
            log(entry)
        except Damaged as error:
            self._set_aside(entry, f"{self.path} is damaged ({error})", error)
        except Exception as error:
            self._refused(entry, error)

    def _batch(self, what: str, items: list[Any]) -> None:
        """Log `what` (metrics, params, tags) in one call; if that is refused, one by one, to lose no other."""
        try:
            self.client.log_batch(self.progress.run_id, **{what: items})
        except Exception as error:
            if len(items) == 1:
                self._refused({what: dict(items[0])}, error)
            elif is_permanent(error):
                for item in items:
                    self._batch(what, [item])
            else:
                raise

    def _refused(self, entry: Entry, error: Exception) -> None:
        """Set an entry aside that the store will never take; raise the error if another try may succeed."""
        if not is_permanent(error) or not known(self.client, self.progress.run_id):
            raise error
        self._set_aside(entry, f"MLflow at {self.uri} refuses an entry ({one_line(error)})", error)

    def _set_aside(self, entry: Entry, what: str, error: Exception) -> None:
        place = set_aside(self.path, entry, one_line(error))
        print(f"{what}: set aside in {place}, and the rest is sent", file=sys.stderr)

    def _file(self, entry: Entry) -> Path:
        found = files(self.path) / entry["file"]
        if not found.exists():
            raise Damaged(f"{found} is missing")
        return found

    # One method for each kind of entry.

    def _log_metrics(self, entry: Entry) -> None:
        """Rows of metrics and of scores, joined."""
        last = self.progress.last_step
        rows = [row for row in entry["rows"] if row["kind"] == "scores" or row["step"] > last]
        late = self.progress.late
        metrics = [
            Metric(key, value, row["time"] + late, row["step"]) for row in rows for key, value in row["values"].items()
        ]
        if metrics:
            self._batch("metrics", metrics)

    def _log_tags(self, entry: Entry) -> None:
        self._batch("tags", [RunTag(key, value) for key, value in entry["tags"].items()])

    def _log_describe(self, entry: Entry) -> None:
        root = f"#/experiments/{self.progress.experiment_id}/runs"
        runs = {method: self._latest(method) for method in entry["methods"]}
        links = [f"- [{method}]({root}/{run_id})" for method, run_id in runs.items() if run_id]
        self._log_tags({"tags": {"mlflow.note.content": "\n".join([entry["text"], "## Runs", "", *links])}})

    def _latest(self, method: str) -> str:
        """Run id of the newest pipeline run of a method, or "" if there is none."""
        found = self.client.search_runs([self.progress.experiment_id], f"tags.`srlab.method` = '{method}'")
        return next((run.info.run_id for run in found if run.data.tags.get("dvc.stage")), "")

    def _log_artifact(self, entry: Entry) -> None:
        source = self._file(entry)
        log = self.client.log_artifacts if source.is_dir() else self.client.log_artifact
        log(self.progress.run_id, str(source), entry["folder"] or None)

    def _log_model(self, entry: Entry) -> None:
        from srlab.tracking.registry import register  # imports more of mlflow

        register(self.client, self.progress.run_id, self.progress.experiment_id, self._file(entry), entry)

    def _log_image(self, entry: Entry) -> None:
        """As MlflowClient.log_image does it, but under the same names when it is sent again."""
        import numpy as np
        from PIL import Image

        run_id, begin = self.progress.run_id, f"{entry['key']}+step+{entry['step']}+"
        stem = f"{begin}timestamp+{entry['time']}+{entry['id']}"
        names = [Path(file.path).name for file in self.client.list_artifacts(run_id, "images")]
        if any(name.startswith(begin) and not name.startswith(stem) for name in names):
            return  # a run that was killed before the end of this epoch has sent the image
        try:
            image = Image.fromarray(np.load(self._file(entry)))
        except (ValueError, EOFError) as error:
            raise Damaged(f"{self._file(entry)}: {one_line(error)}") from error
        with tempfile.TemporaryDirectory() as folder:
            image.save(Path(folder, f"{stem}.png"))
            compress_image_size(image).save(Path(folder, f"{stem}+compressed.webp"))
            self.client.log_artifacts(run_id, folder, "images")
        self.client.set_tag(run_id, MLFLOW_LOGGED_IMAGES, True)

    def _log_table(self, entry: Entry) -> None:
        """As MlflowClient.log_table does it, but a table of that name is replaced, where that would add to its rows."""
        run_id, name = self.progress.run_id, entry["name"]
        self.client.log_dict(run_id, {"columns": entry["columns"], "data": entry["data"]}, name)
        listed = json.loads(self.client.get_run(run_id).data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        table = {"path": name, "type": "table"}
        if table not in listed:
            self.client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([*listed, table]))

    def _log_dataset(self, entry: Entry) -> None:
        source = mlflow.data.code_dataset_source.CodeDatasetSource(tags=entry["tags"])
        dataset: Any = mlflow.data.meta_dataset.MetaDataset(source=source, name=entry["name"], digest=entry["digest"])
        self.client.log_inputs(self.progress.run_id, [DatasetInput(dataset._to_mlflow_entity(), tags=[])])


def known(client: Any, run_id: str) -> Run | None:
    """None for a run of another store, too: a clone pulls models/<m>/run.json without the runs."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        # With authentication, MLflow says of a run that it does not know that nobody may read it.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED"):
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def _tagged(client: Any, experiment_id: str, key: str) -> Run | None:
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", order_by=["attributes.start_time ASC"])
    return next(iter(found), None)
