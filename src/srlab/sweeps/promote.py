"""Values that a sweep found, written into params.yaml, whose comments and layout stay."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from srlab.errors import SrlabError
from srlab.files import replacing
from srlab.profile import edited
from srlab.stage import flat

PARAMS = Path("params.yaml")


def promote(overrides: Mapping[str, Any], file: Path = PARAMS) -> list[str]:
    """Write values at dotted keys ({"models.espcn.lr": 0.003}) into `file`, whole or not at all.

    Gives a line per key on what became of it. SrlabError if the file has no such value, the new one is of another kind,
    or the file is no YAML.
    """
    text = file.read_text(encoding="utf-8")
    try:
        content: Any = OmegaConf.create(text)  # 3e-4 is a number in it, as for Hydra, and a key twice an error
    except yaml.YAMLError as error:
        raise SrlabError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    there = flat(content)
    if missing := [key for key in overrides if key not in there]:
        raise SrlabError(f"{file} has no value {', '.join(missing)}: leave that out, or write it there by hand first")
    lines, changes = [], {}
    for key, value in overrides.items():
        old, new = there[key], _of_the_kind(key, there[key], value, file)
        if old != new:
            *outer, last = key.split(".")
            inner = changes
            for name in outer:
                inner = inner.setdefault(name, {})
            inner[last] = SingleQuotedScalarString(new) if isinstance(new, str) and _needs_quotes(new) else new
        lines.append(f"{key}: {_text(old)}, as before" if old == new else f"{key}: {_text(old)} -> {_text(new)}")
    written = edited(text, changes)
    with replacing(file) as temporary:
        temporary.write_text(written, encoding="utf-8")
    return lines


def _of_the_kind(key: str, old: Any, value: Any, file: Path) -> Any:
    """`value` as the kind of scalar that is there: an int may become a float, not the other way round.

    `srlab check` knows a kind only of some settings.
    """
    new = float(value) if (type(old), type(value)) == (float, int) else value
    if isinstance(new, float) and not math.isfinite(new):
        raise SrlabError(f"{key} cannot become {new} in {file}: promote a trial that is complete")
    if isinstance(new, str) and not new.isprintable():
        raise SrlabError(f"{key} cannot become {new!r} in {file}: it holds characters that cannot be printed")
    if type(new) is not type(old) and not (old is None and isinstance(new, bool | int | float | str)):
        raise SrlabError(f"{key} is {_text(old)} in {file} and cannot become {new!r}: it is of another kind")
    return new


def _needs_quotes(word: str) -> bool:
    """Whether YAML 1.1 would read something else, in a line of its own or within {}; ruamel.yaml asks YAML 1.2."""
    try:
        return yaml.safe_load(word) != word or yaml.safe_load(f"{{a: {word}, b: 1}}") != {"a": word, "b": 1}
    except yaml.YAMLError:
        return True


def _text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
