"""params.yaml and conf/ fit together: profiles are plain numbers, and every model composes and is built."""

import re
import subprocess
from collections.abc import Iterator
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

from srlab.adversarial.module import Adversarial
from srlab.models.network import Network, Upscaler
from srlab.training.schedules import Schedule

ROOT = Path(__file__).parents[1]
PROFILES = {path.stem: path for path in sorted((ROOT / "conf/profile").glob("*.yaml"))}
MODELS = {path.stem: path for path in sorted((ROOT / "conf/model").glob("*.yaml"))}
NETWORKS = [name for name, path in MODELS.items() if "net" in yaml.safe_load(path.read_text())]
GANS = [name for name, path in MODELS.items() if "Adversarial" in path.read_text()]
EXAMPLES = [name for name, path in MODELS.items() if "learner" in yaml.safe_load(path.read_text())]
INTERPOLATED, EXTERNAL, PRETRAINED = (
    "interpolated",
    "external",
    "pretrained",
)  # the yamls of every line of the maps of these names
CLASSICAL = [name for name in MODELS if name not in (*NETWORKS, *GANS, *EXAMPLES, INTERPOLATED, EXTERNAL, PRETRAINED)]
KINDS = ("classical", "reconstruction", "examples", "models", "gans")  # maps of params.yaml with a line per method
PAGE = (ROOT / "docs/external.md").read_text()
LINES = [
    line
    for block in re.findall(r"```yaml\n(external:\n.*?)```", PAGE, re.DOTALL)
    for line in yaml.safe_load(block)["external"].values()
]
every_profile = pytest.mark.parametrize("profile", PROFILES)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with profile `smoke` on the bench, in which Hydra composes."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "params.yaml").write_text(PROFILES["smoke"].read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            yield folder


def config(script: str, *overrides: str) -> DictConfig:
    return compose(script, list(overrides))


def scalars(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything in nested maps."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from scalars(value, f"{path}.{key}".lstrip("."))
    else:
        yield path, node


def committed(name: str) -> str:
    words = ["git", "-C", str(ROOT), "show", f"HEAD:{name}"]
    shown = subprocess.run(words, capture_output=True, text=True, check=False)
    if shown.returncode:
        pytest.skip("this is no Git repository, so nothing is committed")
    return shown.stdout


def test_the_committed_params_are_the_profile_quick() -> None:
    """The committed ones: whoever lays another profile on the bench breaks no test."""
    assert committed("params.yaml") == committed("conf/profile/quick.yaml")


@every_profile
def test_a_profile_is_maps_of_scalars(profile: str) -> None:
    values = dict(scalars(yaml.safe_load(PROFILES[profile].read_text())))
    assert {key: value for key, value in values.items() if not isinstance(value, int | float | str | None)} == {}


@every_profile
def test_a_profile_holds_no_interpolation(profile: str) -> None:
    values = dict(scalars(yaml.safe_load(PROFILES[profile].read_text())))
    assert {key: value for key, value in values.items() if "${" in str(value)} == {}


@every_profile
def test_profiles_have_the_same_top_level_keys(profile: str) -> None:
    assert list(yaml.safe_load(PROFILES[profile].read_text())) == list(yaml.safe_load(PROFILES["quick"].read_text()))


@every_profile
def test_every_method_of_a_profile_has_a_yaml(profile: str) -> None:
    params = yaml.safe_load(PROFILES[profile].read_text())
    assert {name for kind in KINDS for name in params[kind]} <= set(MODELS)


@every_profile
def test_no_two_methods_of_a_profile_have_one_name(profile: str) -> None:
    """Their metrics would be one file."""
    params = yaml.safe_load(PROFILES[profile].read_text())
    names = [name for kind in (*KINDS, INTERPOLATED, EXTERNAL, PRETRAINED) for name in params[kind]]
    assert len(names) == len(set(names))


@every_profile
def test_an_interpolation_names_a_gan_and_what_it_began_with(profile: str) -> None:
    params = yaml.safe_load(PROFILES[profile].read_text())
    lines = params[INTERPOLATED].values()
    assert [line["generator"] for line in lines] == [params["gans"][line["gan"]]["generator"] for line in lines]


@every_profile
def test_every_data_set_of_a_profile_has_a_source(profile: str) -> None:
    sources = {entry["source"] for entry in yaml.safe_load(PROFILES[profile].read_text())["datasets"].values()}
    assert sources <= {path.stem for path in (ROOT / "conf/dataset").glob("*.yaml")}


@every_profile
def test_a_profile_names_only_what_it_has(profile: str) -> None:
    params = yaml.safe_load(PROFILES[profile].read_text())
    roles = {name: entry["role"] for name, entry in params["datasets"].items()}
    assert roles[params["train_on"]] == "train"
    assert roles[params["report"]["figure_set"]] == "test"
    assert {roles[entry["train_on"]] for entry in params["examples"].values()} == {"train"}
    assert {entry["schedule"] for entry in [*params["models"].values(), *params["gans"].values()]} <= set(
        params["schedules"]
    )


@pytest.mark.parametrize("file", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_root_config_and_params_share_no_key(file: Path) -> None:
    """One fact, one home: a key in both would let the root config silently win."""
    own = set(yaml.safe_load(file.read_text())) - {"defaults", "hydra"}
    assert own & set(yaml.safe_load(PROFILES["quick"].read_text())) == set()


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_called_like_its_file(bench: Path, model: str) -> None:
    assert config("evaluate", f"model={model}").model.name == model


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_a_place_in_the_family_tree(bench: Path, model: str) -> None:
    assert config("evaluate", f"model={model}").model.branch.partition(" / ")[0] in (
        "Interpolation",
        "Reconstruction",
        "Example-based learning",
        "Deep learning",
    )


@pytest.mark.parametrize("model", CLASSICAL)
def test_a_classical_method_is_built(bench: Path, model: str) -> None:
    assert isinstance(instantiate(config("evaluate", f"model={model}").model.method), Upscaler)


@pytest.mark.parametrize("model", NETWORKS)
def test_a_network_is_built_for_the_scale_of_params(bench: Path, model: str) -> None:
    net = instantiate(config("train", f"model={model}", "scale=3").model.net)
    assert isinstance(net, Network)
    assert net.scale == 3


@pytest.mark.parametrize("model", NETWORKS)
def test_a_network_has_a_number_in_params_for_everything_that_its_yaml_asks(bench: Path, model: str) -> None:
    """No number is written in conf/: what is no class, label or path comes from params.yaml."""
    raw = OmegaConf.to_container(config("train", f"model={model}").model, resolve=False)
    numbers = {key: value for key, value in scalars(raw) if not isinstance(value, str)}
    assert numbers == {}


@pytest.mark.parametrize("model", NETWORKS)
def test_a_module_learns_with_the_numbers_of_its_line(bench: Path, model: str) -> None:
    module = instantiate(config("train", f"model={model}", f"models.{model}.lr=0.125").model.module)
    (optimizer,), _ = module.configure_optimizers()
    assert optimizer.param_groups[0]["lr"] == 0.125
    learned = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(learned) == sorted(id(p) for p in module.net.parameters())


@pytest.mark.parametrize("model", GANS)
def test_a_gan_is_built_around_its_trained_generator(bench: Path, model: str) -> None:
    from srlab.models.weights import save_network

    cfg = config("train", f"model={model}")
    generator = instantiate(cfg.model.generator.net)
    save_network(bench / "models" / cfg.model.generator.name / "best.safetensors", generator, {})
    module = instantiate(cfg.model.module)
    assert isinstance(module, Adversarial)
    trained = module.generator.state_dict()
    assert all(trained[name].equal(value) for name, value in generator.state_dict().items())


@pytest.mark.parametrize("name", list(yaml.safe_load(PROFILES["smoke"].read_text())[INTERPOLATED]))
def test_an_interpolation_is_built_between_its_gan_and_what_that_began_with(bench: Path, name: str) -> None:
    from srlab.models.weights import save_network

    line = yaml.safe_load(PROFILES["smoke"].read_text())[INTERPOLATED][name]
    cfg = config("evaluate", "model=interpolated", f"model@model.gan={line['gan']}", f"model.name={name}")
    ends = [instantiate(cfg.model.gan.generator.net) for _ in range(2)]
    for one, end in zip((line["generator"], line["gan"]), ends, strict=True):
        save_network(bench / "models" / one / "best.safetensors", end, {})
    method = instantiate(cfg.model.method)
    assert method.label.startswith(f"SRGAN (alpha {line['alpha']}, MSE content, ")
    first, second, between = (one.state_dict()["last.bias"] for one in (*ends, method.net))
    expected = torch.lerp(first, second, line["alpha"])
    assert torch.allclose(between, expected, rtol=0, atol=1e-6)  # float32 below 1
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_page_on_external_networks_is_built(bench: Path, line: dict[str, Any]) -> None:
    """Its file is not there: the error about it comes from where the line's format leads."""
    (bench / "params.yaml").write_text(
        yaml.dump(yaml.safe_load(PROFILES["smoke"].read_text()) | {"external": {"x": line}})
    )
    with pytest.raises(InstantiationException) as caught:
        instantiate(config("evaluate", "model=external", "model.name=x").model.method)
    (bench / "params.yaml").write_text(PROFILES["smoke"].read_text())
    assert str(caught.value.__cause__).startswith(f"{line['folder']}/{line['file']} is missing: put it there")


def test_a_line_of_pretrained_leads_to_its_card(bench: Path) -> None:
    smoke = PROFILES["smoke"].read_text()
    (bench / "params.yaml").write_text(smoke.replace("pretrained: {}", "pretrained: {x: {file: espcn}}"))
    with pytest.raises(InstantiationException) as caught:
        instantiate(config("evaluate", "model=pretrained", "model.name=x").model.method)
    (bench / "params.yaml").write_text(smoke)
    assert str(caught.value.__cause__).startswith("pretrained/espcn.json is missing: `srlab release` writes it")


def test_the_page_on_external_networks_has_a_line_for_each_format() -> None:
    formats = yaml.safe_load(MODELS[EXTERNAL].read_text())["formats"]
    assert {line["format"] for line in LINES} == set(formats)


@pytest.mark.parametrize("name", list(yaml.safe_load(PROFILES["quick"].read_text())["schedules"]))
def test_a_schedule_is_built_for_every_line_of_schedules(bench: Path, name: str) -> None:
    make: Schedule = instantiate(config("train", f"models.espcn.schedule={name}").schedule)
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0)
    assert make(optimizer).optimizer is optimizer


def test_the_trainer_is_completed_by_its_caller(bench: Path, tmp_path: Path) -> None:
    make = instantiate(config("train", "model=espcn", "models.espcn.max_epochs=7").trainer.lightning)
    trainer = make(callbacks=[], default_root_dir=tmp_path, logger=False, enable_progress_bar=False)
    assert isinstance(trainer, pl.Trainer)
    assert trainer.max_epochs == 7
