"""Weights in one safetensors file: no pickle, so that opening a file from elsewhere runs no code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.files import replacing

# The metadata is one JSON text under one key: safetensors writes several keys in a random order, and the same weights
# would then have another digest in every process.
KEY = "srlab"
CURE = "run `dvc repro`, which makes it again"

Net = TypeVar("Net", bound=nn.Module)


def save_network(path: Path, net: nn.Module, metadata: Mapping[str, Any]) -> None:
    """Write the weights and buffers of `net` with `metadata`, atomically; equal content gives equal bytes."""
    save_tensors(path, net.state_dict(), metadata)


def load_network(net: Net, path: Path | str) -> Net:
    """`net` with the weights of `path`, on the device it was on; SrlabError if the file is missing or does not fit."""
    path = Path(path)
    try:
        net.load_state_dict(load_tensors(path))
    except RuntimeError as error:
        raise SrlabError(
            f"{path} holds the weights of another network than the {type(net).__name__} configured now: {CURE}"
        ) from error
    return net


def started(net: Net, start: str | None) -> Net:
    """What a training begins with: `net` with the weights of the file `start`, or with its own where that is None."""
    return net if start is None else load_network(net, start)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write named tensors with `metadata`, atomically; equal content gives equal bytes."""
    # safetensors refuses channels_last tensors and views; contiguous() is their plain order.
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        save_file(content, temporary, metadata={KEY: json.dumps(metadata, sort_keys=True)})
        temporary.chmod(0o644)  # safetensors leaves it to the owner alone


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of `path`; SrlabError if the file is missing or damaged."""
    _require(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a file of ours; SrlabError as in `load_tensors`."""
    _require(path)
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {})[KEY])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise _damaged(path, error) from error


def _require(path: Path) -> None:
    if not path.is_file():
        raise SrlabError(f"{path} is missing: {CURE}")


def _damaged(path: Path, error: Exception) -> SrlabError:
    return SrlabError(f"{path} is damaged or was not written by srlab ({error}): {CURE}")
