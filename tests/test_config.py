"""params.yaml and conf/ fit together: every line composes and is built."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from profiles import PROFILES, TEXTS

from srlab.adversarial.module import Adversarial
from srlab.classical.burst import Burst
from srlab.models.base.network import Network, Upscaler
from srlab.models.base.weights import save_network
from srlab.settings import FAMILIES, problems
from srlab.training.trainable import Schedule

ROOT = Path(__file__).parents[1]
SMOKE, PARAMS = TEXTS["smoke"], PROFILES["smoke"]
MODELS = {path.stem: path for path in sorted((ROOT / "conf/model").glob("*.yaml"))}
LINES = [(family, name) for family in FAMILIES for name in PARAMS[family]]
NETWORKS, GANS = list(PARAMS["models"]), list(PARAMS["gans"])
PAGE = (ROOT / "docs/external.md").read_text(encoding="utf-8")
EXTERNAL = [
    line
    for block in re.findall(r"```yaml\n(pretrained:\n.*?)```", PAGE, re.DOTALL)
    for line in yaml.safe_load(block)["pretrained"].values()
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the params.yaml of profile `smoke`, in which Hydra composes."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "params.yaml").write_text(SMOKE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            yield folder


@contextmanager
def params(bench: Path, content: dict[str, Any]) -> Iterator[None]:
    """Other params.yaml for the time of the block."""
    (bench / "params.yaml").write_text(yaml.safe_dump(content))
    yield
    (bench / "params.yaml").write_text(SMOKE)


def config(script: str, *overrides: str) -> DictConfig:
    return compose(script, list(overrides))


def scalars(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything in nested maps."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from scalars(value, f"{path}.{key}".lstrip("."))
    else:
        yield path, node


def words(family: str, name: str) -> list[str]:
    """The overrides by which a stage of dvc.yaml composes a line."""
    line = PARAMS[family][name]
    found = [f"model={line[FAMILIES[family]]}", f"model.name={name}"]
    if family == "gans":
        found += [f"model@model.generator={line['net']}", f"model.generator.name={line['generator']}"]
    return found


def test_params_are_maps_of_scalars_without_interpolation() -> None:
    values = dict(scalars(PROFILES["quick"]))
    assert {key: value for key, value in values.items() if not isinstance(value, int | float | str | None)} == {}
    assert {key: value for key, value in values.items() if "${" in str(value)} == {}


@pytest.mark.parametrize("file", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_root_config_and_params_share_no_key(file: Path) -> None:
    """One fact, one home: a key in both would let the root config silently win."""
    own = set(yaml.safe_load(file.read_text())) - {"defaults", "hydra"}
    assert own & set(PARAMS) == set()


@pytest.mark.parametrize("model", MODELS)
def test_a_kind_is_called_like_its_file(model: str) -> None:
    name = yaml.safe_load(MODELS[model].read_text(encoding="utf-8"))["name"]
    assert name == (model if model != "interpolation" else "bicubic")


@pytest.mark.parametrize(("family", "name"), LINES)
def test_a_line_has_a_place_in_the_family_tree_and_a_classical_one_is_built(
    bench: Path, family: str, name: str
) -> None:
    cfg = config("evaluate", *words(family, name))
    assert cfg.model.branch.partition(" / ")[0] in (
        "Interpolation",
        "Reconstruction",
        "Example-based learning",
        "Deep learning",
    )
    if family == "classical":
        assert isinstance(instantiate(cfg.model.method), Upscaler)
        assert isinstance(instantiate(cfg.burst), Burst)


def test_a_training_by_hand_begins_with_weights_that_are_there(bench: Path) -> None:
    cfg = config("train", "model=espcn", "recipe.ema=0.9")
    torch.manual_seed(1)
    net = instantiate(cfg.model.net)
    save_network(bench / "espcn.safetensors", net, {})
    torch.manual_seed(2)
    module = instantiate(config("train", "model=espcn", "recipe.ema=0.9", "start=espcn.safetensors").model.module)
    for begun in (module.trained, module.network):  # the moving average, too
        assert all(torch.equal(begun.state_dict()[key], value) for key, value in net.state_dict().items())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_and_its_module_are_built_by_the_settings_of_the_line(bench: Path, name: str) -> None:
    """No number is written in conf/: what is no class, label or path comes from params.yaml."""
    cfg = config("train", *words("models", name), "scale=3", f"models.{name}.lr=0.125")
    raw = OmegaConf.to_container(cfg.model, resolve=False)
    assert {key: value for key, value in scalars(raw) if not isinstance(value, str)} == {}
    net, module = instantiate(cfg.model.net), instantiate(cfg.model.module)
    assert isinstance(net, Network)
    assert net.scale == 3
    (optimizer,), _ = module.configure_optimizers()
    assert optimizer.param_groups[0]["lr"] == 0.125
    learned = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(learned) == sorted(id(p) for p in module.net.parameters())


def test_two_entries_of_a_kind_have_settings_label_seed_and_data_of_their_own(bench: Path) -> None:
    line = PARAMS["models"]["srcnn"] | {"kernels": "9-5-5", "label": "SRCNN 9-5-5", "seed": 7, "train_on": "others"}
    with params(bench, PARAMS | {"models": PARAMS["models"] | {"srcnn_955": line}}):
        other = config("train", "model=srcnn", "model.name=srcnn_955")
        first = config("train", "model=srcnn")
        assert (other.model.label, first.model.label) == ("SRCNN 9-5-5", "SRCNN")
        assert (other.model.net.kernels, first.model.net.kernels) == ("9-5-5", "9-1-5")
        assert (other.data.seed, first.data.seed) == (7, PARAMS["seed"])
        assert (other.data.folder, first.data.folder) == ("data/pairs/train/others", "data/pairs/train/photos")
        assert other.model.method.checkpoint == "models/srcnn_955/best.safetensors"


@pytest.mark.parametrize("name", GANS)
def test_a_gan_is_built_around_its_trained_generator(bench: Path, name: str) -> None:
    cfg = config("train", *words("gans", name))
    generator = instantiate(cfg.model.generator.net)
    save_network(bench / "models" / cfg.model.generator.name / "best.safetensors", generator, {})
    module = instantiate(cfg.model.module)
    assert isinstance(module, Adversarial)
    trained = module.generator.state_dict()
    assert all(trained[key].equal(value) for key, value in generator.state_dict().items())


@pytest.mark.parametrize("name", [k for k, v in PARAMS["pretrained"].items() if v["method"] == "interpolated"])
def test_an_interpolation_is_built_between_its_gan_and_what_that_began_with(bench: Path, name: str) -> None:
    line = PARAMS["pretrained"][name]
    cfg = config("evaluate", *words("pretrained", name))
    ends = [instantiate(cfg.model.generator.net) for _ in range(2)]
    for one, end in zip((line["generator"], line["gan"]), ends, strict=True):
        save_network(bench / "models" / one / "best.safetensors", end, {})
    method = instantiate(cfg.model.method)
    assert method.label.startswith(f"SRGAN (alpha {line['alpha']}, MSE content, ")
    first, second, between = (one.state_dict()["last.bias"] for one in (*ends, method.net))
    expected = torch.lerp(first, second, line["alpha"])
    assert torch.allclose(between, expected, rtol=0, atol=1e-6)  # float32 below 1
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("line", EXTERNAL)
def test_a_line_of_the_page_on_external_networks_is_built(bench: Path, line: dict[str, Any]) -> None:
    """Its file is not there: the error about it comes from where the line's format leads."""
    changed_params = PARAMS | {"pretrained": {"x": line}}
    assert list(problems(changed_params, ROOT / "conf")) == []
    with params(bench, changed_params), pytest.raises(InstantiationException) as caught:
        instantiate(config("evaluate", "model=external", "model.name=x").model.method)
    assert str(caught.value.__cause__).startswith(f"{line['weights']}/{line['file']} is missing: put it there")


def test_a_released_line_leads_to_its_card(bench: Path) -> None:
    line = {"method": "released", "weights": "pretrained/espcn.safetensors"}
    with params(bench, PARAMS | {"pretrained": {"x": line}}), pytest.raises(InstantiationException) as caught:
        instantiate(config("evaluate", "model=released", "model.name=x").model.method)
    assert str(caught.value.__cause__).startswith("pretrained/espcn.json is missing: `srlab release` writes it")


def test_the_page_on_external_networks_has_a_line_for_each_format() -> None:
    formats = yaml.safe_load(MODELS["external"].read_text(encoding="utf-8"))["formats"]
    assert {line["format"] for line in EXTERNAL} == set(formats)


@pytest.mark.parametrize("name", PARAMS["schedules"])
def test_a_schedule_is_built_for_every_line_of_schedules(bench: Path, name: str) -> None:
    make: Schedule = instantiate(config("train", f"models.espcn.schedule={name}").schedule)
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0)
    assert make(optimizer).optimizer is optimizer


def test_the_trainer_is_completed_by_its_caller(bench: Path, tmp_path: Path) -> None:
    make = instantiate(config("train", "model=espcn", "models.espcn.max_epochs=7").trainer.lightning)
    trainer = make(callbacks=[], default_root_dir=tmp_path, logger=False, enable_progress_bar=False)
    assert isinstance(trainer, pl.Trainer)
    assert trainer.max_epochs == 7
