"""Dictionary files: what comes back, and what is said when it cannot."""

from pathlib import Path

import pytest
import torch

from srlab.errors import SrlabError
from srlab.examples.dictionary import load_dictionary, save_dictionary
from srlab.models.weights import read_metadata

TENSORS = {"projection": torch.rand(5, 2), "atoms": torch.rand(3, 2)}
NAMES = set(TENSORS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the stage of a method named "anr" keeps what it learned."""
    path = tmp_path / "models" / "anr" / "dictionary.safetensors"
    save_dictionary(path, TENSORS, {"scale": "4", "method": "anr"})
    return path


def test_tensors_come_back(path: Path) -> None:
    loaded = load_dictionary(path, 4, NAMES)
    assert loaded.keys() == NAMES
    assert all(torch.equal(loaded[name], tensor) for name, tensor in TENSORS.items())


def test_metadata_are_kept_as_those_of_a_network(path: Path) -> None:
    assert read_metadata(path) == {"scale": "4", "method": "anr"}


def test_equal_content_gives_equal_bytes(path: Path) -> None:
    again = path.with_name("again.safetensors")
    save_dictionary(again, dict(reversed(TENSORS.items())), {"method": "anr", "scale": "4"})
    assert again.read_bytes() == path.read_bytes()


def test_a_turned_view_is_saved_as_what_it_shows(path: Path) -> None:
    save_dictionary(path, {"atoms": TENSORS["atoms"].T}, {"scale": "4"})
    assert torch.equal(load_dictionary(path, 4, {"atoms"})["atoms"], TENSORS["atoms"].T)


def test_a_missing_file_names_the_stage_to_run(path: Path) -> None:
    path.unlink()
    with pytest.raises(SrlabError, match=r"dictionary\.safetensors is missing: run `dvc repro train_examples@anr`"):
        load_dictionary(path, 4, NAMES)


@pytest.mark.parametrize("keep", [0, 20, -8], ids=["empty", "header", "end"])
def test_a_damaged_file_names_the_stage_to_run(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SrlabError, match=r"damaged.*run `dvc repro train_examples@anr`"):
        load_dictionary(path, 4, NAMES)


def test_a_file_of_another_program_is_refused(path: Path) -> None:
    from safetensors.torch import save_file

    save_file(TENSORS, path)
    with pytest.raises(SrlabError, match="was not written by srlab"):
        load_dictionary(path, 4, NAMES)


def test_another_scale_is_refused(path: Path) -> None:
    with pytest.raises(SrlabError, match=r"learned for x4, this run wants x3: run `dvc repro train_examples@anr`"):
        load_dictionary(path, 3, NAMES)


def test_what_another_method_learned_is_refused(path: Path) -> None:
    with pytest.raises(SrlabError, match=r"holds what another method learned \(atoms, projection\)"):
        load_dictionary(path, 4, {"projection", "anchors"})
