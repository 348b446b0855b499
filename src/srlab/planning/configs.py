"""The trainings of a profile, as conf/train.yaml composes them with the profile's settings or those of params.yaml."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from srlab.errors import SrlabError, one_line
from srlab.planning.probed import Training
from srlab.profile import QUICK, changed, committed
from srlab.start import ROOT

CONF, PARAMS = ROOT / "conf", Path("params.yaml")


def configs(profile: str | None, only: Sequence[str], overrides: Sequence[str]) -> tuple[str, dict[str, DictConfig]]:
    """Which of conf/trainer (`run_on`, unless an override is `trainer=...`), and conf/train.yaml for each network."""
    text = _params(profile)
    with TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        Path(folder, PARAMS.name).write_text(text, encoding="utf-8")

        def composed(*more: str) -> DictConfig:
            try:
                return compose("train", [*more, *overrides, f"hydra.searchpath=[file://{folder}]"])
            except HydraException as error:
                raise SrlabError(one_line(error)) from error

        params = composed()
        known = [*params.models, *params.gans]
        unknown = [name for name in only if name not in known]
        if unknown:
            raise SrlabError(f"there is no network {', '.join(unknown)} here: choose of {', '.join(known)}")
        chosen = [override.removeprefix("trainer=") for override in overrides if override.startswith("trainer=")]
        trainer = chosen[-1] if chosen else params.run_on
        own = [] if chosen else [f"trainer={trainer}"]
        return trainer, {name: composed(*entry(params, name), *own) for name in known if not only or name in only}


def entry(params: DictConfig, name: str) -> list[str]:
    """The overrides by which dvc.yaml composes conf/train.yaml for a line of `models` or `gans`."""
    if name in params.models:
        return [f"model={params.models[name].net}", f"model.name={name}"]
    line = params.gans[name]
    generator = [f"model@model.generator={line.net}", f"model.generator.name={line.generator}"]
    return [f"model={line.method}", f"model.name={name}", *generator]


def _params(profile: str | None) -> str:
    """The text of params.yaml, or what it is in a profile."""
    if profile is None:
        if not PARAMS.exists():
            raise SrlabError(f"no {PARAMS} in {Path.cwd()}: name a profile, or go to the folder of srlab's dvc.yaml")
        return PARAMS.read_text(encoding="utf-8")
    known = {path.stem: path for path in sorted((CONF / "profile").glob("*.yaml"))}
    if profile not in (QUICK, *known):
        raise SrlabError(f"there is no profile {profile}: choose one of {', '.join((QUICK, *known))}")
    base = committed(ROOT)
    return base if profile == QUICK else changed(base, known[profile].read_text(encoding="utf-8"))


def training_of(cfg: DictConfig, num_steps: int) -> Training:
    """What a probe has to know of a composed conf/train.yaml; SrlabError if an interpolation leads nowhere."""
    return Training(
        name=cfg.model.name,
        seed=cfg.model.seed,
        num_threads=cfg.num_threads,
        scale=cfg.data.scale,
        patience=cfg.model.settings.patience,
        data=_plain(cfg.data),
        module=_plain(cfg.model.module),
        trainer=_plain(cfg.trainer),
        num_steps=num_steps,
    )


def _plain(node: DictConfig) -> dict[str, Any]:
    try:
        plain: Any = OmegaConf.to_container(node, resolve=True)
    except OmegaConfBaseException as error:
        raise SrlabError(", ".join(line.strip() for line in str(error).splitlines()[:2])) from error
    return plain
