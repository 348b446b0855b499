"""`python -m srlab.profile NAME`: make params.yaml that of a profile.

`quick` is the params.yaml that is committed; every other profile, conf/profile/NAME.yaml, holds what it changes of it:
`*` stands for every line of a map, lines that are null are taken out, and a setting that no line has is passed over.
"""

import io
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from srlab.errors import SrlabError
from srlab.files import replacing

PROFILES, PARAMS, QUICK = Path("conf/profile"), Path("params.yaml"), "quick"
SHORT = 1e-9  # a smaller float is written with an exponent, for its zeros cannot be counted


def choose(name: str) -> None:
    """Make profile `name` the params.yaml, and take away outputs of data sets that it does not have.

    DVC's cache keeps what is taken away, so coming back to a profile is a check-out.

    Raises:
        SrlabError: no such profile, or params.yaml holds settings of your own, which would be lost.
    """
    files = {path.stem: path for path in sorted(PROFILES.glob("*.yaml"))}
    if name not in (QUICK, *files):
        raise SrlabError(f"there is no profile {name}: choose one of {', '.join((QUICK, *files))}")
    base = committed(Path())
    texts = {QUICK: base} | {known: changed(base, path.read_text(encoding="utf-8")) for known, path in files.items()}
    if PARAMS.exists() and PARAMS.read_text(encoding="utf-8") not in texts.values():
        raise SrlabError(
            f"{PARAMS} holds settings of your own, which profile {name} would overwrite: commit them (`git commit "
            f"{PARAMS}` makes them the profile {QUICK}) or put them back (`git checkout {PARAMS}`), and run this again"
        )
    with replacing(PARAMS) as temporary:
        temporary.write_text(texts[name], encoding="utf-8")
    _forget_other_sets(yaml.safe_load(texts[name])["datasets"])


def changed(base: str, profile: str) -> str:
    """The text of params.yaml `base` with the changes of `profile`; comments and the order of lines stay."""
    return edited(base, _round_trip().load(profile))


def edited(base: str, changes: dict[str, Any]) -> str:
    """The text of params.yaml `base` with `changes`, as a profile holds them; comments and the order of lines stay."""
    params, target = _round_trip().load(base), io.StringIO()
    _change(params, changes)
    _round_trip().dump(params, target)
    return target.getvalue()


def _round_trip() -> Any:
    """Keeps a file as it is; YAML 1.1 (PyYAML: Hydra) and 1.2 (ruamel.yaml: DVC) read the same in what it writes."""
    from ruamel.yaml import YAML  # a tenth of a second
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        """`add_representer` changes a class, and DVC, perhaps in this process, writes with the other one."""

    null, number = "tag:yaml.org,2002:null", "tag:yaml.org,2002:float"
    Representer.add_representer(type(None), lambda to, _: to.represent_scalar(null, "null"))  # else nothing at all
    Representer.add_representer(float, lambda to, value: to.represent_scalar(number, _digits(value)))
    both = YAML()
    both.Representer, both.width, both.preserve_quotes = Representer, 10**6, True  # no line is wrapped
    return both


def _digits(value: float) -> str:
    """YAML 1.1 wants a point in a float and, in an exponent, a sign: 1.0e-12."""
    text = format(Decimal(repr(value)), "f") if SHORT <= abs(value) < 1 else repr(value)
    return text if "." in text else text.replace("e", ".0e")


def _change(node: Any, changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if key == "*" and value is None:
            node.clear()
            node.fa.set_flow_style()  # `{}` beside the key
        elif key == "*":
            for line in node.values():
                _change(line, {name: one for name, one in value.items() if name in line})
        elif value is None and isinstance(node.get(key), dict):
            del node[key]
        elif isinstance(value, dict) and isinstance(node.get(key), dict):
            _change(node[key], value)
        else:
            node[key] = value


def committed(root: Path) -> str:
    """The text of the params.yaml in `root` that Git has; SrlabError if it has none."""
    words = ["git", "-C", str(root), "show", f"HEAD:./{PARAMS}"]
    shown = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=False)
    if shown.returncode:
        raise SrlabError(f"Git gives no {PARAMS}: start from the folder of a clone of srlab ({shown.stderr.strip()})")
    return shown.stdout


def _forget_other_sets(datasets: dict[str, dict[str, str]]) -> None:
    wanted = {(entry["role"], name) for name, entry in datasets.items()}
    for path in Path("data").glob("*/*/*"):
        if path.parts[1] in ("images", "pairs") and path.parts[2:] not in wanted:
            shutil.rmtree(path)


if __name__ == "__main__":
    try:
        for argument in sys.argv[1:]:
            choose(argument)
    except SrlabError as error:
        sys.exit(f"error: {error}")
