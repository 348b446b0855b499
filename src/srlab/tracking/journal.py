"""What MLflow is to be told, on disk before it is sent: one journal per tracker, gone when MLflow has all of it.

    <outbox>/                            on which lies the lock of those who send
    <outbox>/<time>-<name>-<hex>.jsonl   one JSON object a line, the header first; the writer's lock lies on it
    <outbox>/<time>-<name>-<hex>.sent    how far `srlab.tracking.sending` came
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
LOCAL = "local-"  # begins the key of a run while nobody knows MLflow's id of it


class InUse(Exception):
    """Another process writes or sends this journal, or one that has to be sent before it."""


class Gone(Exception):
    """All of this journal was sent."""


class Journal:
    """A new journal, locked until `close` or the end of this process and of those that it forked.

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

    def close(self) -> None:
        """Let others have the journal."""
        fcntl.flock(self._file, fcntl.LOCK_UN)  # processes that the training forked may live on, with the file open
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
            if not line.endswith(b"\n"):
                return
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
        if not _locked(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB):
            raise InUse(f"{path} is in use")
        if os.fstat(file.fileno()).st_nlink == 0:  # removed between opening and locking
            raise Gone(path)
        yield


def is_held(path: Path) -> bool:
    """Whether another process holds the lock of a journal. To ask that disturbs nobody else who asks."""
    try:
        with path.open("rb") as file:
            return not _locked(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False


@contextmanager
def sending(outbox: Path, alone: bool) -> Iterator[bool]:
    """Hold the right to send from an outbox: alone, once nobody else has it, or with others; False if one is alone.

    Who is alone needs no journal's lock, and may send what others still write; all others send under these locks.
    """
    outbox.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(outbox, os.O_RDONLY)
    try:
        yield _locked(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def is_followed(outbox: Path) -> bool:
    """Whether a process is there that sends what is written, at once."""
    with sending(outbox, alone=False) as allowed:
        return not allowed


def remove(path: Path) -> None:
    """Remove a journal and all that belongs to it, the journal first: it must not be sent without its files."""
    path.unlink()
    _remove_rest(path)


def sweep(outbox: Path) -> None:
    """Remove what is left of journals that are gone, where a kill came between."""
    for path in [*outbox.glob("*.sent"), *outbox.glob("*.files")]:
        if not path.with_suffix(".jsonl").exists():
            _remove_rest(path)


def one_line(error: Exception, length: int = 120) -> str:
    """The beginning of what an exception says."""
    text = str(error).strip()
    return text.splitlines()[0][:length] if text else type(error).__name__


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    return True


def _remove_rest(path: Path) -> None:
    path.with_suffix(".sent").unlink(missing_ok=True)
    shutil.rmtree(files(path), ignore_errors=True)
