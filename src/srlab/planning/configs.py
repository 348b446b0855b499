"""The trainings of a profile, as conf/train.yaml composes them with the profile's settings or those of params.yaml."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from srlab.errors import SrlabError
from srlab.planning.probed import Training
from srlab.stage import ROOT

CONF, PARAMS = ROOT / "conf", Path("params.yaml")


def configs(profile: str | None, only: Sequence[str], overrides: Sequence[str]) -> tuple[str, dict[str, DictConfig]]:
    """Which of conf/trainer (`run_on`, unless an override is `trainer=...`), and conf/train.yaml for each network."""
    params_file = _params_file(profile)
    with TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        shutil.copy(params_file, Path(folder) / PARAMS.name)

        def composed(*more: str) -> DictConfig:
            try:
                return compose("train", [*more, *overrides, f"hydra.searchpath=[file://{folder}]"])
            except HydraException as error:
                raise SrlabError(str(error).splitlines()[0]) from error

        params = composed()
        known = [*params.models, *params.gans]
        unknown = [name for name in only if name not in known]
        if unknown:
            raise SrlabError(f"there is no network {', '.join(unknown)} here: choose of {', '.join(known)}")
        chosen = [override.removeprefix("trainer=") for override in overrides if override.startswith("trainer=")]
        trainer = chosen[-1] if chosen else params.run_on
        own = [] if chosen else [f"trainer={trainer}"]
        return trainer, {name: composed(f"model={name}", *own) for name in known if not only or name in only}


def _params_file(profile: str | None) -> Path:
    if profile is None:
        if not PARAMS.exists():
            raise SrlabError(f"no {PARAMS} in {Path.cwd()}: name a profile, or go to the folder of srlab's dvc.yaml")
        return PARAMS
    known = {path.stem: path for path in sorted((CONF / "profile").glob("*.yaml"))}
    if profile not in known:
        raise SrlabError(f"there is no profile {profile}: choose one of {', '.join(known)}")
    return known[profile]


def training_of(cfg: DictConfig, num_steps: int) -> Training:
    """What a probe has to know of a composed conf/train.yaml; SrlabError if an interpolation leads nowhere."""
    return Training(
        name=cfg.model.name,
        seed=cfg.seed,
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
