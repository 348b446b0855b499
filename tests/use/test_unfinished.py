"""The best epoch so far of a training that was stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kinds import MortalData, fail, regression
from omegaconf import OmegaConf
from tiny import Recorder, fitted

from srlab.errors import SrlabError
from srlab.files import write_json
from srlab.models.base.weights import load_network, read_metadata
from srlab.models.espcn import ESPCN
from srlab.training.curves import read_history
from srlab.use.unfinished import keep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """models/espcn as a training leaves it that was stopped: its config alone."""
    net = {"_target_": "srlab.models.espcn.ESPCN", "scale": 2, "icnr": False}
    config = {"root": str(tmp_path), "data": {"scale": 2}, "model": {"name": "espcn", "method": {"net": net}}}
    (tmp_path / "models/espcn/.hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(config), tmp_path / "models/espcn/.hydra/config.yaml")
    return tmp_path / "models/espcn"


def stopped(store: Path, tmp_path: Path, life: int) -> None:
    """A training in work/espcn-1 that ends with the `life`-th chunk or validation image."""
    mortal = MortalData(str(store), scale=2, seed=7, patch_size=16, batch_size=4, patches_per_epoch=8)
    mortal.life, mortal.die = life, fail
    with pytest.raises(ConnectionError):
        fitted(regression(), mortal, tmp_path / "work/espcn-1", Recorder(), 5)
    write_json(tmp_path / "work/espcn-1/run.json", {"run_id": "r1"})


def test_it_is_what_a_training_of_so_many_epochs_gives(
    folder: Path, store: Path, data: Callable[..., Any], tmp_path: Path
) -> None:
    stopped(store, tmp_path, life=8)
    epochs = keep(folder)
    assert 0 < epochs < 5
    whole = fitted(regression(), data(), tmp_path / "whole", Recorder(), epochs)
    found = load_network(ESPCN(2), folder / "best.safetensors").state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in whole.network.state_dict().items())
    assert read_history(folder / "history.csv") == whole.rows
    facts = read_metadata(folder / "best.safetensors")
    assert facts["epoch"] == str(whole.best_epoch) and facts["unfinished"]
    assert (tmp_path / "work/espcn-1/last.ckpt").exists()  # it can be resumed


def test_the_last_epoch_is_what_the_training_had_come_to(folder: Path, store: Path, tmp_path: Path) -> None:
    stopped(store, tmp_path, life=8)
    epochs = keep(folder, last=True)
    state = torch.load(tmp_path / "work/espcn-1/last.ckpt", weights_only=True)["state_dict"]
    found = load_network(ESPCN(2), folder / "best.safetensors").state_dict()
    assert found.keys() and all(torch.equal(state[f"net.{name}"], tensor) for name, tensor in found.items())
    assert read_metadata(folder / "best.safetensors")["epoch"] == str(epochs - 1)


def test_what_is_missing_is_said(folder: Path, store: Path, tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match="no unfinished training of espcn"):
        keep(folder)
    stopped(store, tmp_path, life=1)
    with pytest.raises(SrlabError, match="no unfinished training of espcn"):
        keep(folder)
    (tmp_path / "work/espcn-1/last.ckpt").write_bytes(b"cut")
    with pytest.raises(SrlabError, match="is damaged"):
        keep(folder)
    (folder / ".hydra/config.yaml").unlink()
    with pytest.raises(SrlabError, match=r"config.yaml is missing: name the folder"):
        keep(folder)
