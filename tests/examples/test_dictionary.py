"""Dictionary files: what comes back, and what is said when it cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from srlab.errors import SrlabError
from srlab.examples.dictionary import load_dictionary
from srlab.models.base.weights import save_network, save_tensors
from srlab.models.espcn import ESPCN

TENSORS = {"projection": torch.rand(5, 2), "atoms": torch.rand(3, 2)}
NAMES = set(TENSORS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the stage of a method named "anr" keeps what it learned."""
    path = tmp_path / "models" / "anr" / "dictionary.safetensors"
    save_tensors(path, TENSORS, {"scale": "4", "method": "anr"})
    return path


def untouched(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "scale", "names", "message"),
    [
        (Path.unlink, 4, NAMES, r"dictionary\.safetensors is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), 4, NAMES, "damaged or was not written by srlab"),
        (lambda path: save_file(TENSORS, path), 4, NAMES, "damaged or was not written by srlab"),
        (lambda path: save_network(path, ESPCN(4), {}), 4, NAMES, "holds what another method learned"),
        (untouched, 4, {"projection", "anchors"}, r"holds what another method learned \(atoms, projection\)"),
        (untouched, 3, NAMES, "learned for x4, this run wants x3"),
    ],
    ids=["missing", "damaged", "another program", "a network", "another method", "another scale"],
)
def test_a_file_that_does_not_serve_names_the_stage_to_run(
    path: Path, change: Callable[[Path], object], scale: int, names: set[str], message: str
) -> None:
    change(path)
    with pytest.raises(SrlabError, match=rf"{message}.*: run `dvc repro`"):
        load_dictionary(path, scale, names)
