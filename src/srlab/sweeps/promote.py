"""Numbers that a sweep found, written into params.yaml: of the file, only the characters of their values change."""

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from srlab.errors import SrlabError
from srlab.files import replacing

PARAMS = Path("params.yaml")
SHORT = 1e-9  # below it a float is written with an exponent, for its zeros cannot be counted


def promote(overrides: Mapping[str, Any], file: Path = PARAMS) -> list[str]:
    """Write values at dotted keys ({"models.espcn.lr": 0.003}) into `file`; a line per key on what became of it.

    Comments, flow maps, alignment and quotes stay, because the text of a value is replaced and nothing is written anew:
    a round trip through ruamel.yaml breaks our long lines at 80 characters and turns `null` into nothing. The file is
    replaced whole or not at all.

    Raises:
        SrlabError: the file has no such value, the new one is of another kind, or it cannot be written in place.
    """
    text = file.read_bytes().decode()  # with the ends of its lines as they are
    there = dict(_scalars(yaml.compose(text, yaml.SafeLoader)))
    if missing := [key for key in overrides if key not in there]:
        raise SrlabError(f"{file} has no value {', '.join(missing)}: leave that out, or write it there by hand first")
    wanted = yaml.safe_load(text)
    edits, lines = [], []
    for key, value in overrides.items():
        inner, name = _place(wanted, key)
        old = _as_hydra_reads(there[key], inner[name])
        new = _of_the_kind(key, old, value, file)
        if old == new:
            lines.append(f"{key}: {_scalar_text(old)}, as before")
            continue
        inner[name] = new
        edits.append((there[key], new))
        lines.append(f"{key}: {_scalar_text(old)} -> {_scalar_text(new)}")
    for node, new in sorted(edits, key=lambda edit: edit[0].start_mark.index, reverse=True):  # the last first: an edit
        text = _edited(text, node, new)  # moves what comes after it
    if edits:
        if not _reads_as(text, wanted):
            raise SrlabError(
                f"{file} cannot be edited in place, it has an anchor, a block of text or a key twice: do it by hand"
            )
        with replacing(file) as temporary:
            temporary.write_bytes(text.encode())
    return lines


def _scalars(node: yaml.Node | None, path: str = "") -> Iterator[tuple[str, yaml.ScalarNode]]:
    """(dotted key, node) of each value of a map of maps."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, f"{path}.{key.value}" if path else key.value)
    elif isinstance(node, yaml.ScalarNode) and path:
        yield path, node


def _place(params: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The innermost map of `params` that a dotted key leads to, and its last word."""
    *outer, last = key.split(".")
    for name in outer:
        params = params[name]
    return params, last


def _as_hydra_reads(node: yaml.ScalarNode, value: Any) -> Any:
    """`value`, a number where somebody wrote 3e-4: to Hydra and DVC it is one, to PyYAML a word for want of a point."""
    is_number = isinstance(value, str) and not node.style and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value)
    return float(value) if is_number else value


def _of_the_kind(key: str, old: Any, value: Any, file: Path) -> Any:
    """`value` as the kind of scalar that stands there: a whole number may become a float, not the other way round."""
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise SrlabError(f"{key} cannot become {value} in {file}: promote a trial that came to an end")
    if isinstance(value, str) and not value.isprintable():
        raise SrlabError(f"{key} cannot become {value!r} in {file}: it holds characters that are none of a word")
    if type(value) is not type(old) and not (old is None and isinstance(value, str | int | float)):
        raise SrlabError(f"{key} is {_scalar_text(old)} in {file} and cannot become {value!r}: it is of another kind")
    return value


def _edited(text: str, node: yaml.ScalarNode, value: Any) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    quote = node.style if isinstance(value, str) and node.style in ("'", '"') and not {*'"\\'} & {*value} else ""
    new = f"{quote}{value}{quote}" if quote and "'" not in value else _scalar_text(value)
    gap = " " if start == end else ""  # of `kernel:` with nothing behind it
    return text[:start] + gap + new + text[end:]


def _scalar_text(value: str | int | float | bool | None) -> str:
    """A scalar as YAML 1.1 (PyYAML: Hydra) and YAML 1.2 (ruamel.yaml: DVC) both read it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return _float_text(value)
        case str():
            return value if _is_plain(value) else "'" + value.replace("'", "''") + "'"
    return str(value)


def _float_text(value: float) -> str:
    """A finite float, which YAML 1.1 takes for one only if it has a point and, in an exponent, a sign: 1.0e-12."""
    text = repr(value)
    if "e" not in text:
        return text
    if SHORT <= abs(value) < 1:
        return format(Decimal(text), "f")
    mantissa, exponent = text.split("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{int(exponent):+03d}"


def _is_plain(word: str) -> bool:
    """Whether a word needs no quotes: it begins like none of YAML's signs and numbers, and is no date or truth."""
    return (
        re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*|\d+(-\d+)+", word, re.ASCII) is not None
        and yaml.safe_load(word) == word
    )


def _reads_as(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return yaml.safe_load(text) == wanted
    except yaml.YAMLError:
        return False
