"""What MLflow is to be told, on disk before it is sent: one journal per tracker, gone when MLflow has all of it.

    <outbox>/<time>-<name>-<hex>.jsonl   one JSON object a line, the header first; the writer's lock lies on it
    <outbox>/<time>-<name>-<hex>.sent    how far `srlab.sending` came
    <outbox>/<time>-<name>-<hex>.files/  copies of artifacts and images, since the originals may go before they are sent

An entry is written by one call of the kernel, so that a killed process leaves whole entries and at most one torn one
at the end, which readers pass over.
"""

import errno
import fcntl
import itertools
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from srlab.files import read_json, write_json

Entry = dict[str, Any]


class InUse(Exception):
    """Another process writes or sends this journal."""


class Gone(Exception):
    """All of this journal was sent."""


class Journal:
    """A new journal, locked until `close` or the end of this process and of those that inherited `fileno`.

    Args:
        outbox: folder of all journals, made if need be.
        header: the first entry; `name` becomes a part of the file's name.

    Raises:
        OSError: of the disk; from `append` and `keep`, too.
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
        if source.is_dir():
            shutil.copytree(source, files(self.path) / target)
        else:
            shutil.copyfile(source, files(self.path) / target)
        return target

    def place(self, name: str) -> str:
        """`<number>/<name>`, of which <number>/ is a new folder in the journal's."""
        number = str(next(self._numbers))
        (files(self.path) / number).mkdir(parents=True)
        return f"{number}/{name}"

    def fileno(self) -> int:
        """The descriptor on which the lock lies; a process that inherits it holds the lock, too."""
        return self._file.fileno()

    def close(self) -> None:
        """Let others have the journal."""
        self._file.close()


@dataclass
class Progress:
    """How far the sending of a journal came: the run at MLflow, and the bytes of the journal that are there.

    Args:
        run_id: "" until the run is known or made.
        last_step: epochs up to this one were in the run before this journal.
        offset: bytes.
        failure: why the last try failed; "" if it did not.
    """

    run_id: str = ""
    experiment_id: str = ""
    last_step: int = -1
    offset: int = 0
    failure: str = ""

    @classmethod
    def of(cls, path: Path) -> "Progress":
        """The progress noted beside the journal `path`; that of a start if there is none."""
        try:
            return cls(**read_json(path.with_suffix(".sent")))
        except FileNotFoundError:
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
    """The first entry of a journal."""
    with path.open("rb") as file:
        return json.loads(file.readline())


def entries(path: Path, offset: int) -> Iterator[tuple[Entry, int]]:
    """(entry, offset behind it) of every whole entry from `offset` on."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if line.endswith(b"\n"):
                offset += len(line)
                yield json.loads(line), offset


def num_waiting(path: Path) -> int:
    """Entries that are not sent."""
    return sum(1 for _ in entries(path, Progress.of(path).offset))


def concerning(outbox: Path, key: str) -> list[Path]:
    """Journals about the run that is known by `key`, ours or MLflow's, oldest first."""
    found = []
    for path in journals(outbox):
        try:
            if key in (header(path)["key"], Progress.of(path).run_id):
                found.append(path)
        except FileNotFoundError:  # sent and removed in the meantime
            continue
    return found


@contextmanager
def taken(path: Path) -> Iterator[None]:
    """Hold the lock of a journal.

    Raises:
        InUse: another process holds it.
        Gone: there is nothing to hold any more.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise Gone(path) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"{path} is in use") from error
        if os.fstat(file.fileno()).st_nlink == 0:  # removed between opening and locking
            raise Gone(path)
        yield


def remove(path: Path) -> None:
    """Remove a journal and all that belongs to it, the journal first: it must not be sent without its files."""
    path.unlink()
    _remove_rest(path)


def sweep(outbox: Path) -> None:
    """Remove what is left of journals that are gone, where a kill came between."""
    for path in [*outbox.glob("*.sent"), *outbox.glob("*.files")]:
        if not path.with_suffix(".jsonl").exists():
            _remove_rest(path)


def _remove_rest(path: Path) -> None:
    path.with_suffix(".sent").unlink(missing_ok=True)
    shutil.rmtree(files(path), ignore_errors=True)
