"""ImageNet-1k training images: the user's ILSVRC2012 folder, the local mirror's sample, or the Hugging Face Hub."""

import hashlib
import itertools
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path, PurePosixPath

from srlab.datasets.archives import MIRROR_VARIABLE
from srlab.datasets.downloads import cache_folder
from srlab.datasets.folders import SHUT, SUFFIXES, is_folder, pictures, say_passed_over
from srlab.datasets.sources import Source, checked_count, spread
from srlab.errors import SrlabError
from srlab.files import from_environment, replacing
from srlab.progress import track

VARIABLE = "SRLAB_IMAGENET"
CLASS = re.compile(r"n\d{8}")  # WordNet id
TRAIN_FOLDERS = ("train", "ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train", ".")
HUB_SUFFIX = re.compile(r"^(n\d{8}_\d+)_n\d{8}$")  # the Hub repeats the class: n01440764_10026_n01440764


class ImageNet(Source):
    """`num_images` of the images (None: all that a folder has), evenly from each of `classes` (None: all classes).

    The first of these that there is: the folder that $SRLAB_IMAGENET names (train/<class>/*.JPEG), the folder `sample`
    of the mirror $SRLAB_DATASETS, and `hub`, a data set of the Hugging Face Hub, streamed with the user's token until
    `num_images` were seen. What comes from the Hub is kept in the cache.
    """

    set_name = "ImageNet"

    def __init__(self, num_images: int | None, classes: Sequence[str] | None, sample: str, hub: str) -> None:
        self.wanted = checked_count(num_images)
        self.classes = None if classes is None else sorted(set(classes))
        self.sample = sample
        self.hub = hub
        self.root, mirror = from_environment(VARIABLE), from_environment(MIRROR_VARIABLE)
        self.mirror = mirror / sample if mirror and is_folder(mirror / sample) else None

    def __str__(self) -> str:
        origin = "ILSVRC2012" if self.root else self.sample if self.mirror else self.hub.replace("/", " ")
        return f"ImageNet({origin}{f', {len(self.classes)} classes' if self.classes is not None else ''})"

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) of each, as ("n01440764_10026", ...); SrlabError if there are none, with the cure."""
        if self.root:
            found = self._of_the_user(self.root)
        elif self.mirror:
            found = spread([pair for pair in pictures(self.mirror) if self._is_wanted(pair[0])], self.wanted)
        else:
            found = self._of_the_hub()
        if not found:
            raise SrlabError(f"{self} gives no image: correct {VARIABLE} or `classes` in conf/dataset/")
        return found

    def _of_the_user(self, root: Path) -> list[tuple[str, Path]]:
        folders = _class_folders(root)
        unknown = sorted(set(self.classes or ()) - set(folders))
        if unknown:
            raise SrlabError(f"{VARIABLE} has no class {', '.join(unknown)}: correct `classes` in conf/dataset/")
        listed: dict[str, list[Path]] = {}
        passed_over: Counter[str] = Counter()
        for wnid in track(sorted(folders) if self.classes is None else self.classes, f"listing {self}"):
            try:
                files = _entries(folders[wnid])
            except PermissionError:
                passed_over[SHUT] += 1
                continue
            listed[wnid] = [path for path in files if path.suffix.lower() in SUFFIXES]
            others = (path.suffix.lower() for path in files if path.suffix.lower() not in SUFFIXES)
            passed_over.update(suffix or "without a suffix" for suffix in others)
        say_passed_over(root, passed_over)
        counts = {wnid: len(images) for wnid, images in listed.items()}
        shares = counts if self.wanted is None else _shares(counts, self.wanted)
        found = []
        for wnid, images in listed.items():
            chosen = spread(images, shares[wnid])
            is_stem_unique = len({path.stem for path in chosen}) == len(chosen)
            for path in chosen:
                name = path.stem if is_stem_unique else path.name.replace(".", "_")
                found.append((name if name.startswith(wnid) else f"{wnid}_{name}", path))
        return found

    def _of_the_hub(self) -> list[tuple[str, Path]]:
        """The first `num_images` of the Hub's train split that are of the classes; their list is kept with them."""
        if self.wanted is None:
            raise SrlabError(f"num_images is null, but {self.hub} is streamed: say how many in params.yaml")
        folder = cache_folder() / "imagenet" / self.hub.replace("/", "--")
        key = hashlib.sha256(f"{self.wanted} {self.classes}".encode()).hexdigest()[:10]
        listed = folder / f"streamed-{key}.txt"
        if not listed.exists():
            names = []
            for name, data in track(self._rows(), f"streaming {self}", self.wanted):
                names.append(name)
                if not (folder / name).exists():
                    with replacing(folder / name) as temporary:
                        temporary.write_bytes(data)
            with replacing(listed) as temporary:
                temporary.write_text("\n".join(names), encoding="utf-8")
        files = [folder / name for name in listed.read_text(encoding="utf-8").split()]
        return [(file.stem, file) for file in files]

    def _rows(self) -> Iterator[tuple[str, bytes]]:
        """(file name, encoded image) from the Hub."""
        try:
            datasets = import_module("datasets")  # an extra: `srlab[hub]`
        except ImportError:
            raise SrlabError(
                f"there is no ImageNet here: set {VARIABLE} to your ILSVRC2012 folder, set {MIRROR_VARIABLE} to "
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
                f"could not stream {self.hub} ({' '.join(str(error).split())[:200]}): accept its terms at "
                f"https://huggingface.co/datasets/{self.hub} and set HF_TOKEN to your token"
            ) from error

    def _is_wanted(self, name: str) -> bool:
        return self.classes is None or name[:9] in self.classes


def _class_folders(root: Path) -> dict[str, Path]:
    """The folder of each class at or below `root`; SrlabError with the cure if there is none."""
    for folder in (root / inner for inner in TRAIN_FOLDERS):
        folders = {path.name: path for path in _entries(folder) if CLASS.fullmatch(path.name) and path.is_dir()}
        if folders:
            return folders
    if root.suffix == ".tar" or any(path.suffix == ".tar" for path in _entries(root)):
        raise SrlabError(
            f"{VARIABLE} names {root}, which is packed: unpack ILSVRC2012_img_train.tar, then each class into a folder "
            "of its own, `for tar in n*.tar; do mkdir ${tar%.tar} && tar -xf $tar -C ${tar%.tar}; done`"
        )
    raise SrlabError(
        f"{VARIABLE} names {root}, where there is no train/<class>/*.JPEG: correct it (for any other folder of images "
        "use `source: folder`)"
    )


def _shares(counts: Mapping[str, int], wanted: int) -> dict[str, int]:
    """How many to take of each class: evenly, and what small classes lack from those that have more."""
    levels = range(max(counts.values(), default=0) + 1)
    level = bisect_right(levels, wanted, key=lambda level: sum(min(count, level) for count in counts.values())) - 1
    shares = {wnid: min(count, level) for wnid, count in counts.items()}
    more = [wnid for wnid, count in counts.items() if count > level]
    for wnid in spread(more, wanted - sum(shares.values())):
        shares[wnid] += 1
    return shares


def _hub_name(path: str | None) -> str:
    """The file name in ImageNet's own spelling: "n01440764_10026.JPEG"."""
    if not path:
        raise ValueError("its images have no file names")
    plain = PurePosixPath(path)
    return HUB_SUFFIX.sub(r"\1", plain.stem) + plain.suffix


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without hidden files; nothing if it is none."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if is_folder(folder) else []
