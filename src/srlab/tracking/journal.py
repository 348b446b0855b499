"""What MLflow is to be told, on disk before it is sent: one journal per tracker, gone when MLflow has all of it.

    <outbox>/<time>-<name>-<hex>.jsonl   one JSON object a line, the header first; its writer holds a lock on it
    <outbox>/<time>-<name>-<hex>.sent    how far `srlab.tracking.delivery` came
    <outbox>/<time>-<name>-<hex>.files/  copies of artifacts and images, since the originals may go before they are sent
    <outbox>/set-aside/                  what is damaged, or refused by MLflow for good; nothing reads it again
    <outbox>/sender.log                  what the sender says, which holds a lock on it while it lives

An entry is written by one call of the kernel, so that a killed process leaves whole entries and at most one torn one
at the end, which readers pass over. Whoever sends holds the lock of the outbox itself (`exclusive`).
"""

import errno
import fcntl
import itertools
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from srlab.files import read_json, write_json

Entry = dict[str, Any]
LOCAL = "local-"  # begins the key of a run while nobody knows MLflow's id of it
PARENT = "mlflow.parentRunId"  # the tag by which MLflow knows what run this one is a part of
SQLITE = "sqlite:///"
HEADER = {"kind", "name", "key", "uri", "artifacts", "experiment", "tags", "params", "time"}  # what a header has


class Damaged(Exception):
    """A journal, an entry or a file of it cannot be read."""


class Journal:
    """A new journal in `outbox`, locked until `close` or the end of this process and of those that it forked.

    `header` is its first entry, whose `name` becomes a part of the file's. OSError of the disk, also from `append`,
    `keep`.
    """

    def __init__(self, outbox: Path, header: Entry) -> None:
        outbox.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        name = re.sub(r"[^\w-]", "_", header["name"])
        self.path = outbox / f"{stamp}-{name}-{secrets.token_hex(4)}.jsonl"
        self._numbers, self._size = itertools.count(), 0
        temporary = self.path.with_suffix(".partial")  # a journal that others see is locked and has its header
        self._file = temporary.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.append(header)
        os.fsync(self._file.fileno())  # nor does a power failure leave one without
        temporary.rename(self.path)

    def append(self, entry: Entry) -> None:
        """Write one entry, or nothing of it."""
        line = json.dumps(entry).encode() + b"\n"
        if self._file.write(line) != len(line):
            self._file.seek(self._size)
            self._file.truncate()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += len(line)

    def keep(self, source: Path) -> str:
        """Copy a file or folder; its name inside the journal's folder."""
        target = self.place(source.name)
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, files(self.path) / target)
        return target

    def place(self, name: str) -> str:
        """`<number>/<name>`, of which <number>/ is a new folder in the journal's."""
        number = str(next(self._numbers))
        (files(self.path) / number).mkdir(parents=True)
        return f"{number}/{name}"

    def close(self) -> None:
        """Release the lock."""
        fcntl.flock(self._file, fcntl.LOCK_UN)  # processes that the training forked may live on, with the file open
        self._file.close()


@dataclass
class Progress:
    """How far the sending of a journal came: the run at MLflow, and the bytes of the journal that are there."""

    run_id: str = ""  # until the run is known or made
    experiment_id: str = ""
    last_step: int = -1  # epochs up to this one were in the run before this journal
    offset: int = 0  # bytes
    failure: str = ""  # why nothing is sent at present, "does not answer (...)"
    late: int = 0  # ms by which the clock was behind what the run has: of two scores MLflow shows the later one

    @classmethod
    def of(cls, path: Path) -> "Progress":
        """The progress noted beside the journal `path`; that of a start if there is none.

        A damaged one is set aside, and all is sent again, which does no harm.
        """
        file = path.with_suffix(".sent")
        try:
            return cls(**read_json(file))
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError):
            with suppress(FileNotFoundError):  # another process was faster
                place = _aside(path) / file.name
                file.replace(place)
                print(f"{file} is damaged and now {place}: its journal is sent again from the start", file=sys.stderr)
            return cls()

    def note(self, path: Path) -> None:
        """Write it down, atomically."""
        write_json(path.with_suffix(".sent"), asdict(self))


def files(path: Path) -> Path:
    """The folder for copies of the journal `path`."""
    return path.with_suffix(".files")


def journals(outbox: Path) -> list[Path]:
    """Every journal, oldest first."""
    return sorted(outbox.glob("*.jsonl"))


def header(path: Path) -> Entry:
    """The first entry of a journal, with absolute paths of its sqlite file and its artifacts. Damaged if it is none."""
    entry, _ = next(entries(path, 0), ({}, 0))
    if not entry.keys() >= HEADER:
        raise Damaged(f"{path} has no header")
    project, uri = path.parent.parent, str(entry["uri"])
    if uri.startswith(SQLITE):
        entry["uri"] = SQLITE + str(project / uri.removeprefix(SQLITE))
    return entry | {"artifacts": str(project / entry["artifacts"])}


def portable(place: Path, outbox: Path) -> str:
    """How a header names a file or folder: relative to the project where it lies in it.

    So a copied or moved project sends to its own store, and not to that of the original.
    """
    project = outbox.parent
    return str(place.relative_to(project) if place.is_relative_to(project) else place)


def entries(path: Path, offset: int) -> Iterator[tuple[Entry, int]]:
    """(entry, offset behind it) of every whole entry from `offset` on; {"kind": "damaged"} for what is no entry."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield _entry(line), offset


def joined(told: Iterator[tuple[Entry, int]], most: int) -> Iterator[tuple[Entry, int]]:
    """Neighbouring rows of metrics as one entry of at most `most` values: what waited for hours is soon sent."""
    rows: list[Entry] = []
    size = behind = 0
    for entry, offset in told:
        values = entry.get("values")
        if rows and (values is None or size + len(values) > most):
            yield {"kind": "metrics", "rows": rows}, behind
            rows, size = [], 0
        if values is None:
            yield entry, offset
        else:
            rows.append(entry)
            size, behind = size + len(values), offset
    if rows:
        yield {"kind": "metrics", "rows": rows}, behind


def num_waiting(path: Path) -> int:
    """Entries that are not sent; 0 if the journal is gone."""
    try:
        return sum(1 for _ in entries(path, Progress.of(path).offset))
    except FileNotFoundError:
        return 0


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of a file. To ask disturbs nobody else who asks."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def exclusive(outbox: Path) -> Iterator[None]:
    """Be the only one who sends from an outbox, as soon as nobody else does."""
    descriptor = os.open(outbox, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a journal and all that belongs to it, the journal first: it must not be sent without its files."""
    path.unlink()
    _remove_rest(path)


def sweep(outbox: Path) -> None:
    """Remove what is left of journals that are gone, where a kill came between."""
    for path in [*outbox.glob("*.sent"), *outbox.glob("*.files")]:
        if not path.with_suffix(".jsonl").exists():
            _remove_rest(path)


def set_aside(path: Path, entry: Entry, why: str) -> Path:
    """Keep an entry, and its file, that will not be sent; where it is kept."""
    place = _aside(path) / path.name
    if (source := files(path) / entry.get("file", "")) != files(path) and source.exists():
        target = files(place) / entry["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    with place.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"why": why, "entry": entry}) + "\n")
    return place


def set_all_aside(path: Path) -> Path:
    """Keep a whole journal that cannot be sent, and all that belongs to it; where it is kept."""
    folder = _aside(path)
    for one in (files(path), path.with_suffix(".sent"), path):
        if one.exists():
            one.replace(folder / one.name)
    return folder / path.name


def _entry(line: bytes) -> Entry:
    with suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict) and "kind" in entry:
            return entry
    return {"kind": "damaged", "line": str(line)}


def _aside(path: Path) -> Path:
    folder = path.with_name("set-aside")
    folder.mkdir(exist_ok=True)
    return folder


def _remove_rest(path: Path) -> None:
    path.with_suffix(".sent").unlink(missing_ok=True)
    shutil.rmtree(files(path), ignore_errors=True)
