"""Weights of a network in one safetensors file: no pickle, so that opening somebody's weights runs no code."""

import json
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from srlab.errors import SrlabError
from srlab.files import replacing

# The metadata is one JSON text under one key: safetensors writes several keys in a random order, and the same weights
# would then have another digest in every process.
KEY = "srlab"

Net = TypeVar("Net", bound=nn.Module)


def save_network(path: Path, net: nn.Module, metadata: dict[str, str]) -> None:
    """Write the weights and buffers of `net` with `metadata`, atomically; equal content gives equal bytes."""
    # safetensors refuses channels_last tensors; contiguous() is their plain order.
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with replacing(path) as temporary:
        save_file(state, temporary, metadata={KEY: json.dumps(metadata, sort_keys=True)})
        temporary.chmod(0o644)  # safetensors leaves it to the owner alone


def load_network(net: Net, path: Path | str) -> Net:
    """`net` with the weights of `path`, on the device it was on; SrlabError if the file is missing or does not fit."""
    path = Path(path)
    _require(path)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise SrlabError(
            f"{path} holds the weights of another network than the {type(net).__name__} configured now: {_cure(path)}"
        ) from error
    return net


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata that `save_network` wrote into `path`; SrlabError if the file is missing or not one of ours."""
    _require(path)
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {})[KEY])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise _damaged(path, error) from error


def _require(path: Path) -> None:
    if not path.is_file():
        raise SrlabError(f"{path} is missing: {_cure(path)}")


def _damaged(path: Path, error: Exception) -> SrlabError:
    return SrlabError(f"{path} is damaged or was not written by srlab ({error}): {_cure(path)}")


def _cure(path: Path) -> str:
    # models/<name>/<file>, as the train stage lays them out
    return f"run `dvc repro train@{path.absolute().parent.name}`"
