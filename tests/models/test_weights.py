"""Weights on disk: what comes back, and what is said when it cannot."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from srlab.errors import SrlabError
from srlab.models.base.network import Network, Upscaler
from srlab.models.base.trained import Trained
from srlab.models.base.weights import load_network, read_metadata, save_network
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the stage of a model named "espcn" keeps its weights."""
    return tmp_path / "models" / "espcn" / "best.safetensors"


def small(seed: int) -> SRResNet:
    torch.manual_seed(seed)
    return SRResNet(2, num_blocks=1, num_features=4)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_weights_statistics_and_metadata_come_back(path: Path, order: torch.memory_format) -> None:
    net: Any = small(1).train().to(memory_format=order)
    net(torch.rand(2, 3, 8, 8))  # moves the running statistics
    metadata = {"epoch": "12", "val/psnr": "28.41", "name": "façade"}
    save_network(path, net, metadata)
    loaded = load_network(small(2), path)
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in net.state_dict().items())
    assert read_metadata(path) == metadata


def test_equal_content_gives_equal_bytes_in_every_process(path: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; from srlab.models.espcn import ESPCN;"
        "from srlab.models.base.weights import save_network; torch.manual_seed(0);"
        "save_network(Path(sys.argv[1]), ESPCN(2), {key: key for key in sys.argv[2]})"
    )
    digests = set()
    for order in ("abcdefgh", "hgfedcba"):
        subprocess.run([sys.executable, "-c", code, str(path), order], check=True)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_failed_save_keeps_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_network(path, ESPCN(2), {})
    before = path.read_bytes()

    def fail(state: object, file: Path, metadata: object) -> None:
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("srlab.models.base.weights.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_network(path, ESPCN(2), {})
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize("read", [read_metadata, lambda path: load_network(ESPCN(2), path)], ids=["metadata", "net"])
def test_a_missing_file_names_the_stage_to_run(path: Path, read) -> None:
    with pytest.raises(SrlabError, match=r"best\.safetensors is missing: run `dvc repro`"):
        read(path)


@pytest.mark.parametrize("keep", [0, 20, -100], ids=["empty", "header", "end"])
@pytest.mark.parametrize("read", [read_metadata, lambda path: load_network(ESPCN(2), path)], ids=["metadata", "net"])
def test_a_damaged_file_names_the_stage_to_run(path: Path, read, keep: int) -> None:
    save_network(path, ESPCN(2), {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SrlabError, match=r"damaged.*run `dvc repro`"):
        read(path)


@pytest.mark.parametrize("other", [ESPCN(3), SRResNet(2, 1, 4)], ids=["shape", "names"])
def test_weights_of_another_network_are_refused(path: Path, other) -> None:
    save_network(path, ESPCN(2), {})
    with pytest.raises(SrlabError, match=r"another network than the \w+ configured now: run `dvc repro`") as caught:
        load_network(other, path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("net", "label", "expected"),
    [
        (small(1), "SRGAN (MSE content)", "SRGAN (MSE content, 1 block, 4 channels)"),
        (small(1), "SRGAN", "SRGAN (1 block, 4 channels)"),
        (ESPCN(2), "ESPCN", "ESPCN"),  # as published
    ],
)
def test_a_trained_network_has_its_weights_and_names_its_variant(
    path: Path, net: Network, label: str, expected: str
) -> None:
    save_network(path, net, {})
    other, lr = small(2) if "SRGAN" in label else ESPCN(2), torch.rand(1, 3, 6, 5)
    method = Trained(label, other, str(path))
    assert isinstance(method, Upscaler)
    assert method.label == expected
    assert method.num_parameters == sum(one.numel() for one in net.parameters())
    assert torch.equal(method.upscale(lr, 2), net.upscale(lr, 2))
    assert next(method.to("meta").net.parameters()).device.type == "meta"  # a device that every machine has
