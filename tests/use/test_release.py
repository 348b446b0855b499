"""`srlab release`: what of a training it keeps, and what it does not take for one."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from profiles import TEXTS
from torch import nn

from srlab.cli import main
from srlab.errors import SrlabError
from srlab.files import write_json
from srlab.models.base.weights import save_network
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.use.pretrained import Pretrained
from srlab.use.release import LICENCES, Told, read_scores, release

ROOT = Path(__file__).parents[2]
TOLD = Told(note="a try", hardware="an abacus", hours=2.5, commit="0123abc")
INDEX = {
    "digest": "d1",
    "degradation": "Bicubic",
    "scale": 4,
    "images": {"a": {}, "b": {}, "c": {}},
    "val": ["c"],
}


@pytest.fixture(scope="module")
def espcn_config(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Hydra leaves in .hydra/config.yaml of a training with profile `smoke`."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "params.yaml").write_text(TEXTS["smoke"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return OmegaConf.to_yaml(compose("train", ["model=espcn"]))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, espcn_config: str) -> Path:
    """The current folder: params.yaml, packed images, and models/espcn as the stage leaves it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(TEXTS["smoke"])
    write_json(tmp_path / "data/pairs/train/photos/index.json", INDEX)
    trained(tmp_path / "models/espcn", "espcn", net())
    (tmp_path / "models/espcn/.hydra").mkdir()
    (tmp_path / "models/espcn/.hydra/config.yaml").write_text(espcn_config)
    return tmp_path


def net() -> ESPCN:
    torch.manual_seed(0)
    return ESPCN(4)


def trained(folder: Path, name: str, network: nn.Module) -> Path:
    save_network(folder / "best.safetensors", network, {"method": name, "epoch": "1", "scale": "4"})
    write_json(folder / "run.json", {"run_id": "r1"})
    (folder / "history.csv").write_text("epoch,val/psnr\n0,20\n1,21\n2,20\n")
    return folder


def released(name: str = "espcn", *overrides: str, trained: Path | None = None, **options: Any) -> dict[str, Any]:
    told = options.pop("told", TOLD)
    paths = {"data": None, "scores": None} | options
    return json.loads(release(name, list(overrides), trained, told=told, **paths).read_text())


def test_the_card_says_what_the_training_was(bench: Path) -> None:
    card = released()
    assert card["network"] == {"_target_": "srlab.models.espcn.ESPCN", "scale": 4, "icnr": False}
    assert (card["label"], card["scale"], card["num_parameters"]) == ("ESPCN", 4, 24752)
    training = card["training"]
    assert training["epochs"] == {"of_these_weights": 2, "all": 3}
    assert training["updates"] == 8  # two epochs of 16 patches in batches of 4
    assert training["numbers"]["line"]["lr"] == 0.001
    known = {"digest": "d1", "degradation": "Bicubic", "train_images": 2, "val_images": 1}
    assert training["data"] == known
    assert training["licence"] == LICENCES["photos"]
    said = (training["note"], training["hardware"], training["hours"], training["commit"], training["from"])
    assert said == ("a try", "an abacus", 2.5, "0123abc", "here")


def test_digests_are_those_of_the_files_and_numbers(bench: Path) -> None:
    card = released()
    numbers = json.dumps(card["training"]["numbers"], sort_keys=True).encode()
    assert card["training"]["params_sha256"] == hashlib.sha256(numbers).hexdigest()
    for digest, file in (
        (card["sha256"], "pretrained/espcn.safetensors"),
        (card["training"]["weights_sha256"], "models/espcn/best.safetensors"),
    ):
        assert digest == hashlib.sha256((bench / file).read_bytes()).hexdigest()


def test_what_is_released_can_be_loaded_and_is_half_as_large(bench: Path) -> None:
    card = released()
    assert card["precision"] == "float16"
    assert 0 <= card["float16_changes_db"] <= 0.005
    lr = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    ours = Pretrained("pretrained/espcn.safetensors", 4)
    # float16 has 11 bits: sums of some dozens of products below 1
    assert torch.allclose(ours.upscale(lr, 4), net().upscale(lr, 4), rtol=0, atol=2e-3)
    sizes = [
        (bench / file).stat().st_size for file in ("pretrained/espcn.safetensors", "models/espcn/best.safetensors")
    ]
    assert sizes[0] == pytest.approx(sizes[1] / 2, rel=0.02)  # the head of the file stays as long as it was


def test_weights_that_float16_cannot_hold_stay_float32(bench: Path) -> None:
    wild = net()
    with torch.no_grad():
        wild.body[0].weight.mul_(1e-9)  # below the smallest number of float16 ...
        wild.body[2].weight.mul_(1e9)  # ... and above the largest
    trained(bench / "models/espcn", "espcn", wild)
    card = released()
    assert card["precision"] == "float32"
    assert card["float16_changes_db"] > 0.005
    assert Pretrained("pretrained/espcn.safetensors", 4).net.state_dict()["body.2.weight"].equal(wild.body[2].weight)


def test_a_training_from_elsewhere_is_named_by_its_folder(bench: Path) -> None:
    (bench / "models/espcn").rename(bench / "brought")
    assert released(trained=bench / "brought")["training"]["from"] == "brought"


def test_without_hydras_folder_the_numbers_come_from_params_and_the_command_line(bench: Path) -> None:
    folder = trained(bench / "brought", "srresnet", SRResNet(4, num_blocks=2, num_features=8))
    card = released("srresnet", "models.srresnet.num_blocks=2", trained=folder)
    assert card["network"]["num_blocks"] == 2
    assert card["training"]["numbers_from"] == "params.yaml"


def test_another_architecture_is_refused(bench: Path) -> None:
    folder = trained(bench / "brought", "srresnet", SRResNet(4, num_blocks=2, num_features=8))
    with pytest.raises(
        SrlabError, match=r"does not fit the srresnet of params\.yaml: add the settings .*models\.srresnet"
    ):
        released("srresnet", trained=folder)
    assert not (bench / "pretrained").exists()


def test_the_weights_of_another_model_are_refused(bench: Path) -> None:
    with pytest.raises(SrlabError, match="holds the weights of espcn: `srlab release espcn`"):
        released("srresnet", trained=bench / "models/espcn")


@pytest.mark.parametrize("name", ["best.safetensors", "history.csv", "run.json"])
def test_a_folder_that_is_not_whole_is_refused(bench: Path, name: str) -> None:
    (bench / "models/espcn" / name).unlink()
    with pytest.raises(SrlabError, match=rf"{name} is missing: .*give --from the whole folder"):
        released()


def test_the_images_must_be_known(bench: Path) -> None:
    (bench / "data/pairs/train/photos").rename(bench / "images")
    with pytest.raises(SrlabError, match=r"photos/index\.json is missing: name the folder .* by --data"):
        released()
    assert released(data=bench / "images")["training"]["data"]["digest"] == "d1"


def test_images_of_another_scale_are_not_those_it_learned_from(bench: Path) -> None:
    write_json(bench / "data/pairs/train/photos/index.json", INDEX | {"scale": 2})
    with pytest.raises(SrlabError, match=r"is of images for x2, the weights are for x4"):
        released()


def test_images_of_an_unknown_source_need_a_licence(bench: Path) -> None:
    config = bench / "models/espcn/.hydra/config.yaml"
    config.write_text(config.read_text().replace("source: photos", "source: folder"))
    with pytest.raises(SrlabError, match=r"licence of the training images \(source: folder\): state it by --licence"):
        released()
    assert released(told=replace(TOLD, licence="mine"))["training"]["licence"] == "mine"


METRICS = {
    "method": "espcn",
    "protocols": {"modern": {"datasets": {"Set5": {"psnr": 30.1, "ssim": 0.85, "images": {"baby": {"psnr": 33.0}}}}}},
}


def test_a_folder_of_images_is_named_without_its_path(bench: Path) -> None:
    """Git keeps the card."""
    file = bench / "models/espcn/.hydra/config.yaml"
    config = yaml.safe_load(file.read_text())
    config["datasets"]["photos"] = {**config["datasets"]["photos"], "source": "folder", "path": str(bench / "mine")}
    file.write_text(yaml.safe_dump(config))
    card = released(told=replace(TOLD, licence="mine"))
    assert card["training"]["numbers"]["dataset"]["path"] == "mine"
    assert str(bench) not in json.dumps(card)


def test_scores_keep_their_protocol_and_lose_their_images(tmp_path: Path) -> None:
    write_json(tmp_path / "m.json", METRICS)
    expected = {"protocols": {"modern": {"datasets": {"Set5": {"psnr": 30.1, "ssim": 0.85}}}}}
    assert read_scores(tmp_path / "m.json") == expected


@pytest.mark.parametrize("are_of_these_weights", [True, False])
def test_scores_are_those_that_dvc_knows_to_be_of_these_weights(bench: Path, are_of_these_weights: bool) -> None:
    metrics, weights = bench / "reports/metrics/espcn.json", bench / "models/espcn/best.safetensors"
    write_json(metrics, METRICS)
    measured = hashlib.md5(weights.read_bytes()).hexdigest() if are_of_these_weights else "of others"
    dep = {"path": "models/espcn/best.safetensors", "md5": measured}
    out = {"path": "reports/metrics/espcn.json", "md5": hashlib.md5(metrics.read_bytes()).hexdigest()}
    (bench / "dvc.lock").write_text(yaml.dump({"stages": {"evaluate@espcn": {"deps": [dep], "outs": [out]}}}))
    assert (released()["scores"] is not None) == are_of_these_weights


def test_the_command_says_what_nobody_knows(
    bench: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{bench}/mlflow.db")
    (bench / "models/espcn/run.json").write_text('{"run_id": "unknown"}')
    main(["release", "espcn", "--note", "x", "--commit", "0123abc"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("pretrained/espcn.json")
    assert lines[1] == "  nobody knows hours: add --hours"
    assert "`espcn_released: {method: released, weights: pretrained/espcn.safetensors}`" in lines[2]
