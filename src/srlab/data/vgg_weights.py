"""Where the weights of a VGG content loss come from, for the stage `fetch_weights`."""

import os
import shutil
from pathlib import Path

from srlab.errors import SrlabError
from srlab.files import replacing, write_json

HOME = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"


class NoWeights:
    """For a content loss without a network: leaves a folder that says so."""

    def fetch(self, folder: Path) -> None:
        """Make `folder` with `weights.json`."""
        with replacing(folder) as temporary:
            temporary.mkdir()
            write_json(temporary / "weights.json", {"file": None})


class VGG19Weights:
    """The file that SRLAB_VGG19 names, else `weights/vgg19*` in the mirror SRLAB_DATASETS; there is no fallback."""

    def fetch(self, folder: Path) -> None:
        """Copy the file into `folder`; `weights.json` names it. SrlabError if there is none."""
        file = self._find()
        with replacing(folder) as temporary:
            temporary.mkdir()
            shutil.copyfile(file, temporary / file.name)
            write_json(temporary / "weights.json", {"file": file.name})

    def _find(self) -> Path:
        named, mirror = os.environ.get("SRLAB_VGG19"), os.environ.get("SRLAB_DATASETS")
        if named:
            if not Path(named).is_file():
                raise SrlabError(f"SRLAB_VGG19 names {named}, which is no file: correct it")
            return Path(named)
        found = sorted(Path(mirror, "weights").glob("vgg19*")) if mirror else []
        if not found:
            raise SrlabError(
                "a VGG content loss needs VGG-19 weights, and SRLAB_VGG19 is not set: download "
                f"{HOME} and set SRLAB_VGG19 to the file, or set gans.*.content to mse in params.yaml"
            )
        return found[0]


def weights_file(folder: Path) -> Path:
    """The weights in a folder made by `VGG19Weights.fetch`; SrlabError if there are none."""
    found = sorted(folder.glob("vgg19*"))
    if not found:
        raise SrlabError(f"{folder} holds no VGG-19 weights: run `dvc repro`")
    return found[0]
