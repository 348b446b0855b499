"""What params.yaml may hold: names, cross-references, types and ranges, checked before anything is computed.

A line names its kind, a file of conf/model; which settings the kind has is read from that file. So a new network,
method or data set needs no edit here.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from srlab.errors import SrlabError
from srlab.kinds import (
    OPTIONAL,
    content_of,
    kinds,
    names_in,
    settings_asked,
    settings_of_formats,
    settings_of_optimizer,
    settings_of_optimizers,
)

PARAMS = "params.yaml"
NAME = re.compile(
    r"[A-Za-z][A-Za-z0-9_-]{0,63}"
)  # goes into file names, Hydra's and DVC's command lines, MLflow's metrics
PLAIN = {"seed", "num_threads", "kernels", "run_on", "scale"}
MAPS = {"datasets", "augment", "degrade", "frames", "recipes", "losses", "schedules", "evaluate", "report"}
FAMILIES = {"classical": "method", "examples": "method", "models": "net", "gans": "method", "pretrained": "method"}
KNOWN_SCALES = {2, 3, 4, 8}  # of evaluation/known_scores.csv
DATASET = {"role", "source", "selection", "num_images", "num_val"}
# Settings by their last key: type, lowest, highest (None: no limit). What is not here is a word or checked by its user.
WHOLE, REAL, FLAG = "a whole number", "a number", "true or false"
RANGES: dict[str, tuple[str, float | None, float | None]] = {
    "seed": (WHOLE, 0, 2**32 - 1),
    "num_threads": (WHOLE, 0, 256),
    "scale": (WHOLE, 2, 8),
    "num_images": (WHOLE, 1, None),
    "num_candidates": (WHOLE, 1, None),
    "num_val": (WHOLE, 0, None),
    "operations": (WHOLE, 1, 8),
    "iterations": (WHOLE, 1, None),
    "max_epochs": (WHOLE, 1, None),
    "patience": (WHOLE, 1, None),
    "batch_size": (WHOLE, 1, None),
    "patch_size": (WHOLE, 1, None),
    "patches_per_epoch": (WHOLE, 1, None),
    "num_layers": (WHOLE, 1, None),
    "num_features": (WHOLE, 1, None),
    "num_blocks": (WHOLE, 1, None),
    "num_recursions": (WHOLE, 1, None),
    "base_features": (WHOLE, 1, None),
    "atoms": (WHOLE, 1, None),
    "sparsity": (WHOLE, 1, None),
    "signals": (WHOLE, 1, None),
    "neighbours": (WHOLE, 1, None),
    "warmup": (WHOLE, 0, None),
    "accumulate": (WHOLE, 1, None),
    "epochs": (WHOLE, 1, None),
    "num_samples": (WHOLE, 0, None),
    "crop_size": (WHOLE, 1, None),
    "num": (WHOLE, 1, None),
    "lr": (REAL, 1e-12, None),
    "discriminator_lr": (REAL, 1e-12, None),
    "final_lr": (REAL, 0, None),
    "momentum": (REAL, 0, 1),
    "weight_decay": (REAL, 0, None),
    "clip": (REAL, 0, None),
    "clip_norm": (REAL, 0, None),
    "ema": (REAL, 0, 1),
    "factor": (REAL, 1e-6, 0.999999),
    "adversarial_weight": (REAL, 0, None),
    "label_smoothing": (REAL, 0, 1),
    "r1": (REAL, 0, None),
    "translation": (WHOLE, 0, None),
    "flat_patches": (WHOLE, 0, None),
    "alpha": (REAL, 0, 1),
    "noise": (REAL, 0, None),
    "sigma": (REAL, 0, None),
    "icnr": (FLAG, None, None),
}
NULLABLE = {"num_images", "num_candidates", "label"}


def check_file() -> None:
    """`check` the params.yaml of the current folder; SrlabError also where it is missing, or no YAML."""
    from srlab.start import ROOT

    file = Path(PARAMS)
    if not file.is_file():
        raise SrlabError(f"no {PARAMS} in {Path.cwd()}: start from the folder of srlab's dvc.yaml")
    try:
        params = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SrlabError(f"{PARAMS} is no YAML ({' '.join(str(error).split())}): correct that place") from error
    if not isinstance(params, dict):
        raise SrlabError(f"{PARAMS} is no map of settings: put it back (`git checkout {PARAMS}`)")
    check(params, ROOT / "conf")


def check(params: Mapping[str, Any], conf: Path) -> None:
    """SrlabError with a line for each problem of `params`, the content of params.yaml, given the folder conf/."""
    if found := list(problems(params, conf)):
        raise SrlabError("\n".join(found))


def settings_of(cfg: Any) -> dict[str, Any]:
    """What a composed config has of params.yaml, command-line overrides included."""
    from omegaconf import OmegaConf

    every = PLAIN | MAPS | FAMILIES.keys()
    return OmegaConf.to_container(OmegaConf.masked_copy(cfg, sorted(every & cfg.keys())), resolve=False)  # type: ignore[return-value]


def problems(params: Mapping[str, Any], conf: Path) -> Iterator[str]:
    """One line (key, what is wrong, cure) for each problem; none if everything fits together."""
    for line in _problems(params, conf):
        yield " ".join(line.split())  # a key or a value may hold anything


def _problems(params: Mapping[str, Any], conf: Path) -> Iterator[str]:
    missing = sorted((PLAIN | MAPS | FAMILIES.keys()) - params.keys())
    if missing:
        yield f"{PARAMS} has no {', '.join(missing)}: put it back (`git diff {PARAMS}` shows it)"
        return
    if odd := sorted(key for key in MAPS | FAMILIES.keys() if not isinstance(params[key], Mapping)):
        yield f"{odd[0]} is {params[odd[0]]!r}, which DVC refuses: an empty map is written `{odd[0]}: {{}}`"
        return
    if unknown := sorted(map(str, params.keys() - PLAIN - MAPS - FAMILIES.keys())):
        yield f"{PARAMS} has {', '.join(unknown)}, which nothing reads: take it out, or correct its name"
    for families in (("classical",), ("examples", "models", "gans")):  # the report reads what they write
        if not any(params[family] for family in families):
            yield f"{' and '.join(families)} have no line: keep one, since the report compares with it"
    yield from _names(params)
    yield from _datasets(params, conf)
    yield from _methods(params, conf)
    yield from _references(params, conf)
    yield from _scale(params)
    yield from _values({key: value for key, value in params.items() if key != "degrade"}, "")


def _names(params: Mapping[str, Any]) -> Iterator[str]:
    owners: dict[str, str] = {}
    for family in ("datasets", *FAMILIES):
        for name, line in params[family].items():
            if not isinstance(name, str) or not NAME.fullmatch(name):
                yield f"{family}.{name}: a name has letters, digits, _ and -, and begins with a letter: rename the line"
            elif not isinstance(line, Mapping):
                yield f"{family}.{name} is {line!r}: a line is a map, as in `{name}: {{...}}`"
            elif family != "datasets" and owners.setdefault(name.casefold(), family) != family:
                yield f"{family}.{name}: {owners[name.casefold()]} has a line of that name: rename one of them"
        folded = [str(name).casefold() for name in params[family]]
        for name in sorted({name for name in folded if folded.count(name) > 1}):
            yield f"{family}.{name}: two lines differ by upper and lower case alone: rename one of them"


def _datasets(params: Mapping[str, Any], conf: Path) -> Iterator[str]:
    lines = _lines(params, "datasets")
    for name, line in lines.items():
        where = f"datasets.{name}"
        if lacking := sorted(DATASET - line.keys()):
            yield f"{where} has no {', '.join(lacking)}: add it; a data set has {', '.join(sorted(DATASET))}"
            continue
        yield from _word(f"{where}.role", line["role"], ["test", "train"])
        yield from _word(f"{where}.source", line["source"], names_in(conf / "dataset"))
        yield from _word(f"{where}.selection", line["selection"], names_in(conf / "selection"))
        asked = {
            *settings_asked(conf / f"dataset/{line['source']}.yaml", r"\$\{datasets\.\$\{name\}\.(\w+)\}"),
            *settings_asked(conf / f"selection/{line['selection']}.yaml", r"\$\{datasets\.\$\{name\}\.(\w+)\}"),
        }
        if lacking := sorted(asked - line.keys()):
            yield f"{where} has no {', '.join(lacking)}, which its source or its selection reads: add it"
        if unknown := sorted(map(str, line.keys() - DATASET - asked - {"allow_leaks"})):
            yield f"{where} has {', '.join(unknown)}, which nothing reads: take it out, or correct its name"
        if line["role"] == "test" and line["num_val"] != 0:
            yield f"{where}.num_val is {line['num_val']}: a test set keeps no validation images, write 0"
    if not any(line.get("role") == "test" for line in lines.values()):
        yield "datasets has no line of the role test: add one, since every method is scored on it"


def _methods(params: Mapping[str, Any], conf: Path) -> Iterator[str]:
    for family, kind_key in FAMILIES.items():
        known = kinds(conf, family)
        for name, line in _lines(params, family).items():
            where = f"{family}.{name}"
            if kind_key not in line:
                yield f"{where} has no {kind_key}, which names its kind: add `{kind_key}: ` one of {', '.join(known)}"
                continue
            kind = line[kind_key]
            if wrong := list(_word(f"{where}.{kind_key}", kind, list(known))):
                yield from wrong
                continue
            needed = (
                known[kind] - settings_of_formats(conf, kind)
                | settings_of_formats(conf, kind, line.get("format"))
                | {kind_key}
            )
            needed |= settings_of_optimizer(conf, line) if family in ("models", "gans") else set()
            needed |= {"train_on"} if family in ("models", "gans", "examples") else set()
            needed |= {"net", "generator"} if family == "gans" or kind == "interpolated" else set()
            needed |= {"weights"} if family == "pretrained" else set()
            if lacking := sorted(needed - line.keys()):
                yield f"{where} has no {', '.join(lacking)}, which {kind} reads: add it"
            allowed = needed | OPTIONAL | settings_of_optimizers(conf)
            if unknown := sorted(map(str, line.keys() - allowed)):
                yield f"{where} has {', '.join(unknown)}, which {kind} does not read: take it out, or correct its name"


def _references(params: Mapping[str, Any], conf: Path) -> Iterator[str]:
    sets, train = _lines(params, "datasets"), content_of(conf / "train.yaml")
    train_sets = [name for name, line in sets.items() if line.get("role") == "train"]
    choices = {
        "train_on": train_sets,
        "schedule": params["schedules"],
        "recipe": params["recipes"],
        "optimizer": train["optimizer_makers"],
        "loss": train["loss_makers"],
        "content": content_of(conf / "base/content.yaml"),
    }
    for family in ("examples", "models", "gans"):
        for name, line in _lines(params, family).items():
            for key in (key for key in choices if key in line):
                yield from _word(f"{family}.{name}.{key}", line[key], choices[key])
    yield from _generators(params)
    report, degrade = params["report"], params["degrade"]
    yield from _word("report.protocol", report.get("protocol"), names_in(conf / "base/protocol"))
    yield from _word("report.figure_set", report.get("figure_set"), [None, *(sets.keys() - set(train_sets))])
    yield from _word("degrade.kind", degrade.get("kind"), names_in(conf / "degradation"))
    yield from _word("run_on", params["run_on"], names_in(conf / "trainer"))
    yield from _word("kernels", params["kernels"], ["native", "portable"])


def _generators(params: Mapping[str, Any]) -> Iterator[str]:
    """What a GAN starts from, and what an interpolation lies between."""
    models, gans = _lines(params, "models"), _lines(params, "gans")
    interpolated = {k: v for k, v in _lines(params, "pretrained").items() if v.get("method") == "interpolated"}
    for family, lines in (("gans", gans), ("pretrained", interpolated)):
        for name, line in lines.items():
            if wrong := list(_word(f"{family}.{name}.generator", line.get("generator"), models)):
                yield from wrong
            else:
                kind = models[line["generator"]].get("net")
                yield from _word(f"{family}.{name}.net", line.get("net"), [kind])
    for name, line in interpolated.items():
        if wrong := list(_word(f"pretrained.{name}.gan", line.get("gan"), gans)):
            yield from wrong
        else:
            began = gans[line["gan"]].get("generator")
            yield from _word(f"pretrained.{name}.generator", line.get("generator"), [began])


def _scale(params: Mapping[str, Any]) -> Iterator[str]:
    """Whether the metrics can be checked at this scale, and patches cut."""
    scale = params["scale"]
    if any(_value("scale", scale, *RANGES["scale"])):
        return  # which `_values` says
    if scale not in KNOWN_SCALES:
        yield f"scale is {scale}, at which no figure is known to check the metrics with: use 2, 3, 4 or 8"
    for family in ("models", "gans"):
        for name, line in _lines(params, family).items():
            size = line.get("patch_size")
            if isinstance(size, int) and size % scale:
                yield f"{family}.{name}.patch_size is {size}: use a multiple of the scale, {scale}"


def _values(node: Any, path: str) -> Iterator[str]:
    for key, value in node.items():
        where = f"{path}.{key}".lstrip(".")
        if isinstance(value, Mapping):
            yield from _values(value, where)
        elif key in RANGES and not (value is None and key in NULLABLE):
            yield from _value(where, value, *RANGES[key])


def _value(where: str, value: Any, kind: str, lowest: float | None, highest: float | None) -> Iterator[str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    fits = {FLAG: isinstance(value, bool), WHOLE: is_number and isinstance(value, int), REAL: is_number}[kind]
    if not fits:
        yield f"{where} is {value!r}: write {kind}"
    elif kind != FLAG and not ((lowest is None or value >= lowest) and (highest is None or value <= highest)):
        limits = f"at least {lowest:g}" if highest is None else f"from {lowest:g} to {highest:g}"
        yield f"{where} is {value}: use {kind} {limits}"


def _word(where: str, value: Any, choices: Any) -> Iterator[str]:
    if not isinstance(value, str | None) or value not in set(choices):
        yield f"{where} is {value!r}: choose one of {', '.join(sorted(map(str, choices))) or 'none, there is none'}"


def _lines(params: Mapping[str, Any], family: str) -> dict[str, Mapping[str, Any]]:
    return {str(name): line for name, line in params[family].items() if isinstance(line, Mapping)}
