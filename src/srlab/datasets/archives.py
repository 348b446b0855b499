"""Public image sets: from the local mirror, else from archives at their public homes."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath

from filelock import FileLock

from srlab.datasets.downloads import CACHE_VARIABLE, SourceUnavailable, cache_folder, download
from srlab.datasets.folders import is_folder, is_picture, pictures
from srlab.datasets.sources import Folder
from srlab.datasets.verification import PixelCheck
from srlab.errors import SrlabError
from srlab.files import from_environment, replacing

MIRROR_VARIABLE = "SRLAB_DATASETS"


class Damaged(SourceUnavailable):
    """What was downloaded is no whole archive, so that asking the server again may help."""


class Archive(Folder):
    """A public image set: `folder` of the local mirror $SRLAB_DATASETS, else the first of `homes` that gives it.

    `homes`: {"url", "images": glob matched from the right, as "Set5/HR/*.png", "checksum": None or "md5:..."}, tried
    in order. Archives and images stay in the cache ($SRLAB_CACHE, else ~/.cache/srlab). A home counts only if its
    images pass `verify`. `by_hand` says where else the set is found; `exclude` are names to leave out.
    """

    def __init__(
        self,
        folder: str,
        homes: Sequence[Mapping[str, str | None]],
        num_images: int | None,
        verify: PixelCheck | None = None,
        exclude: Sequence[str] = (),
        by_hand: str | None = None,
    ) -> None:
        self.mirror = from_environment(MIRROR_VARIABLE)
        super().__init__(str((self.mirror or Path()) / folder), num_images, verify, exclude)
        self.set_name = folder
        self.homes = [dict(home) for home in homes]
        for home in self.homes:
            if not {"url", "images"} <= set(home) <= {"url", "images", "checksum"}:
                raise SrlabError(
                    f"a home of {folder} has the keys {', '.join(home)}: write url, images and perhaps checksum"
                )
        self.by_hand = by_hand

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) sorted by name; SrlabError with a line per home and the cure if none has the set."""
        if self.mirror and is_folder(self.path):
            return super().files()
        reasons = [f"{MIRROR_VARIABLE} names no folder that holds {self.set_name}/"]
        for home in self.homes:
            try:
                files = self.chosen(pictures(self._unpacked(home)))
            except (SourceUnavailable, SrlabError) as error:
                reasons.append(f"{home['url']}: {_in_one_line(error)}")
            else:
                print(f"{self.set_name}: from {home['url']}")
                return files
        cure = self.by_hand or f"put the images into a folder {self.set_name}"
        raise SrlabError(
            "\n".join(f"could not obtain {self.set_name}: {reason}" for reason in reasons)
            + f"\n{self.set_name}: {cure}, and set {MIRROR_VARIABLE} to the folder that holds it (docs/datasets.md)"
        )

    def _unpacked(self, home: Mapping[str, str | None]) -> Path:
        """The folder in the cache with the images of one home; SourceUnavailable if it does not give any."""
        url, pattern, checksum = str(home["url"]), str(home["images"]), home.get("checksum")
        key = hashlib.sha256(f"{url} {pattern} {checksum}".encode()).hexdigest()[:10]
        folder = cache_folder() / "images" / f"{self.set_name}-{key}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # two stages may want the same images at once
            if not folder.is_dir():
                archive = download(url, cache_folder() / "downloads", checksum)
                try:
                    unpack(archive, pattern, folder)
                except Damaged:
                    archive.unlink()  # else the next run would find it in the cache
                    raise
        return folder


def unpack(archive: Path, pattern: str, folder: Path) -> None:
    """Write the pictures of a tar (.gz, .bz2, .xz) or zip that fit `pattern` to `folder`, whole or not at all.

    Nothing is written outside `folder` (zipfile and tarfile's "data" filter see to that), no link or device is made.
    Damaged if it is neither a tar nor a zip, or not a whole one; SourceUnavailable if it has no such picture.
    """
    print(f"unpacking {archive.name}")
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as bundle:
                    found = [name for name in bundle.namelist() if _fits(name, pattern)]
                    bundle.extractall(temporary, found)
            else:
                with tarfile.open(archive) as bundle:
                    found = [member for member in bundle if member.isreg() and _fits(member.name, pattern)]
                    bundle.extractall(temporary, found, filter="data")
                    if isinstance(bundle.fileobj, io.BufferedReader):  # not compressed: nothing else misses the end
                        bundle.fileobj.seek(-tarfile.BLOCKSIZE, os.SEEK_END)
                        if any(bundle.fileobj.read()):
                            raise Damaged("the archive is damaged (its end is missing)")
            if not found:
                raise SourceUnavailable(f"it holds no image that fits {pattern}")
    except tarfile.ReadError as error:
        raise Damaged(f"what came is no tar or zip, or only a part of one ({_start(archive)})") from error
    except OSError as error:
        if isinstance(error, BadGzipFile):
            raise Damaged(f"the archive is damaged ({error})") from error
        raise SourceUnavailable(
            f"{folder.parent} cannot take it ({error.strerror}): free space or set {CACHE_VARIABLE}"
        ) from error
    except SourceUnavailable:
        raise
    except Exception as error:  # whatever the decoders of zip, gzip, bzip2 and xz raise
        raise Damaged(f"the archive is damaged ({_in_one_line(error)})") from error


def _fits(name: str, pattern: str) -> bool:
    relative = PurePosixPath(name)
    return is_picture(relative) and relative.match(pattern)


def _start(archive: Path) -> str:
    with archive.open("rb") as file:
        start = file.read(24)
    return "it is a RAR, which needs a tool of its own" if start.startswith(b"Rar!") else f"it starts with {start!r}"


def _in_one_line(error: BaseException) -> str:
    """The first line of a message, and how many more there are."""
    first, *others = str(error).splitlines() or [type(error).__name__]
    return first + (f" (and {len(others)} more)" if others else "")
