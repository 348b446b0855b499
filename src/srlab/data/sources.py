"""Where pictures come from: installed packages, a folder, or a local mirror of the public data sets."""

import hashlib
import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from srlab.data.images import pixel_digest, read_image, require_size
from srlab.errors import SrlabError
from srlab.files import replacing, write_json
from srlab.progress import track

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
# photos that the wheels carry
PACKAGE_FOLDERS = {"skimage": "data", "sklearn": "datasets/images", "matplotlib": "mpl-data/sample_data"}
MIRROR_VARIABLE = "SRLAB_DATASETS"


class Source(Protocol):
    """A set of picture files. `str(source)` names it without any path of this machine; it goes into the manifest."""

    @property
    def wanted(self) -> int | None:
        """How many pictures were asked for; None means all there are."""
        ...

    def files(self) -> list[tuple[str, Path]]:
        """(unique name, file) of every picture, in a fixed order; SrlabError if there are none."""
        ...


class Packaged:
    """Photos inside installed wheels, given as "skimage:astronaut.png" or "sklearn:china.jpg": no network needed.

    Of the declared `files` the first `num_images` are taken (None: all).
    """

    def __init__(self, files: Sequence[str], num_images: int | None) -> None:
        self.wanted = _checked(num_images)
        self.entries = list(files)[:num_images]

    def __str__(self) -> str:
        return f"Packaged({', '.join(self.entries)})"

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) in the declared order; SrlabError where an entry is malformed, unknown or missing."""
        if not self.entries:
            raise SrlabError("Packaged lists no files: add some to its `files` in conf/dataset/")
        for entry, count in Counter(self.entries).items():
            if count > 1:
                raise SrlabError(f"Packaged lists {entry!r} {count} times: list it once in conf/dataset/")
        located = [_locate(entry) for entry in self.entries]
        names = _unique_names([PurePosixPath(entry.replace(":", "/")) for entry in self.entries])
        return list(zip(names, located, strict=True))


class Folder:
    """Every picture in or below a folder, or `num_images` of them spread evenly over the sorted list."""

    def __init__(self, path: str, num_images: int | None) -> None:
        self.path = Path(path).expanduser()
        self.wanted = _checked(num_images)

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.path.resolve().name})"

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) sorted by relative path; SrlabError if the folder is missing or holds no picture."""
        if not self.path.is_dir():
            raise SrlabError(f"{self.path} is no folder: correct the path, or put the images there")
        relatives = sorted(PurePosixPath(file.relative_to(self.path).as_posix()) for file in self.path.rglob("*"))
        relatives = [relative for relative in relatives if _is_picture(relative) and (self.path / relative).is_file()]
        if not relatives:
            raise SrlabError(f"{self.path} holds no image ({' '.join(SUFFIXES)}): put some there or correct the path")
        pairs = list(zip(_unique_names(relatives), [self.path / relative for relative in relatives], strict=True))
        count = min(self.wanted or len(pairs), len(pairs))
        return [pairs[i * len(pairs) // count] for i in range(count)]


class Mirror(Folder):
    """A folder of the local mirror of the public data sets, the folder that $SRLAB_DATASETS names."""

    def __init__(self, folder: str, num_images: int | None) -> None:
        root = os.environ.get(MIRROR_VARIABLE, "")
        super().__init__(str(Path(root) / folder), num_images)
        self.folder = folder
        self.root = root

    def __str__(self) -> str:
        return f"Mirror({self.folder})"

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) sorted by relative path; SrlabError if the variable is unset or the folder missing or empty."""
        homes = "docs/datasets.md lists the sets' public homes"
        if not self.root:
            raise SrlabError(
                f"{self.folder} is read from the folder that {MIRROR_VARIABLE} names, which is not set: "
                f"set it to the folder that holds {self.folder}/ ({homes})"
            )
        if not self.path.is_dir():
            raise SrlabError(
                f"{self.path} is no folder: put {self.folder} there or set {MIRROR_VARIABLE} to the folder "
                f"that holds it ({homes})"
            )
        return super().files()


def fetch_images(source: Source, out_dir: Path, minimum_side: int) -> None:
    """Copy the pictures of `source` unchanged to `out_dir`/<name><suffix> and describe them in manifest.json there.

    Every picture is decoded first: SrlabError with one line (file and cure) for each that is unusable or has a side
    below `minimum_side` px, and nothing is written. manifest.json: {"source", "wanted", "got", "images": {name:
    {"file", "width", "height", "channels", "sha256" of the pixels}}}.
    """
    files = source.files()
    entries: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for name, path in track(files, f"checking {len(files)} images"):
        try:
            entries[name] = _describe(name, path, minimum_side)
        except SrlabError as error:
            problems.append(str(error))
    if problems:
        raise SrlabError("\n".join(problems))
    _note_twins(entries)
    with replacing(Path(out_dir)) as temporary:
        temporary.mkdir()
        for name, path in files:
            shutil.copyfile(path, temporary / entries[name]["file"])
        manifest = {"source": str(source), "wanted": source.wanted, "got": len(entries), "images": entries}
        write_json(temporary / "manifest.json", manifest)


def _describe(name: str, path: Path, minimum_side: int) -> dict[str, Any]:
    image = read_image(path)
    require_size(path, image, minimum_side)
    height, width, channels = image.shape
    return {
        "file": name + path.suffix.lower(),
        "width": width,
        "height": height,
        "channels": channels,
        "sha256": pixel_digest(image),
    }


def _note_twins(entries: dict[str, dict[str, Any]]) -> None:
    """Print a line for each picture that repeats an earlier one; both stay, since published sets contain such twins."""
    first: dict[str, str] = {}
    for name, entry in entries.items():
        earlier = first.setdefault(entry["sha256"], name)
        if earlier != name:
            print(f"note: {name} has the same pixels as {earlier}; both are kept")


def _checked(num_images: int | None) -> int | None:
    if num_images is not None and num_images < 1:
        raise SrlabError(f"num_images is {num_images}: use at least 1, or null for all, in params.yaml")
    return num_images


def _locate(entry: str) -> Path:
    package, _, file = entry.partition(":")
    if package not in PACKAGE_FOLDERS or not file:
        raise SrlabError(
            f"{entry!r} is no packaged photo: write one of {'|'.join(PACKAGE_FOLDERS)}, a colon and a file"
        )
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SrlabError(f"{entry!r} needs the package {package}, which is not installed: run `make setup`")
    folder = Path(spec.origin).parent / PACKAGE_FOLDERS[package]
    if not (folder / file).is_file():
        there = ", ".join(sorted(path.name for path in folder.glob("*") if path.suffix in SUFFIXES))
        raise SrlabError(f"{entry!r} is not in the installed {package}: choose one of {there}")
    return folder / file


def _is_picture(relative: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") for part in relative.parts)  # "._x.png" of macOS archives is no image
    return relative.suffix.lower() in SUFFIXES and not hidden


def _unique_names(relatives: Sequence[PurePosixPath]) -> list[str]:
    """A name per file: its stem where that is unique, else its path ("a/x.png": "a_x"), else with a suffix or hash.

    Case is ignored in the comparison, since two names must be two files on every file system.
    """
    spellings: tuple[Callable[[PurePosixPath], str], ...] = (
        lambda path: path.stem,
        lambda path: "_".join(path.with_suffix("").parts),
        lambda path: "_".join(path.parts).replace(".", "_"),
        lambda path: f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}",
    )
    names: dict[PurePosixPath, str] = {}
    for spell in spellings:
        pending = [path for path in relatives if path not in names]
        counts = Counter(spell(path).casefold() for path in pending)
        taken = {name.casefold() for name in names.values()}
        names |= {p: spell(p) for p in pending if counts[spell(p).casefold()] == 1 and spell(p).casefold() not in taken}
    return [names[path] for path in relatives]
