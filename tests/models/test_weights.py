"""Weights on disk: what comes back, and what is said when it cannot."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from srlab.errors import SrlabError
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.models.trained import Trained
from srlab.models.weights import load_network, read_metadata, save_network


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the stage of a model named "espcn" keeps its weights."""
    return tmp_path / "models" / "espcn" / "best.safetensors"


def small(seed: int) -> SRResNet:
    torch.manual_seed(seed)
    return SRResNet(2, num_blocks=1, num_features=4)


def test_weights_and_batch_statistics_come_back(path: Path) -> None:
    net = small(1).train()
    net(torch.rand(2, 3, 8, 8))  # moves the running statistics
    save_network(path, net, {})
    loaded = load_network(small(2), path)
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in net.state_dict().items())


def test_channels_last_weights_come_back(path: Path) -> None:
    net = small(1).to(memory_format=torch.channels_last)
    save_network(path, net, {})
    assert torch.equal(load_network(small(2), path).last.weight, net.last.weight)


def test_metadata_come_back(path: Path) -> None:
    metadata = {"epoch": "12", "val/psnr": "28.41", "name": "façade"}
    save_network(path, ESPCN(2), metadata)
    assert read_metadata(path) == metadata


def test_equal_content_gives_equal_bytes_in_every_process(path: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; from srlab.models.espcn import ESPCN;"
        "from srlab.models.weights import save_network; torch.manual_seed(0);"
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

    monkeypatch.setattr("srlab.models.weights.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_network(path, ESPCN(2), {})
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize("read", [read_metadata, lambda path: load_network(ESPCN(2), path)], ids=["metadata", "net"])
def test_a_missing_file_names_the_stage_to_run(path: Path, read) -> None:
    with pytest.raises(SrlabError, match=r"best\.safetensors is missing: run `dvc repro train@espcn`"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all"], ids=["empty", "text"])
@pytest.mark.parametrize("read", [read_metadata, lambda path: load_network(ESPCN(2), path)], ids=["metadata", "net"])
def test_a_damaged_file_names_the_stage_to_run(path: Path, read, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(SrlabError, match=r"damaged.*run `dvc repro train@espcn`"):
        read(path)


def test_a_truncated_file_is_damaged(path: Path) -> None:
    save_network(path, ESPCN(2), {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SrlabError, match="damaged"):
        load_network(ESPCN(2), path)


@pytest.mark.parametrize("other", [ESPCN(3), SRResNet(2, 1, 4)], ids=["shape", "names"])
def test_weights_of_another_network_are_refused(path: Path, other) -> None:
    save_network(path, ESPCN(2), {})
    with pytest.raises(SrlabError, match=r"another network than the \w+ configured now: run `dvc repro train@espcn`"):
        load_network(other, path)


def test_messages_are_one_line(path: Path) -> None:
    save_network(path, ESPCN(2), {})
    with pytest.raises(SrlabError) as caught:
        load_network(small(1), path)
    assert "\n" not in str(caught.value)


def test_trained_upscales_with_the_weights_of_the_file(path: Path) -> None:
    net = small(1)
    save_network(path, net, {})
    lr = torch.rand(1, 3, 6, 5)
    assert torch.equal(Trained("SRGAN", small(2), str(path)).upscale(lr, 2), net.upscale(lr, 2))


def test_trained_label_names_the_variant(path: Path) -> None:
    save_network(path, SRResNet(2, 2, 4), {})
    assert Trained("SRGAN", SRResNet(2, 2, 4), str(path)).label == "SRGAN (2 blocks, 4 channels)"


def test_trained_label_of_a_published_network_stands_alone(path: Path) -> None:
    save_network(path, ESPCN(2), {})
    assert Trained("ESPCN", ESPCN(2), str(path)).label == "ESPCN"


def test_trained_needs_its_file_on_construction(path: Path) -> None:
    with pytest.raises(SrlabError, match="missing"):
        Trained("ESPCN", ESPCN(2), str(path))


def test_trained_moves_its_network(path: Path) -> None:
    save_network(path, ESPCN(2), {})
    moved = Trained("ESPCN", ESPCN(2), str(path)).to("meta")  # a device that every machine has
    assert {parameter.device.type for parameter in moved.net.parameters()} == {"meta"}
