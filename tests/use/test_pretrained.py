"""Released weights: built from their card alone, and refused where card and file do not belong together."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from srlab.errors import SrlabError
from srlab.models.base.weights import save_network
from srlab.models.srresnet import SRResNet
from srlab.use.pretrained import FORMAT, VERSION, Pretrained, build, sha256

SETTINGS = {"_target_": "srlab.models.srresnet.SRResNet", "scale": 2, "num_blocks": 1, "num_features": 4, "icnr": False}


def net() -> SRResNet:
    torch.manual_seed(0)
    return SRResNet(2, num_blocks=1, num_features=4).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_network(tmp_path / "small.safetensors", net().half(), {})
    card = {"format": FORMAT, "version": VERSION, "label": "SRGAN (MSE content)", "network": SETTINGS, "scale": 2}
    card["sha256"] = sha256(tmp_path / "small.safetensors")
    (tmp_path / "small.json").write_text(json.dumps(card))
    return tmp_path


def test_a_network_is_built_from_its_card(folder: Path) -> None:
    method = Pretrained(str(folder / "small.safetensors"), 2)
    lr = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(method.upscale(lr, 2), net().half().float().upscale(lr, 2))
    assert method.label == "SRGAN (pretrained, MSE content, 1 block, 4 channels)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 4}, r"small\.safetensors is for x4, this run wants x2: take its line out"),
        ({"version": 99}, r"small\.json is a 'srlab release' of version 99, this srlab reads 1"),
    ],
)
def test_a_card_for_something_else_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    card = json.loads((folder / "small.json").read_text())
    (folder / "small.json").write_text(json.dumps(card | changes))
    with pytest.raises(SrlabError, match=message):
        Pretrained(str(folder / "small.safetensors"), 2)


@pytest.mark.parametrize("name", ["small.json", "small.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(SrlabError, match=rf"{name} is missing: `srlab release` writes it"):
        Pretrained(str(folder / "small.safetensors"), 2)


def test_one_changed_byte_of_the_weights_is_noticed(folder: Path) -> None:
    file = folder / "small.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(SrlabError, match=r"small\.safetensors is not the file that small\.json describes \(sha256\)"):
        Pretrained(str(folder / "small.safetensors"), 2)


@pytest.mark.parametrize("text", ["", "[1]", "{}"])
def test_a_damaged_card_is_named(folder: Path, text: str) -> None:
    (folder / "small.json").write_text(text)
    with pytest.raises(SrlabError, match=r"small\.json is damaged, or no card"):
        Pretrained(str(folder / "small.safetensors"), 2)


@pytest.mark.parametrize("target", ["os.system", "srlab.models.base.weights.load_network", "srlab.errors.SrlabError"])
def test_a_card_builds_networks_of_srlab_alone(target: str) -> None:
    with pytest.raises(SrlabError, match=rf"{target} is no network of srlab"):
        build({"_target_": target, "command": "true"})


def test_settings_that_this_srlab_does_not_know_are_named() -> None:
    with pytest.raises(SrlabError, match=r"this srlab has no srlab\.models\.srresnet\.SRResNet with .*'depth': 3"):
        build({"_target_": "srlab.models.srresnet.SRResNet", "scale": 2, "depth": 3})
