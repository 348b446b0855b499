"""What an example-based method has learned, in one safetensors file: no pickle, so that opening it runs no code."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from srlab.errors import SrlabError
from srlab.files import replacing
from srlab.models.weights import KEY


def save_dictionary(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write named tensors with `metadata`, which needs "scale", atomically; equal content gives equal bytes."""
    with replacing(path) as temporary:
        content = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(content, temporary, metadata={KEY: json.dumps(metadata, sort_keys=True)})
        temporary.chmod(0o644)  # safetensors leaves it to the owner alone


def load_dictionary(path: Path, scale: int, names: set[str]) -> dict[str, Tensor]:
    """The tensors called `names` of the file; SrlabError if it is missing, damaged or not for this method and scale."""
    if not path.is_file():
        raise SrlabError(f"{path} is missing: {_cure(path)}")
    try:
        with safe_open(path, framework="pt") as file:
            made_for = int(json.loads((file.metadata() or {})[KEY])["scale"])
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise SrlabError(f"{path} is damaged or was not written by srlab ({error}): {_cure(path)}") from error
    if made_for != scale:
        raise SrlabError(f"{path} was learned for x{made_for}, this run wants x{scale}: {_cure(path)}")
    if tensors.keys() != names:
        raise SrlabError(f"{path} holds what another method learned ({', '.join(sorted(tensors))}): {_cure(path)}")
    return tensors


def _cure(path: Path) -> str:
    # models/<name>/<file>, as the train_examples stage lays them out
    return f"run `dvc repro train_examples@{path.absolute().parent.name}`"
