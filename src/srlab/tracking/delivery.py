"""Bring one journal of the outbox to MLflow: entry by entry, in order. The only import of mlflow.

Every entry can be sent twice without harm (a metric is known by key, step, time and value, a file by its name, a run by
the tag srlab.key). So what a kill, or a lost answer, leaves in doubt is sent again.
"""

import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # the default blocks 251 s on a dead server
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")  # it logs what it raises, and we say what is to be said

import mlflow.data.code_dataset_source
import mlflow.data.meta_dataset
import requests
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.multimedia import compress_image_size
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_LOGGED_IMAGES, MLFLOW_PARENT_RUN_ID

from srlab.errors import SrlabError
from srlab.tracking.journal import (
    LOCAL,
    Entry,
    Gone,
    InUse,
    Progress,
    concerning,
    entries,
    files,
    header,
    one_line,
    remove,
    taken,
)

KEY = "srlab.key"  # the tag by which a run is found whose id nobody was there to hear
JOURNAL = "srlab.journal"  # the tag that says which journal opened a run
LEARNING_RATE = "lr"  # the metric by which the row of an epoch is known
MAX_PARAMS, MAX_METRICS = 100, 1000  # that MLflow takes in one call
REFUSALS = ("INVALID_PARAMETER_VALUE", "MALFORMED_REQUEST", "RESOURCE_ALREADY_EXISTS", "FEATURE_DISABLED")
REFUSING_STATUS = (400, 413, 415, 422)  # of HTTP, where a file is sent

MakeClient = Callable[[str], Any]  # tracking URI to something with the methods of MlflowClient


class Delivery:
    """The sending of one journal; the caller holds its lock, or is alone in sending from the outbox.

    Args:
        path: the journal.
        uri: tracking URI; "" for the one in the journal.
        artifacts: folder for artifacts where a sqlite file is the store and has no experiment yet; "" likewise.
    """

    def __init__(self, path: Path, uri: str = "", artifacts: str = "", make_client: MakeClient = MlflowClient) -> None:
        self.path, self.header, self.progress = path, header(path), Progress.of(path)
        self.uri, self.artifacts = uri or self.header["uri"], artifacts or self.header["artifacts"]
        self._make_client, self._client = make_client, None

    def advance(self, closed: bool, most: int | None = None) -> bool:
        """Send what is in the journal by now; whether nothing of it is left.

        Args:
            closed: nobody writes to the journal any more: the run gets its end, KILLED if the journal has none.
            most: calls after which enough is sent; None for no such limit.

        Raises:
            InUse: another journal has to be sent first, and cannot be by now.
            Exception: whatever the store raised; the next call goes on there.
        """
        try:
            if self._client is None:
                self._client = self._open()
            told = _joined(entries(self.path, self.progress.offset))
            for entry, offset in islice(told, most):
                if entry["kind"] == "end":  # is not noted, so that who goes on after a kill meets it again
                    if closed:
                        self._send(entry)
                    return True
                self._send(entry)
                self._note(offset=offset)
            if next(told, None):
                return False
            if closed:
                self._end({"status": "KILLED", "time": None})
        except InUse:
            raise
        except Exception as error:
            self._client = None
            self._note(failure=reason(error))
            raise
        return True

    @property
    def client(self) -> Any:
        """The connection, which `advance` has opened."""
        return self._client

    def _open(self) -> Any:
        """A client for the run: the one of the progress, else the one with the key, else a new one."""
        for name in self.header["after"]:
            try:
                deliver(self.path.with_name(name), self.uri, self.artifacts, self._make_client)
            except Gone:
                continue
        with _lock(self.uri):  # two processes that create one sqlite store at once race in its migrations
            client = self._make_client(self.uri)
            experiment_id = self._experiment(client)
        if self.progress.run_id and _known(client, self.progress.run_id):
            return client
        key, journal = self.header["key"], self.path.stem
        run = _known(client, key) or _tagged(client, experiment_id, key)
        if run is None:
            tags = {**self.header["tags"], **self._parent(client, experiment_id), KEY: key, JOURNAL: journal}
            made, name = self.header["time"], self.header["name"]
            run = client.create_run(experiment_id, start_time=made, tags=tags, run_name=name)
        run_id, last_step = run.info.run_id, -1
        if run.data.tags.get(JOURNAL) == journal:  # though perhaps before a kill
            self._params(client, run_id)
        else:
            client.update_run(run_id, status="RUNNING")
            last_step = max((m.step for m in client.get_metric_history(run_id, LEARNING_RATE)), default=-1)
        _, start = next(entries(self.path, 0))
        self.progress = Progress(run_id, experiment_id, last_step)
        self._note(offset=start)
        return client

    def _experiment(self, client: Any) -> str:
        name = self.header["experiment"]
        if found := client.get_experiment_by_name(name):
            return found.experiment_id
        location = Path(self.artifacts).as_uri() if self.uri.startswith("sqlite") else None
        try:
            return client.create_experiment(name, location)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return client.get_experiment_by_name(name).experiment_id  # another process was faster

    def _parent(self, client: Any, experiment_id: str) -> dict[str, str]:
        """The tag that puts the run below another, whose id was not known when it was written."""
        key = self.header["tags"].get(MLFLOW_PARENT_RUN_ID, "")
        if not key.startswith(LOCAL):
            return {}
        if parent := _tagged(client, experiment_id, key):
            return {MLFLOW_PARENT_RUN_ID: parent.info.run_id}
        if concerning(self.path.parent, key):
            raise InUse(f"the run {key}, above that of {self.path}, is not sent yet")
        return {}

    def _params(self, client: Any, run_id: str) -> None:
        params = [Param(key, value) for key, value in self.header["params"].items()]
        for start in range(0, len(params), MAX_PARAMS):
            batch = params[start : start + MAX_PARAMS]
            self._unless_refused("params", lambda batch=batch: client.log_batch(run_id, params=batch))

    def _send(self, entry: Entry) -> None:
        self._unless_refused(entry["kind"], lambda: getattr(self, f"_{entry['kind']}")(entry))

    def _unless_refused(self, kind: str, call: Callable[[], Any]) -> None:
        """What the store will never take is left out, so that it does not hold up the rest."""
        try:
            call()
        except Exception as error:
            if not _is_refusal(error):
                raise
            text = f"MLflow at {self.uri} refuses an entry ({kind}), which is left out: {one_line(error)}"
            print(text, file=sys.stderr)

    def _note(self, offset: int | None = None, failure: str = "") -> None:
        self.progress.offset = self.progress.offset if offset is None else offset
        self.progress.failure = failure
        self.progress.note(self.path)

    # One method for each kind of entry.

    def _metrics(self, entry: Entry) -> None:
        last = self.progress.last_step
        rows = [row for row in entry["rows"] if row["kind"] == "scores" or row["step"] > last]
        try:
            self._log(rows)
        except Exception as error:
            if len(rows) == 1 or not _is_refusal(error):
                raise
            for row in rows:  # not all of them will be refused
                self._unless_refused(row["kind"], lambda row=row: self._log([row]))

    def _log(self, rows: list[Entry]) -> None:
        batch = [Metric(key, value, row["time"], row["step"]) for row in rows for key, value in row["values"].items()]
        self.client.log_batch(self.progress.run_id, metrics=batch)

    def _tags(self, entry: Entry) -> None:
        self.client.log_batch(self.progress.run_id, tags=[RunTag(key, value) for key, value in entry["tags"].items()])

    def _describe(self, entry: Entry) -> None:
        root = f"#/experiments/{self.progress.experiment_id}/runs"
        runs = {method: self._latest(method) for method in entry["methods"]}
        links = [f"- [{method}]({root}/{run_id})" for method, run_id in runs.items() if run_id]
        self._tags({"tags": {"mlflow.note.content": "\n".join([entry["text"], "## Runs", "", *links])}})

    def _latest(self, method: str) -> str:
        """Run id of the newest pipeline run of a method, or "" if there is none."""
        found = self.client.search_runs([self.progress.experiment_id], f"tags.`srlab.method` = '{method}'")
        return next((run.info.run_id for run in found if run.data.tags.get("dvc.stage")), "")

    def _artifact(self, entry: Entry) -> None:
        source = files(self.path) / entry["file"]
        log = self.client.log_artifacts if source.is_dir() else self.client.log_artifact
        log(self.progress.run_id, str(source), entry["folder"] or None)

    def _image(self, entry: Entry) -> None:
        """As MlflowClient.log_image does it, but under the same names when it is sent again."""
        import numpy as np
        from PIL import Image

        run_id, begin = self.progress.run_id, f"{entry['key']}+step+{entry['step']}+"
        stem = f"{begin}timestamp+{entry['time']}+{entry['id']}"
        names = [Path(file.path).name for file in self.client.list_artifacts(run_id, "images")]
        if any(name.startswith(begin) and not name.startswith(stem) for name in names):
            return  # a run that was killed before the end of this epoch has sent the image
        image = Image.fromarray(np.load(files(self.path) / entry["file"]))
        with tempfile.TemporaryDirectory() as folder:
            image.save(Path(folder, f"{stem}.png"))
            compress_image_size(image).save(Path(folder, f"{stem}+compressed.webp"))
            self.client.log_artifacts(run_id, folder, "images")
        self.client.set_tag(run_id, MLFLOW_LOGGED_IMAGES, True)

    def _table(self, entry: Entry) -> None:
        """As MlflowClient.log_table does it, but a table of that name is replaced, where that would add to its rows."""
        run_id, name = self.progress.run_id, entry["name"]
        self.client.log_dict(run_id, {"columns": entry["columns"], "data": entry["data"]}, name)
        listed = json.loads(self.client.get_run(run_id).data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        table = {"path": name, "type": "table"}
        if table not in listed:
            self.client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([*listed, table]))

    def _dataset(self, entry: Entry) -> None:
        source = mlflow.data.code_dataset_source.CodeDatasetSource(tags=entry["tags"])
        dataset: Any = mlflow.data.meta_dataset.MetaDataset(source=source, name=entry["name"], digest=entry["digest"])
        self.client.log_inputs(self.progress.run_id, [DatasetInput(dataset._to_mlflow_entity(), tags=[])])

    def _end(self, entry: Entry) -> None:
        self.client.set_terminated(self.progress.run_id, entry["status"], entry["time"])


def deliver(path: Path, uri: str = "", artifacts: str = "", make_client: MakeClient = MlflowClient) -> str:
    """Send all of a journal whose writer is gone, and remove it; the run's id.

    Raises:
        InUse, Gone: see `srlab.tracking.journal.taken`.
        Exception: whatever the store raised.
    """
    with taken(path):
        delivery = Delivery(path, uri, artifacts, make_client)
        delivery.advance(closed=True)
        remove(path)
    return delivery.progress.run_id


def _joined(told: Iterator[tuple[Entry, int]]) -> Iterator[tuple[Entry, int]]:
    """Neighbouring rows of metrics as one entry each call can take: what waited for hours is soon sent."""
    rows: list[Entry] = []
    size = behind = 0
    for entry, offset in told:
        values = entry.get("values")
        if rows and (values is None or size + len(values) > MAX_METRICS):
            yield {"kind": "metrics", "rows": rows}, behind
            rows, size = [], 0
        if values is None:
            yield entry, offset
        else:
            rows.append(entry)
            size, behind = size + len(values), offset
    if rows:
        yield {"kind": "metrics", "rows": rows}, behind


def _known(client: Any, run_id: str) -> Run | None:
    """None for a run of another store, too: a clone pulls models/<m>/run.json without the runs."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        # With authentication, MLflow says of a run that it does not know that nobody may read it.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED"):
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def hours_of(uri: str, run_id: str, metric: str) -> float | None:
    """From the start of a run to its last value of `metric`, pauses included; None if it has none.

    Raises:
        SrlabError: the store does not answer.
    """
    try:
        client = MlflowClient(uri)
        start, times = client.get_run(run_id).info.start_time, client.get_metric_history(run_id, metric)
    except Exception as error:
        raise SrlabError(f"MLflow at {uri} does not answer ({reason(error)})") from error
    return (max(one.timestamp for one in times) - start) / 3.6e6 if times else None


def tags_of(uri: str, run_id: str) -> dict[str, str] | None:
    """The tags of a run; None if there is none of that id.

    Raises:
        SrlabError: the store does not answer.
    """
    try:
        run = _known(MlflowClient(uri), run_id)
    except Exception as error:
        raise SrlabError(f"MLflow at {uri} does not answer ({reason(error)})") from error
    return dict(run.data.tags) if run else None


def _tagged(client: Any, experiment_id: str, key: str) -> Run | None:
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", order_by=["attributes.start_time ASC"])
    return next(iter(found), None)


def reason(error: Exception) -> str:
    """Why a store does not answer, for a line that names it."""
    if "error code 401" in str(error):
        return "401, no such user and password: see MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    return one_line(error)


def _is_refusal(error: Exception) -> bool:
    """Whether the store answered that it will never take this."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code in REFUSING_STATUS
    return isinstance(error, MlflowException) and error.error_code in REFUSALS


@contextmanager
def _lock(uri: str) -> Iterator[None]:
    if not uri.startswith("sqlite:///"):
        yield
        return
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # seconds that no other process has to wait for

    path = Path(uri.removeprefix("sqlite:///"))
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
