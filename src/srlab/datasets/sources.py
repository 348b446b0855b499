"""Where pictures come from (installed packages, a folder), and the stage that copies them once they are checked."""

import importlib.util
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from srlab.datasets.folders import SUFFIXES, escaped, is_folder, pictures, unique_names, usable
from srlab.datasets.leaks import LeakCheck
from srlab.datasets.verification import Picture, PixelCheck, look
from srlab.errors import SrlabError
from srlab.files import anchored, replacing, write_json
from srlab.images.files import size_problem
from srlab.progress import track

# photos that the wheels carry
PACKAGE_FOLDERS = {"skimage": "data", "sklearn": "datasets/images", "matplotlib": "mpl-data/sample_data"}
T = TypeVar("T")


class Source:
    """A set of picture files. `str(source)` names it without any path of this machine; it goes into the manifest.

    Attributes: `wanted`, how many pictures were asked for (None: all there are); `verify`, what `files` compares the
    pixels with (None: nothing is published); `set_name`, under which a list of known leaks may speak of the set.
    """

    wanted: int | None
    verify: PixelCheck | None = None
    set_name: str = ""

    def files(self) -> list[tuple[str, Path]]:
        """(unique name, file) of every picture, in a fixed order; SrlabError if there are none."""
        raise NotImplementedError


class Packaged(Source):
    """Photos inside installed wheels, given as "skimage:astronaut.png" or "sklearn:china.jpg": no network needed.

    Of the declared `files` the first `num_images` are taken (None: all).
    """

    def __init__(self, files: Sequence[str], num_images: int | None) -> None:
        self.wanted = checked_count(num_images)
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
        names = unique_names([PurePosixPath(entry.replace(":", "/")) for entry in self.entries])
        return list(zip(names, located, strict=True))


class Folder(Source):
    """Every picture in or below a folder, or `num_images` of them spread evenly over the sorted list.

    With `verify` they have to be the images of a published set, pixel for pixel, and get its names; `exclude` are
    names to leave out.
    """

    def __init__(
        self, path: str, num_images: int | None, verify: PixelCheck | None = None, exclude: Sequence[str] = ()
    ) -> None:
        self.path = anchored(path)
        self.wanted = checked_count(num_images)
        self.verify = verify
        self.exclude = list(exclude)
        self.set_name = escaped(self.path.resolve().name)

    def __str__(self) -> str:
        without = f" without {', '.join(self.exclude)}" if self.exclude else ""
        return f"{type(self).__name__}({self.set_name}{without})"

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) sorted by relative path; SrlabError if the folder is missing or holds no picture."""
        if not is_folder(self.path):
            raise SrlabError(f"{self.path} is no folder: correct the path, or put the images there")
        return self.chosen(pictures(self.path))

    def chosen(self, pairs: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
        """Those to use of all the (name, file) of a set; SrlabError if they are not what `verify` knows."""
        if self.verify:
            pairs = self.verify.check(pairs, complete=self.wanted is None or self.wanted >= len(self.verify.images))
        unknown = set(self.exclude) - {name for name, _ in pairs}
        if unknown:
            raise SrlabError(f"{self}: no image is called {', '.join(sorted(unknown))}: correct `exclude`")
        pairs = [(name, path) for name, path in pairs if name not in self.exclude]
        if not pairs:
            raise SrlabError(f"{self} gives no image: correct `exclude` or num_images")
        return spread(pairs, self.wanted)


def fetch_images(source: Source, out_dir: Path, minimum_side: int, leaks: LeakCheck | None = None) -> None:
    """Copy the pictures of `source` unchanged to `out_dir`/<name><suffix> and describe them in manifest.json there.

    Every picture is decoded first: SrlabError with one line (file and cure) for each that is unusable, has a side
    below `minimum_side` px or is refused by `leaks`, and nothing is written. manifest.json: {"source", "wanted",
    "got", "images": {name: {"file", "width", "height", "channels", "sha256" of the pixels}}}. Where it applies also
    "verified" (`PixelCheck.record`) and "leaks" (`LeakCheck.check`); of an RGB picture with equal channels "as_grey",
    the digest of one of them; of a picture whose colours were converted to sRGB "converted_from", their profile; of a
    file whose name cannot be used "original", its name, escaped.
    """
    files = source.files()
    if source.wanted and len(files) < source.wanted:
        print(f"note: {source.wanted} images were wanted, {source} has {len(files)}")
    looked: list[Picture] = []
    problems: list[str] = []
    for name, path in track(files, f"checking {len(files)} images"):
        try:
            picture = look(name, path)
        except SrlabError as error:
            problems.append(str(error))
            continue
        if problem := size_problem(path, picture.width, picture.height, minimum_side):
            problems.append(problem)
        looked.append(picture)
    if problems:
        raise SrlabError("\n".join(problems))
    entries = {picture.name: _entry(picture) for picture in looked}
    manifest: dict[str, Any] = {"source": str(source), "wanted": source.wanted, "got": len(entries), "images": entries}
    if source.verify:
        manifest["verified"] = source.verify.record(len(entries))
    leaking = leaks.check(looked, source.set_name) if leaks else None
    if leaking:
        manifest["leaks"] = leaking
    _note_duplicates(entries)
    with replacing(Path(out_dir)) as temporary:
        temporary.mkdir()
        for name, path in files:
            shutil.copyfile(path, temporary / entries[name]["file"])
        write_json(temporary / "manifest.json", manifest)


def spread(items: list[T], count: int | None) -> list[T]:
    """`count` of the items, evenly over the list; all if there are fewer, or for None."""
    count = len(items) if count is None else min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _entry(picture: Picture) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "file": picture.name + picture.path.suffix.lower(),
        "width": picture.width,
        "height": picture.height,
        "channels": picture.channels,
        "sha256": picture.sha256,
    }
    if picture.channels == 3 and picture.other:
        entry["as_grey"] = picture.other
    if usable(picture.path.stem) != picture.path.stem:
        entry["original"] = escaped(picture.path.name)
    if picture.profile:
        entry["converted_from"] = picture.profile
    return entry


def _note_duplicates(entries: dict[str, dict[str, Any]]) -> None:
    """Say how many pictures repeat an earlier one; all stay, since published sets contain duplicates."""
    first: dict[str, str] = {}
    pairs = [(name, first.setdefault(entry["sha256"], name)) for name, entry in entries.items()]
    duplicates = [(name, earlier) for name, earlier in pairs if name != earlier]
    if duplicates:
        name, earlier = duplicates[0]
        print(f"note: {len(duplicates)} images repeat the pixels of another ({name} those of {earlier}); all are kept")


def checked_count(num_images: int | None) -> int | None:
    """`num_images` itself; SrlabError if it is below 1."""
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
