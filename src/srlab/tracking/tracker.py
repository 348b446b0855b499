"""MLflow, kept at arm's length: what it is told goes to a journal on disk, and another process sends it from there.

So a call costs a training microseconds, a store that fails costs it nothing, and nothing is lost: see `journal`
(what lies on disk), `delivery` (how it is sent), `sender` (when, and by whom). Nothing here imports mlflow.
"""

import math
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from srlab.errors import one_line
from srlab.files import read_json
from srlab.stage import is_follower
from srlab.tracking.journal import LOCAL, PARENT, SQLITE, Journal, Progress, files, portable
from srlab.tracking.sender import Sender, is_followed, mention

Row = dict[str, float]
WHY = "srlab.why"  # the tag that says what ended a run early


class Tracker:
    """One MLflow run. Nothing here raises because of MLflow or of a full disk: results do not depend on it.

    The experiment, and a sqlite file at `uri`, are created on first use, once, however many processes start. The
    folder `artifacts` belongs to such a file; a server decides for itself. Entries wait in the folder `outbox` until
    MLflow has them; if `live`, a process sends them at once, otherwise `srlab send` does.
    """

    def __init__(self, uri: str, artifacts: str, experiment: str, outbox: str, live: bool) -> None:
        self.uri, self.artifacts, self.experiment = _absolute(uri), Path(artifacts).resolve(), experiment
        self.outbox, self.live = Path(outbox).resolve(), live
        self._run_id, self._last_stamp, self._is_silent, self._is_part, self._is_warned = "", 0, False, False, False
        self._journal: Journal | None = None
        self._sender: Sender | None = None

    def start(
        self, name: str, tags: dict[str, str], params: dict[str, Any], run_id: str = "", *, adds: bool = False
    ) -> "Tracker":
        """Continue `run_id` if the store knows it, else open a new run with `tags`, `params`, code version.

        With `adds` a run that has finished keeps its end: it is when the training ended, not what came after.
        The tag `mlflow.parentRunId` puts it below another run, and may be that tracker's `run_id` or `known_id()`.
        Of the processes that train one model on several devices, only the first tells MLflow anything.
        """
        self._run_id, self._is_part = run_id or LOCAL + secrets.token_hex(8), PARENT in tags
        if not is_follower():
            try:
                self._start(name, tags, params, adds)
            except OSError as error:
                self._stop(error)
        return self

    @property
    def run_id(self) -> str:
        """MLflow's id of the run, or the key by which `start` finds it as well while the id is not known yet."""
        if self._journal:
            self._run_id = Progress.of(self._journal.path).run_id or self._run_id
        return self._run_id

    @property
    def address(self) -> str:
        """Where to look at the run, as far as it is known."""
        number = Progress.of(self._journal.path).experiment_id if self._journal else ""
        if not number:
            return f"not there yet, it waits in {self.outbox}: srlab send"
        is_file = self.uri.startswith(SQLITE)
        server = "http://127.0.0.1:5000" if is_file else self.uri
        return f"{server}/#/experiments/{number}/runs/{self.run_id}" + " (after `make ui`)" * is_file

    def known_id(self) -> str:
        """`run_id`, after MLflow had time to answer: its own id, wherever there is a store that answers."""
        if self._journal and self._sender:
            self._sender.wait([self._journal.path], lambda path: Progress.of(path).run_id != "")
        return self.run_id

    def metrics(self, row: Row, step: int) -> None:
        """Log one epoch's metrics; a step that the run has from before a kill is skipped when they are sent."""
        self._tell("metrics", step=step, values=_floats(row))
        self._warn()

    def scores(self, row: Row) -> None:
        """Log figures of no epoch, also to a training's run after its last epoch: there they replace earlier ones."""
        self._tell("scores", step=0, values=_floats(row))

    def tags(self, tags: dict[str, str]) -> None:
        """Set tags of the run; `mlflow.note.content` is its description in the UI, in Markdown."""
        self._tell("tags", tags=tags)

    def describe(self, text: str, methods: list[str]) -> None:
        """Make `text` (Markdown) the run's description in the UI, with links to the newest runs of `methods`."""
        self._tell("describe", text=text, methods=methods)

    def artifact(self, path: Path, folder: str) -> None:
        """Log a file, or what is in a folder, under `folder`."""
        self._tell("artifact", lambda journal: journal.keep(path), folder=folder)

    def model(
        self, path: Path, name: str, network: dict[str, Any], value: str, sign: int, tags: dict[str, Any]
    ) -> None:
        """Log the weights of a trained network, once, and register it as srlab-`name`: `srlab.tracking.registry`.

        `network` builds it: "_target_" and the arguments of its constructor. `tags` are scores and `data`, a digest of
        what it was trained on; `value` names the one that chooses the best, the largest if `sign` is 1, else the least.
        """
        about = {"name": name, "network": network, "value": value, "sign": sign}
        about |= {"tags": {key: str(one) for key, one in tags.items()}}
        self._tell("model", lambda journal: journal.keep(path), **about)

    def image(self, image: Any, key: str, step: int) -> None:
        """Log a uint8 image (H, W, 3) of one epoch; the UI shows a slider over the epochs."""

        def keep(journal: Journal) -> str:
            import numpy as np

            place = journal.place("image.npy")
            np.save(files(journal.path) / place, image)  # to encode it would take longer; the sender does
            return place

        self._tell("image", keep, key=key, step=step, id=secrets.token_hex(8))

    def table(self, rows: list[dict[str, Any]], name: str) -> None:
        """Log rows as a table artifact, which the UI's evaluation view shows; a table of that name is replaced."""
        columns = list(rows[0])
        self._tell("table", name=name, columns=columns, data=[[_cell(row[key]) for key in columns] for row in rows])

    def dataset(self, path: str, digest: str) -> None:
        """Log the data set that was trained on: its folder, DVC's md5 of it and the digest of its pixels."""
        tags = {"path": path, "dvc_md5": dvc_md5(path) or "not in dvc.lock", "pixel_digest": digest}
        self._tell("dataset", name=Path(path).name, digest=tags["dvc_md5"][:36], tags=tags)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close the run at the end of the block: FINISHED, or on an exception FAILED, on an interrupt KILLED.

        An exception that has an `mlflow_status` chooses another word; the tag `srlab.why` keeps its first line.
        Waits until MLflow has everything, while it takes things; says in one line what it has not.
        """
        status, why = "KILLED", ""
        try:
            yield
            status = "FINISHED"
        except Exception as error:
            status, why = getattr(error, "mlflow_status", "FAILED"), one_line(error, 250)
            raise
        finally:
            self._is_silent = False  # the disk may have room for one more entry
            if why:
                self.tags({WHY: why})
            self._tell("end", status=status)
            self._close()

    def _start(self, name: str, tags: dict[str, str], params: dict[str, Any], adds: bool) -> None:
        uri = self.uri
        if uri.startswith(SQLITE):
            file = Path(uri.removeprefix(SQLITE))
            file.parent.mkdir(parents=True, exist_ok=True)
            uri = SQLITE + portable(file, self.outbox)
        header = {
            "kind": "start",
            "name": name,
            "key": self._run_id,
            "uri": uri,
            "artifacts": portable(self.artifacts, self.outbox),
            "experiment": self.experiment,
            "tags": {**tags, **code_tags()},
            "params": {key: str(value) for key, value in params.items()},
            "adds": adds,
            "time": self._stamp(),
        }
        self._journal = Journal(self.outbox, header)
        if self.live:
            self._sender = Sender(self.outbox)

    def _tell(self, kind: str, keep: Callable[[Journal], str] | None = None, **entry: Any) -> None:
        """Note an entry; `keep` puts its file into the journal's folder and says where."""
        if self._journal and not self._is_silent:
            try:
                kept = {"file": keep(self._journal)} if keep else {}
                self._journal.append({"kind": kind, "time": self._stamp(), **kept, **entry})
            except OSError as error:
                self._stop(error)

    def _stop(self, error: OSError) -> None:
        self._is_silent = True
        text = f"MLflow is told no more of this run, since it cannot be noted in {self.outbox}: {error}"
        print(text, file=sys.stderr)

    def _stamp(self) -> int:
        """Milliseconds since 1970, of two calls never the same: MLflow would take two equal scores for one."""
        self._last_stamp = max(self._last_stamp + 1, int(time.time() * 1000))
        return self._last_stamp

    def _warn(self) -> None:
        """Say once, while the training runs, that MLflow takes nothing."""
        if self._journal and self._sender and not self._is_warned:
            failure = Progress.of(self._journal.path).failure
            if failure:
                print(f"{failure}: what it is told waits in {self.outbox}", file=sys.stderr)
            self._is_warned = failure != ""

    def _close(self) -> None:
        if self._journal is None:
            return
        self._run_id, path = self.run_id, self._journal.path
        self._journal.close()
        self._journal = None
        if self._sender:
            try:
                self._sender.close()
            except OSError as error:
                self._stop(error)
        elif not (self._is_part or is_followed(self.outbox)):  # whoever has the parent says it once
            mention([path], f"MLflow at {self.uri} is told nothing now")


def remembered_run(folder: Path) -> str:
    """The tracking run that an earlier, killed process opened in this folder; "" if there was none."""
    file = folder / "run.json"
    return read_json(file)["run_id"] if file.exists() else ""


def code_tags() -> dict[str, str]:
    """Tags that say which code made a run: git commit (shown by the UI), whether it was edited, DVC stage."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, encoding="utf-8", check=False)
        return done.stdout.strip()

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
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # the latter takes most of a second
    stages = (yaml.load(lock.read_text(encoding="utf-8"), loader) or {}).get("stages", {}) if lock.exists() else {}
    outs = (out for stage in stages.values() for out in stage.get("outs", []))
    return next((out["md5"] for out in outs if out["path"] == path), None)


def _absolute(uri: str) -> str:
    return SQLITE + str(Path(uri.removeprefix(SQLITE)).resolve()) if uri.startswith(SQLITE) else uri


def _floats(row: Row) -> Row:
    return {key: float(value) for key, value in row.items()}


def _cell(value: Any) -> Any:
    """JSON has no word for a figure that is not finite; nor has a browser."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
