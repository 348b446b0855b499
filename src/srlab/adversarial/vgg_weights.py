"""Where the weights of a VGG content loss come from."""

import hashlib
import re
from pathlib import Path

from srlab.datasets.downloads import SourceUnavailable, cache_folder, download
from srlab.errors import SrlabError
from srlab.files import from_environment

HOME = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"  # torchvision's; its sha256 begins as its name ends


def vgg19_file() -> Path:
    """The file that SRLAB_VGG19 names, else `weights/vgg19*` in the mirror SRLAB_DATASETS, else a download.

    The download, 548 MiB, is torchvision's; it stays in the cache ($SRLAB_CACHE, else ~/.cache/srlab), is checked on
    every use, and resumes where it was cut. There is no fallback to other weights: SrlabError names the ways.
    """
    return named_or_mirrored() or _downloaded(HOME)


def named_or_mirrored() -> Path | None:
    """The file that is here without a download; SrlabError where SRLAB_VGG19 names none."""
    named, mirror = from_environment("SRLAB_VGG19"), from_environment("SRLAB_DATASETS")
    if named and not named.is_file():
        raise SrlabError(f"SRLAB_VGG19 names {named}, which is no file: correct it")
    mirrored = sorted((mirror / "weights").glob("vgg19*")) if mirror else []
    return named or next(iter(mirrored), None)


def described(file: Path) -> str:
    """The convention that the weights are read by, and their digest: "caffe, sha256 0123abcd...".

    "caffe" and "torchvision" are two trainings of VGG-19, whose features differ.
    """
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return f"{'caffe' if file.suffix == '.npz' else 'torchvision'}, sha256 {digest}"  # as `vgg` reads them


def _downloaded(url: str) -> Path:
    try:
        file = download(url, cache_folder() / "downloads", None)
        _require_digest(file, url)
    except (SourceUnavailable, OSError) as error:
        raise SrlabError(
            f"a VGG content loss needs VGG-19 weights, and {url} gives none ({error}): set SRLAB_VGG19 to a copy of "
            "it, put one as weights/vgg19* into the folder that SRLAB_DATASETS names, or set gans.*.content to mse in "
            "params.yaml"
        ) from error
    return file


def _require_digest(file: Path, url: str) -> None:
    """SourceUnavailable, and `file` removed, if its sha256 does not begin with the 8 digits at the end of its name."""
    (digits,) = re.findall(r"-([0-9a-f]{8})\.pth$", url)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if not digest.startswith(digits):
        file.unlink()  # else the next run would find it in the cache
        raise SourceUnavailable(f"what came has sha256 {digest[:8]}..., not {digits}...")
