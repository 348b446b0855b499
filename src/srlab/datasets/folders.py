"""The picture files in a folder, and a name for each; what is passed over is said, with the reason."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from srlab.errors import SrlabError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp")
SHUT = "folders that may not be read"
LONGEST = 120  # bytes of a name: it becomes a part of longer ones, and file systems take 255


def pictures(folder: Path) -> list[tuple[str, Path]]:
    """(unique name, file) of every picture in or below `folder`, sorted by relative path; SrlabError if none.

    Links to folders are followed, each folder once. A line says how many files and folders were passed over, by reason;
    hidden ones are not counted.
    """
    relatives, passed_over = _listed(folder)
    if not relatives:
        found = f", but {_counted(passed_over)}" if passed_over else ""
        raise SrlabError(f"{folder} holds no image ({' '.join(SUFFIXES)}){found}: put some there or correct the path")
    say_passed_over(folder, passed_over)
    return list(zip(unique_names(relatives), [folder / relative for relative in relatives], strict=True))


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; SrlabError where one above it may not be entered."""
    try:
        return path.is_dir()
    except PermissionError:
        raise SrlabError(f"{path} may not be read: give yourself the right to or correct the path") from None


@cache
def _note(line: str) -> None:
    """Print a line, once however often a folder is listed."""
    print(f"note: {line}")


def say_passed_over(folder: Path, passed_over: Counter[str]) -> None:
    """One line with how much was passed over, by reason; none if nothing was."""
    if passed_over:
        _note(f"{folder}: passed over {_counted(passed_over)}")


def _counted(passed_over: Counter[str]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in sorted(passed_over.items()))


def _listed(folder: Path) -> tuple[list[PurePosixPath], Counter[str]]:
    """Relative paths of the pictures, sorted; and how much else there is, by reason."""
    relatives: list[PurePosixPath] = []
    passed_over: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()

    def unreadable(_: OSError) -> None:
        passed_over[SHUT] += 1

    for path, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        here = Path(path)
        place = here.stat()
        if (place.st_dev, place.st_ino) in seen:
            passed_over["links to a folder that was listed already"] += 1
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        shown = [name for name in folders if not name.startswith(".")]
        folders[:] = sorted(shown, key=lambda name: ((here / name).is_symlink(), name))
        for file in (here / name for name in files if not name.startswith(".")):
            if reason := _reason(file):
                passed_over[reason] += 1
            else:
                relatives.append(PurePosixPath(file.relative_to(folder).as_posix()))
    return sorted(relatives), passed_over


def _reason(file: Path) -> str | None:
    """Why a file is passed over; None of a picture."""
    try:
        is_file = S_ISREG(file.stat().st_mode)
    except PermissionError:  # the folder may be listed, but not entered, or a link leads into one that is shut
        return f"behind {SHUT}"
    except OSError:
        return "dead links"
    if not is_file:
        return "neither files nor folders"
    return None if file.suffix.lower() in SUFFIXES else file.suffix.lower() or "without a suffix"


def is_picture(relative: PurePosixPath) -> bool:
    """Whether a path below a folder names a picture: by its suffix, and nothing in it hidden."""
    hidden = any(part.startswith(".") for part in relative.parts)  # "._x.png" of macOS archives is no image
    return relative.suffix.lower() in SUFFIXES and not hidden


def unique_names(relatives: Sequence[PurePosixPath]) -> list[str]:
    """A name per file: its stem where that is unique, else its path ("a/x.png": "a_x"), else with a suffix or hash.

    `usable` each. Case is ignored in the comparison, since two names must be two files on every file system.
    """
    spellings: tuple[Callable[[PurePosixPath], str], ...] = (
        lambda path: path.stem,
        lambda path: "_".join(path.with_suffix("").parts),
        lambda path: "_".join(path.parts).replace(".", "_"),
        lambda path: f"{path.stem}_{hashlib.sha256(os.fsencode(str(path))).hexdigest()[:12]}",
    )
    names: dict[PurePosixPath, str] = {}
    for spell in spellings:
        pending = [path for path in relatives if path not in names]
        spelled = {path: usable(spell(path)) for path in pending}
        counts = Counter(name.casefold() for name in spelled.values())
        taken = {name.casefold() for name in names.values()}
        names |= {
            path: name
            for path, name in spelled.items()
            if counts[name.casefold()] == 1 and name.casefold() not in taken
        }
    return [names[path] for path in relatives]


def usable(name: str) -> str:
    """A name that texts, file names and MLflow can hold: `escaped`, and cut with a hash at its end if it is long."""
    data = escaped(name).encode()
    if len(data) <= LONGEST:
        return data.decode()
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    return f"{data[: LONGEST - 13].decode(errors='ignore')}_{digest}"


def escaped(name: str) -> str:
    """A name with the bytes of what cannot be printed, and of what is no UTF-8, as %E9."""
    return "".join(
        sign if sign.isprintable() else "".join(f"%{byte:02X}" for byte in os.fsencode(sign)) for sign in name
    )
