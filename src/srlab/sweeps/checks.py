"""What can be said against a sweep before anything is trained."""

import copy
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import FloatDistribution

from srlab.errors import SrlabError
from srlab.stage import flat
from srlab.sweeps.space import Parameter, Value, Values, override_text
from srlab.training.resume import OF_THE_MACHINE

Compose = Callable[[list[str]], DictConfig]  # overrides -> config of a training
# Keys of the config that a training reads.
TRAINING = ("model", "data", "schedule", "recipe", "trainer", "seed", "num_threads", "kernels")
ALLOWED_THOUGH_UPSTREAM = {"seed"}  # a training draws from it, whatever the data drew


def composed(compose: Compose, words: list[str]) -> DictConfig:
    """The config, or in one line why there is none. SrlabError for a key or a group that does not exist."""
    try:
        return compose(words)
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise SrlabError(f"{' '.join(words)}: {' '.join(lines[:1])}") from error


def upstream(dvc_yaml: Path) -> dict[str, list[str]]:
    """Keys of params.yaml that the data are made of -> the stages which read them.

    Those are the stages that write images or pairs; compare_sets says no more than yes or no to them. A key may end in
    what DVC fills in, as in "datasets.${key}.role": its beginning counts.
    """
    found: dict[str, list[str]] = {}
    for name, stage in yaml.safe_load(dvc_yaml.read_text(encoding="utf-8"))["stages"].items():
        body = stage.get("do", stage)
        outs = [out for out in body.get("outs", []) if isinstance(out, str)]
        if any(out.startswith(("data/images/", "data/pairs/")) for out in outs):
            for key in (one for one in body.get("params", []) if isinstance(one, str)):
                found.setdefault(key, []).append(name)
    return found


def refuse_upstream(keys: dict[str, str], dvc_yaml: Path) -> None:
    """Refuse a key that the data depend on; `keys` are key -> text of its values.

    SrlabError names the stages, and the line that makes the data, too.
    """
    for pattern, stages in upstream(dvc_yaml).items():
        for key, text in keys.items():
            if key not in ALLOWED_THOUGH_UPSTREAM and _overlap(key.split("."), pattern.split(".")):
                values = text.removeprefix("choice(").removesuffix(")") if text.startswith("choice(") else text
                queue = "--queue " if "," in values or "(" in values else ""
                start = " and then: dvc queue start" if queue else ""
                raise SrlabError(
                    f"{key} is a setting of the data (stage {', '.join(stages)}), which a sweep does not make again: "
                    f"run dvc exp run {queue}-S '{key}={values.replace(', ', ',')}'{start}"
                )


def _overlap(key: list[str], pattern: list[str]) -> bool:
    """Whether one is the other or a part of it; what DVC fills in matches anything."""
    return all(a == b or b.startswith("${") for a, b in zip(key, pattern, strict=False))


def check_types(parameters: list[Parameter], now: DictConfig) -> None:
    """Refuse a key twice, and values of another type than those of `now`, the config without the parameters.

    None of them is a config group. SrlabError names the parameter.
    """
    keys = [one.key for one in parameters]
    if doubled := {key for key in keys if keys.count(key) > 1}:
        raise SrlabError(f"{', '.join(sorted(doubled))} is swept over twice")
    for one in parameters:
        _check_type(one, OmegaConf.select(now, one.key.lstrip("+")))


def _check_type(parameter: Parameter, now: Value | DictConfig) -> None:
    if isinstance(now, DictConfig):
        raise SrlabError(f"{parameter.key} is not a value but a part of the config: sweep over one of {', '.join(now)}")
    for value in parameter.examples:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (now is None or type(value) is type(now) or (isinstance(now, float) and is_number)):
            cure = f"; write int({parameter.text})" if isinstance(parameter.distribution, FloatDistribution) else ""
            raise SrlabError(
                f"sweep over {parameter.key}: {override_text(value)} is of type {type(value).__name__}, and its value "
                f"now, {override_text(now)}, of type {type(now).__name__}{cure}"
            )


def structures(groups: list[Parameter]) -> Iterable[Values]:
    """Every combination of the parameters that are config groups; one empty one where none is."""
    for values in product(*(one.examples for one in groups)):
        yield dict(zip([one.key for one in groups], values, strict=True))


def check_effects(parameters: list[Parameter], bases: list[DictConfig]) -> None:
    """Refuse parameters, none a config group, whose values change no training or choose something that does not exist.

    `bases` are, for each structure, the config with the first value of every parameter. SrlabError names the parameter.
    """
    for one in parameters:
        found = [[training_settings(_varied(base, one.key, value)) for base in bases] for value in one.examples]
        if len(found) > 1 and all(settings == found[0] for settings in found):
            models = ", ".join(dict.fromkeys(str(base.model.name) for base in bases))
            raise SrlabError(f"{one.key} changes nothing in the training of {models}: leave it out of the sweep")


def _varied(base: DictConfig, key: str, value: Value) -> DictConfig:
    """A copy of a config with another value; to compose it again takes ten times as long."""
    cfg = copy.deepcopy(base)
    OmegaConf.update(cfg, key.lstrip("+"), value)
    return cfg


def training_settings(cfg: DictConfig) -> dict[str, Any]:
    """The settings of a config that the result of a training depends on, by dotted key.

    SrlabError if a choice in it does not exist.
    """
    found: dict[str, Any] = {}
    try:
        for part in TRAINING:
            if isinstance(node := cfg[part], DictConfig):
                found |= {f"{part}.{key}": value for key, value in flat(node).items()}
            else:
                found[part] = node
    except OmegaConfBaseException as error:
        raise SrlabError(" ".join(line.strip() for line in str(error).splitlines()[:2])) from error
    return {key: value for key, value in found.items() if key.rpartition(".")[2] not in OF_THE_MACHINE}
