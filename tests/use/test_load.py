"""Where `srlab.load` finds a network, and what it says where there is none."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from tiny import smooth

from srlab.errors import SrlabError
from srlab.models.base.weights import load_tensors, read_metadata, save_network
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.planning.configs import configs
from srlab.stage import ROOT
from srlab.use.load import load, load_method
from srlab.use.pretrained import build

SETTINGS = {"_target_": "srlab.models.srresnet.SRResNet", "scale": 2, "num_blocks": 1, "num_features": 4}


def trained(path: Path, seed: int, settings: object = SETTINGS) -> Path:
    torch.manual_seed(seed)
    save_network(path, SRResNet(2, 1, 4), {"method": f"net{seed}", "scale": "2", "network": settings})
    return path


@pytest.mark.parametrize("card", sorted((ROOT / "pretrained").glob("*.json")), ids=lambda path: path.stem)
def test_every_released_network_loads_by_name_and_by_file(card: Path) -> None:
    by_name, by_file = load(card.stem, precision="float32"), load(card.with_suffix(".safetensors"), precision="float32")
    assert by_name.scale == by_file.scale == 4
    assert (by_name.upscale(smooth(0)) == by_file.upscale(smooth(0))).all()


def test_a_trained_file_says_itself_how_it_is_built(tmp_path: Path) -> None:
    file = trained(tmp_path / "best.safetensors", 1)
    assert read_metadata(file)["network"] == SETTINGS
    model = load(file)
    assert (model.scale, model.label) == (2, "net1 (1 block, 4 channels)")
    assert model.upscale(smooth(0)).shape == (80, 80, 3)


def test_a_training_writes_what_its_file_needs() -> None:
    """Against the config of each kind of network, as pipelines/train.py composes it."""
    for cfg in configs("quick", ["espcn", "srgan"], [])[1].values():
        settings = OmegaConf.to_container(cfg.model.method.net, resolve=True)
        assert isinstance(settings, dict)
        assert build({str(key): value for key, value in settings.items()}).scale == 4
    assert '"network": network' in (ROOT / "pipelines/train.py").read_text(encoding="utf-8")


def test_interpolation_is_between_the_two(tmp_path: Path) -> None:
    start, end = (trained(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    found = load(start, towards=end, alpha=0.25)._exact
    assert found.label == "net2 (alpha 0.25, 1 block, 4 channels)"
    first, second = load_tensors(start)["last.weight"], load_tensors(end)["last.weight"]
    weights = found.net.last.weight  # pyright: ignore[reportAttributeAccessIssue]
    torch.testing.assert_close(weights.contiguous(), 0.75 * first + 0.25 * second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nonesuch"}, "there is no network nonesuch: choose one of espcn, .*srresnet, or a file"),
        ({"name": "old.safetensors"}, "old.safetensors does not say how its network is built: train it again"),
        ({"name": "espcn", "towards": "one.safetensors"}, "only equal networks can be interpolated"),
        ({"name": "one.safetensors", "towards": "one.safetensors", "alpha": 2.0}, "alpha is 2.0: set it between 0"),
        ({"name": "evil.safetensors"}, "os.system is no network of srlab"),
        ({"name": "espcn", "precision": "int8"}, "precision is int8: choose one of auto, float32, bfloat16"),
    ],
)
def test_what_does_not_go_is_said_in_one_line(
    arguments: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained(Path("one.safetensors"), 1)
    trained(Path("evil.safetensors"), 1, {"_target_": "os.system", "command": "true"})
    save_network(Path("old.safetensors"), ESPCN(2), {"method": "espcn", "scale": "2"})
    with pytest.raises(SrlabError, match=message) as caught:
        load(**arguments)  # pyright: ignore[reportArgumentType]
    assert "\n" not in str(caught.value)


def test_methods_that_learn_nothing_are_lines_of_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no params.yaml: that of the repository counts
    model = load_method("map_huber", 2)
    assert (model.label, model.upscale(smooth(0)).shape) == ("MAP-Huber", (80, 80, 3))
    assert load_method("bicubic").upscale(Image.fromarray(smooth(0))).size == (160, 160)


def test_a_dictionary_has_to_be_trained_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SrlabError, match=r"^models/aplus/dictionary.safetensors is missing: run `dvc repro`"):
        load_method("aplus")
    with pytest.raises(SrlabError, match=r"there is no method magic in .*params.yaml: choose one of nearest,"):
        load_method("magic")


def test_loading_starts_no_tracker_and_no_trainer() -> None:
    code = "import srlab, sys; srlab.load('espcn'); print(sorted({'mlflow', 'pytorch_lightning'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
