"""Public image sets: from the local mirror, else from archives at their public homes, unpacked with care."""

import gzip
import hashlib
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock

from srlab.datasets.downloads import CACHE_VARIABLE, SourceUnavailable, cache_folder, download
from srlab.datasets.folders import is_picture, pictures
from srlab.datasets.sources import MIRROR_VARIABLE, Mirror
from srlab.datasets.verification import PixelCheck
from srlab.errors import SrlabError
from srlab.files import replacing
from srlab.progress import track

DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotADirectoryError,  # one member is both a file and a folder
    IsADirectoryError,
    FileExistsError,
    NotImplementedError,  # a compression that Python lacks
    RuntimeError,  # an encrypted zip
    ValueError,
)


class Damaged(SourceUnavailable):
    """What was downloaded is no whole archive, so that asking the server again may help."""


class Archive(Mirror):
    """A public image set: `folder` of the local mirror $SRLAB_DATASETS, else the first of `homes` that gives it.

    `homes`: {"url", "images": glob matched from the right, as "Set5/HR/*.png", "checksum": None or "md5:..."}, tried
    in order. Archives and images stay in the cache ($SRLAB_CACHE, else ~/.cache/srlab). A home counts only if what it
    has stands `verify`. `by_hand` says where else the set is found; `exclude` are names to leave out.
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
        super().__init__(folder, num_images, verify, exclude)
        self.homes = [dict(home) for home in homes]
        for home in self.homes:
            if not {"url", "images"} <= set(home) <= {"url", "images", "checksum"}:
                raise SrlabError(
                    f"a home of {folder} has the keys {', '.join(home)}: write url, images and perhaps checksum"
                )
        self.by_hand = by_hand

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) sorted by name; SrlabError with a line per home and the cure if none has the set."""
        if self.root and self.path.is_dir():
            return super().files()
        reasons = [f"{MIRROR_VARIABLE} names no folder that holds {self.folder}/"]
        for home in self.homes:
            try:
                unpacked = self._unpacked(home)
                files = self.chosen(pictures(unpacked))
            except (SourceUnavailable, SrlabError) as error:
                reasons.append(f"{home['url']}: {_in_one_line(error)}")
            else:
                print(f"{self.folder}: from {home['url']}")
                return files
        cure = self.by_hand or f"put the images into a folder {self.folder}"
        raise SrlabError(
            "\n".join(f"{self.folder} is not to be had: {reason}" for reason in reasons)
            + f"\n{self.folder}: {cure}, and set {MIRROR_VARIABLE} to the folder that holds it (docs/datasets.md)"
        )

    def _unpacked(self, home: Mapping[str, str | None]) -> Path:
        """The folder in the cache with the images of one home; SourceUnavailable if it does not give any."""
        url, pattern, checksum = str(home["url"]), str(home["images"]), home.get("checksum")
        key = hashlib.sha256(f"{url} {pattern} {checksum}".encode()).hexdigest()[:10]
        folder = cache_folder() / "images" / f"{self.folder}-{key}"
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

    SourceUnavailable if it is neither, is damaged, has no such picture, or has any member that is a link or a device
    or would be written outside `folder`, whether it fits or not.
    """
    count = 0
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            for name, content in track(_members(archive), f"unpacking {archive.name}"):
                relative = safe_path(name)
                if content is not None and is_picture(relative) and relative.match(pattern):
                    target = temporary / relative
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as file:
                        shutil.copyfileobj(content, file)
                    count += 1
            if not count:
                raise SourceUnavailable(f"it holds no image that fits {pattern}")
    except DAMAGE as error:
        raise Damaged(f"the archive is damaged ({_in_one_line(error)})") from error
    except OSError as error:
        raise SourceUnavailable(
            f"{folder.parent} cannot take it ({error.strerror}): free space or set {CACHE_VARIABLE}"
        ) from error


def safe_path(name: str) -> PurePosixPath:
    """The relative path that an archive member names; SourceUnavailable if it leads out of the folder."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or any(sign in name for sign in ("\\", ":", "\0")):
        raise SourceUnavailable(f"its member {name!r} would be written outside the folder it is unpacked into")
    return path


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """(name, content) of every member; content is None for folders. SourceUnavailable: no archive, or a link."""
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
    elif tarfile.is_tarfile(archive):
        yield from _tar_members(archive)
    else:
        with archive.open("rb") as file:
            start = file.read(24)
        hint = (
            "it is a RAR, which needs a tool of its own" if start.startswith(b"Rar!") else f"it starts with {start!r}"
        )
        raise Damaged(f"what came is no tar or zip, or only a part of one ({hint})")


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)  # Unix mode; 0 where made elsewhere
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise SourceUnavailable(f"its member {member.filename!r} is a link or a device")
            if member.is_dir():
                yield member.filename, None
            else:
                with bundle.open(member) as content:
                    yield member.filename, content


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(archive) as bundle:
        for member in bundle:
            if not member.isreg() and not member.isdir():
                raise SourceUnavailable(f"its member {member.name!r} is a link or a device")
            yield member.name, bundle.extractfile(member)
        if isinstance(bundle.fileobj, io.BufferedReader):  # not compressed: then nothing else tells a missing end
            bundle.fileobj.seek(-tarfile.BLOCKSIZE, os.SEEK_END)
            if any(bundle.fileobj.read()):
                raise Damaged("the archive is damaged (its end is missing)")


def _in_one_line(error: BaseException) -> str:
    """The first line of a message, and how many more there are."""
    first, *others = str(error).splitlines() or [type(error).__name__]
    return first + (f" (and {len(others)} more)" if others else "")
