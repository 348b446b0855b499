"""Values that a sweep found, written into params.yaml, whose comments and layout stay."""

import io
import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from srlab.errors import SrlabError
from srlab.files import replacing

PARAMS = Path("params.yaml")
SHORT = 1e-9  # a smaller float is written with an exponent, for its zeros cannot be counted
KINDS = (bool, int, float, str)  # bool first: it is an int, too


class _Representer(RoundTripRepresenter):
    """Writes scalars so that YAML 1.1 (PyYAML: Hydra) and YAML 1.2 (ruamel.yaml: DVC) both read the same."""

    def represent_float(self, data: float) -> ScalarNode:
        """YAML 1.1 wants a point in a float and, in an exponent, a sign: 1.0e-12."""
        text = format(Decimal(repr(data)), "f") if SHORT <= abs(data) < 1 else repr(data)
        text = text if "." in text else text.replace("e", ".0e")
        return self.represent_scalar("tag:yaml.org,2002:float", text)

    def represent_none(self, data: None) -> ScalarNode:  # pyright: ignore[reportIncompatibleMethodOverride]
        """ruamel.yaml would write nothing at all."""
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(float, _Representer.represent_float)
_Representer.add_representer(type(None), _Representer.represent_none)


def promote(overrides: Mapping[str, Any], file: Path = PARAMS) -> list[str]:
    """Write values at dotted keys ({"models.espcn.lr": 0.003}) into `file`, whole or not at all.

    Gives a line per key on what became of it. SrlabError if the file has no such value, the new one is of another kind,
    or the file is no YAML.
    """
    writer = YAML()
    writer.Representer, writer.width, writer.preserve_quotes = _Representer, 10**6, True
    try:
        params = writer.load(file.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise SrlabError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    there = _scalars(params)
    if missing := [key for key in overrides if key not in there]:
        raise SrlabError(f"{file} has no value {', '.join(missing)}: leave that out, or write it there by hand first")
    lines = []
    for key, value in overrides.items():
        old, new = there[key], _of_the_kind(key, there[key], value, file)
        if old != new:
            *outer, last = key.split(".")
            inner = params
            for name in outer:
                inner = inner[name]
            inner[last] = SingleQuotedScalarString(new) if isinstance(new, str) and _needs_quotes(new) else new
        lines.append(f"{key}: {_text(old)}, as before" if old == new else f"{key}: {_text(old)} -> {_text(new)}")
    content = io.StringIO()
    writer.dump(params, content)
    with replacing(file) as temporary:
        temporary.write_text(content.getvalue(), encoding="utf-8")
    return lines


def _scalars(params: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """{dotted key: scalar}."""
    found = {}
    for name, value in params.items():
        found |= _scalars(value, f"{path}{name}.") if isinstance(value, Mapping) else {f"{path}{name}": value}
    return found


def _of_the_kind(key: str, old: Any, value: Any, file: Path) -> Any:
    """`value` as the kind of scalar that is there: an int may become a float, not the other way round."""
    kind, own = _kind(old), _kind(value)
    if kind is float and own is int:
        value, own = float(value), float
    if own is float and not math.isfinite(value):
        raise SrlabError(f"{key} cannot become {value} in {file}: promote a trial that is complete")
    if own is str and not value.isprintable():
        raise SrlabError(f"{key} cannot become {value!r} in {file}: it holds characters that cannot be printed")
    if (own is None and value is not old) or kind not in (own, None):
        raise SrlabError(f"{key} is {_text(old)} in {file} and cannot become {value!r}: it is of another kind")
    return value


def _kind(value: Any) -> type | None:
    """Also of ruamel.yaml's own classes, which derive from these."""
    return next((kind for kind in KINDS if isinstance(value, kind)), None)


def _needs_quotes(word: str) -> bool:
    """Whether YAML 1.1 would read something else, in a line of its own or within {}; ruamel.yaml asks YAML 1.2."""
    try:
        return yaml.safe_load(word) != word or yaml.safe_load(f"{{a: {word}, b: 1}}") != {"a": word, "b": 1}
    except yaml.YAMLError:
        return True


def _text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
