"""Files that are either whole or not there."""

import fcntl
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield where `path` (a file or a folder) is to be made, a place beside it, and rename that to `path` on success.

    On any exception the old content stays. Readers see the old content or the new one, never a half; a folder, which
    no system replaces at once, is absent between two renames. Processes that make the same `path` do not meet: each has
    a place of its own, and the last to finish wins. What a killed process left is removed before the next try.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _place(path) as place:
        made = place / path.name
        yield made
        made.lstat()  # FileNotFoundError before the old content is touched
        _swap(made, path, place / "old")


@contextmanager
def _place(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` that no other process uses; it is locked, and removed at the end."""
    key = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]  # a name near the longest allowed leaves no room
    places = (path.with_name(f".{key}-{number}.partial") for number in itertools.count())
    folder, descriptor = next((one, lock) for one in places if (lock := _locked(one)) is not None)
    try:
        for left in folder.iterdir():
            _remove(left)
        for further in itertools.takewhile(Path.exists, places):  # of several that were killed at once
            if (lock := _locked(further)) is not None:
                shutil.rmtree(further)
                os.close(lock)
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """A descriptor of `folder`, made if need be, with a lock on it that ends with the process; None if it is taken."""
    with suppress(FileExistsError):  # `exist_ok` would raise it where another process removes the folder meanwhile
        folder.mkdir()
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:  # removed in between
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), folder.stat()):  # else whoever had it has removed it
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _swap(made: Path, path: Path, old: Path) -> None:
    """Rename `made` to `path`; a folder that is there goes to `old`, also if another process was faster."""
    while True:
        if path.is_dir():
            _remove(old)
            with suppress(FileNotFoundError):
                path.rename(old)
        try:
            made.replace(path)
        except OSError:
            if not path.is_dir():
                raise
        else:
            return


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON with a final newline, atomically; bytes that are no text become escapes."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """Content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_made(path: Path) -> Any:
    """Content of a JSON file that a stage makes; SrlabError, with the cure, if it is missing or damaged."""
    try:
        return read_json(path)
    except FileNotFoundError:
        raise SrlabError(f"{path} is missing: run `dvc repro`, which makes it") from None
    except ValueError as error:
        raise SrlabError(f"{path} is damaged ({error}): remove it and run `dvc repro`") from error


def anchored(path: Path | str) -> Path:
    """A path of params.yaml or of the environment: ~ is the home, and what is not here lies in the project.

    `dvc exp run --temp` and `--queue` run in a copy of what Git knows; DVC_ROOT names the project itself.
    """
    here = Path(path).expanduser()
    return here if here.is_absolute() or here.exists() else Path(os.environ.get("DVC_ROOT", ""), here)


def from_environment(variable: str) -> Path | None:
    """The file or folder that an environment variable names, `anchored`; None where it is empty or not set."""
    named = os.environ.get(variable)
    return anchored(named) if named else None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
