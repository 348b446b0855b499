"""ImageNet-1k training images: the user's ILSVRC2012 folder or tar files, the local mirror's sample, or the Hub."""

import hashlib
import itertools
import os
import re
import tarfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from srlab.datasets.downloads import cache_folder
from srlab.datasets.folders import SUFFIXES, pictures
from srlab.datasets.sources import MIRROR_VARIABLE, checked_count, spread
from srlab.errors import SrlabError
from srlab.files import read_json, replacing, write_json
from srlab.progress import track

VARIABLE = "SRLAB_IMAGENET"
CLASS = re.compile(r"n\d{8}")  # WordNet id
CLASS_TAR = re.compile(r"n\d{8}\.tar")
TRAIN_FOLDERS = ("train", "ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train", ".")
TRAIN_TAR = "ILSVRC2012_img_train.tar"
HUB_SUFFIX = re.compile(r"^(n\d{8}_\d+)_n\d{8}$")  # the Hub repeats the class: n01440764_10026_n01440764


class ImageNet:
    """`num_images` of the images (None: all that a folder has), evenly from each of `classes` (None: all classes).

    The first of these that there is: what $SRLAB_IMAGENET names (train/<class>/*.JPEG, the class tars, or the tar of
    them), the folder `sample` of the mirror $SRLAB_DATASETS, and `hub`, a data set of the Hugging Face Hub, streamed
    with the user's token until `num_images` were seen. What comes from a tar or the Hub is kept in the cache.
    """

    verify = None
    set_name = "ImageNet"

    def __init__(self, num_images: int | None, classes: Sequence[str] | None, sample: str, hub: str) -> None:
        self.wanted = checked_count(num_images)
        self.classes = None if classes is None else sorted(set(classes))
        self.sample = sample
        self.hub = hub
        named, mirror = os.environ.get(VARIABLE, ""), os.environ.get(MIRROR_VARIABLE, "")
        self.root = Path(named).expanduser() if named else None
        self.mirror = Path(mirror, sample) if mirror and Path(mirror, sample).is_dir() else None

    def __str__(self) -> str:
        origin = "ILSVRC2012" if self.root else self.sample if self.mirror else self.hub.replace("/", " ")
        return f"ImageNet({origin}{f', {len(self.classes)} classes' if self.classes is not None else ''})"

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) of each, as ("n01440764_10026", ...); SrlabError if there are none, with the cure."""
        found = list(track(self.candidates(), f"finding {self}", self.wanted))
        if not found:
            raise SrlabError(f"{self} gives no image: correct {VARIABLE} or `classes` in conf/dataset/")
        return found

    def candidates(self) -> Iterator[tuple[str, Path]]:
        """The same one by one: of the user's 1.28 million files only one class's names are in memory."""
        if self.root:
            return self._of_the_user(self.root)
        if self.mirror:
            return iter(spread([pair for pair in pictures(self.mirror) if self._is_wanted(pair[0])], self.wanted))
        return self._of_the_hub()

    def _of_the_user(self, root: Path) -> Iterator[tuple[str, Path]]:
        store = _store(root)
        if self.wanted is None and isinstance(store, _Tars):
            raise SrlabError(f"num_images is null, but {root} is unpacked into the cache: say how many in params.yaml")
        known = store.classes()
        unknown = sorted(set(self.classes or ()) - set(known))
        if unknown:
            raise SrlabError(f"{VARIABLE} has no class {', '.join(unknown)}: correct `classes` in conf/dataset/")
        chosen = known if self.classes is None else self.classes
        shares = (
            None if self.wanted is None else _shares({wnid: len(store.images(wnid)) for wnid in chosen}, self.wanted)
        )
        for wnid in chosen:
            images = store.images(wnid) if shares is None else spread(store.images(wnid), shares[wnid])
            once = len({Path(image).stem for image in images}) == len(images)
            for image in images:
                name = Path(image).stem if once else image.replace(".", "_")
                yield (name if name.startswith(wnid) else f"{wnid}_{name}"), store.file(wnid, image)

    def _of_the_hub(self) -> Iterator[tuple[str, Path]]:
        """The first `num_images` of the Hub's train split that are of the classes; their list is kept with them."""
        if self.wanted is None:
            raise SrlabError(f"num_images is null, but {self.hub} is streamed: say how many in params.yaml")
        folder = cache_folder() / "imagenet" / self.hub.replace("/", "--")
        key = hashlib.sha256(f"{self.wanted} {self.classes}".encode()).hexdigest()[:10]
        listed = folder / f"streamed-{key}.txt"
        if listed.exists():
            files = [folder / file for file in listed.read_text().split()]
            yield from ((file.stem, file) for file in files)
            return
        files = []
        for name, data in self._rows():
            files.append(_stored(folder / name, data))
            yield files[-1].stem, files[-1]
        with replacing(listed) as temporary:
            temporary.write_text("\n".join(file.name for file in files))

    def _rows(self) -> Iterator[tuple[str, bytes]]:
        """(file name, encoded image) from the Hub."""
        try:
            import datasets  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise SrlabError(
                f"there is no ImageNet here: set {VARIABLE} to your ILSVRC2012 folder or tar, set {MIRROR_VARIABLE} to "
                f"the folder that holds {self.sample}/, or `pip install 'srlab[hub]'` to stream {self.hub}"
            ) from None
        try:
            rows = datasets.load_dataset(self.hub, split="train", streaming=True)
            rows = rows.cast_column("image", datasets.Image(decode=False))  # the files as they are
            named = ((_hub_name(row["image"]["path"]), row["image"]["bytes"]) for row in rows)
            wanted = (pair for pair in named if self._is_wanted(pair[0]))
            yield from itertools.islice(wanted, self.wanted)
        except (OSError, ValueError, KeyError, RuntimeError) as error:  # what `datasets` and its HTTP client raise
            raise SrlabError(
                f"{self.hub} cannot be streamed ({' '.join(str(error).split())[:200]}): accept its terms at "
                f"https://huggingface.co/datasets/{self.hub} and set HF_TOKEN to your token"
            ) from error

    def _is_wanted(self, name: str) -> bool:
        return self.classes is None or name[:9] in self.classes


class _Store(Protocol):
    """ImageNet as somebody keeps it: classes, the sorted file names in each, and the file of one, read on demand."""

    def classes(self) -> list[str]: ...

    def images(self, wnid: str) -> list[str]: ...

    def file(self, wnid: str, image: str) -> Path: ...


class _Folders:
    """A folder per class."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self.folders = folders

    def classes(self) -> list[str]:
        return sorted(self.folders)

    def images(self, wnid: str) -> list[str]:
        return [path.name for path in _entries(self.folders[wnid]) if path.suffix.lower() in SUFFIXES]

    def file(self, wnid: str, image: str) -> Path:
        return self.folders[wnid] / image


class _Place(NamedTuple):
    """Where the tar of a class lies: in the file `tar`, from byte `start` to `end`."""

    tar: Path
    start: int
    end: int


class _Tars:
    """A tar per class, be it a file or in another tar; lists and images that were asked for are kept in the cache."""

    def __init__(self, places: Mapping[str, _Place]) -> None:
        self.places = places
        self.last: tuple[str, dict[str, list[int]]] = ("", {})  # images of one class at a time

    def classes(self) -> list[str]:
        return sorted(self.places)

    def images(self, wnid: str) -> list[str]:
        return sorted(self._index(wnid))

    def file(self, wnid: str, image: str) -> Path:
        path = self._folder(wnid) / image
        if not path.exists():
            start, size = self._index(wnid)[image]
            with self.places[wnid].tar.open("rb") as tar:
                tar.seek(start)
                data = tar.read(size)
            if len(data) < size:
                raise SrlabError(f"{self.places[wnid].tar} ends within {image}: get it again")
            _stored(path, data)
        return path

    def _index(self, wnid: str) -> dict[str, list[int]]:
        """First byte in the tar and number of bytes of each image of a class, by file name."""
        if self.last[0] != wnid:
            kept = self._folder(wnid).with_suffix(".json")
            if not kept.exists():
                write_json(kept, _scanned(self.places[wnid]))
            self.last = (wnid, read_json(kept))
        return self.last[1]

    def _folder(self, wnid: str) -> Path:
        tar = self.places[wnid].tar
        state = tar.stat()
        key = hashlib.sha256(f"{tar.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:10]
        return cache_folder() / "imagenet" / f"{tar.stem}-{key}" / wnid


def _store(root: Path) -> _Store:
    """Class folders, class tars or the tar of class tars, whichever is at or below `root`; SrlabError if none is."""
    for folder in (root / inner for inner in TRAIN_FOLDERS):
        folders = {path.name: path for path in _entries(folder) if CLASS.fullmatch(path.name) and path.is_dir()}
        if folders:
            return _Folders(folders)
        tars = [path for path in _entries(folder) if CLASS_TAR.fullmatch(path.name)]
        if tars:
            return _Tars({tar.stem: _Place(tar, 0, tar.stat().st_size) for tar in tars})
    if root.is_file() and CLASS_TAR.fullmatch(root.name):
        return _Tars({root.stem: _Place(root, 0, root.stat().st_size)})
    for tar in (root, root / TRAIN_TAR):
        if tar.is_file():
            found = _members(_Place(tar, 0, tar.stat().st_size))
            inner = {path.stem: place for path, place in found if CLASS_TAR.fullmatch(path.name)}
            if inner:
                return _Tars(inner)
    raise SrlabError(
        f"{VARIABLE} names {root}, where there is no train/<class>/*.JPEG, no <class>.tar and no tar of those: "
        "correct it (for any other folder of images use `source: folder`)"
    )


def _scanned(place: _Place) -> dict[str, list[int]]:
    found = [(path.name, place) for path, place in _members(place) if path.suffix.lower() in SUFFIXES]
    return {name: [place.start, place.end - place.start] for name, place in found}


def _members(place: _Place) -> list[tuple[PurePosixPath, _Place]]:
    """Path and place of each file in an uncompressed tar; SrlabError if it is none or ends too early."""
    try:
        with place.tar.open("rb") as file:
            file.seek(place.start)
            with tarfile.open(fileobj=file, mode="r:") as bundle:
                members = [member for member in bundle if member.isreg()]
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise SrlabError(f"{place.tar} is damaged or no plain tar ({error}): get it again") from error
    places = [(PurePosixPath(m.name), _Place(place.tar, m.offset_data, m.offset_data + m.size)) for m in members]
    if any(inner.end > place.end for _, inner in places):
        raise SrlabError(f"{place.tar} is damaged (a tar in it ends too early): get it again")
    return places


def _shares(counts: Mapping[str, int], wanted: int) -> dict[str, int]:
    """How many to take of each class: evenly, and what small classes lack from those that have more."""
    levels = range(max(counts.values(), default=0) + 1)
    level = bisect_right(levels, wanted, key=lambda level: sum(min(count, level) for count in counts.values())) - 1
    shares = {wnid: min(count, level) for wnid, count in counts.items()}
    more = [wnid for wnid, count in counts.items() if count > level]
    for wnid in spread(more, wanted - sum(shares.values())):
        shares[wnid] += 1
    return shares


def _stored(file: Path, data: bytes) -> Path:
    """Write one encoded image to the cache, if it is not there already."""
    if not file.exists():
        with replacing(file) as temporary:
            temporary.write_bytes(data)
    return file


def _hub_name(path: str | None) -> str:
    """The file name in ImageNet's own spelling: "n01440764_10026.JPEG"."""
    if not path:
        raise ValueError("its images have no file names")
    plain = PurePosixPath(path)
    return HUB_SUFFIX.sub(r"\1", plain.stem) + plain.suffix


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without hidden files; nothing if it is none."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
