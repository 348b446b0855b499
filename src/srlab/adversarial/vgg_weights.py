"""Where the weights of a VGG content loss come from, for the stage `fetch_weights`."""

import hashlib
import os
import re
import shutil
from pathlib import Path

from srlab.datasets.downloads import SourceUnavailable, cache_folder, download
from srlab.errors import SrlabError
from srlab.files import replacing, write_json

HOME = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"  # torchvision's; its sha256 begins as its name ends


class NoWeights:
    """For a content loss without a network: leaves a folder that says so."""

    def fetch(self, folder: Path) -> None:
        """Make `folder` with `weights.json`."""
        with replacing(folder) as temporary:
            temporary.mkdir()
            write_json(temporary / "weights.json", {"file": None})


class VGG19Weights:
    """The file that SRLAB_VGG19 names, else `weights/vgg19*` in the mirror SRLAB_DATASETS, else a download.

    The download, 548 MiB, is torchvision's; it stays in the cache ($SRLAB_CACHE, else ~/.cache/srlab), is checked, and
    resumes where it was cut. There is no fallback to other weights.
    """

    def fetch(self, folder: Path) -> None:
        """Copy the file into `folder`; `weights.json` names it and the convention that it is read by.

        "caffe" or "torchvision": two trainings of VGG-19, whose features differ. SrlabError, naming the ways, if there
        is no file.
        """
        file = self._find()
        name = f"vgg19{file.suffix}"
        with replacing(folder) as temporary:
            temporary.mkdir()
            shutil.copyfile(file, temporary / name)
            convention = "caffe" if file.suffix == ".npz" else "torchvision"  # as `srlab.models.vgg` reads them
            write_json(temporary / "weights.json", {"file": name, "convention": convention})

    def _find(self) -> Path:
        named, mirror = os.environ.get("SRLAB_VGG19"), os.environ.get("SRLAB_DATASETS")
        if named:
            if not Path(named).is_file():
                raise SrlabError(f"SRLAB_VGG19 names {named}, which is no file: correct it")
            return Path(named)
        found = sorted(Path(mirror, "weights").glob("vgg19*")) if mirror else []
        return found[0] if found else _downloaded(HOME)


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
