"""What is promoted changes in params.yaml, and nothing else does."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from srlab.errors import SrlabError
from srlab.sweeps.promote import promote

ROOT = Path(__file__).parents[2]
PARAMS = (ROOT / "params.yaml").read_text()
reading = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def flat(params: dict[str, Any], path: str = "") -> dict[str, Any]:
    """{dotted key: scalar}."""
    found = {}
    for name, value in params.items():
        found |= flat(value, f"{path}{name}.") if isinstance(value, dict) else {path + name: value}
    return found


def another(value: Any) -> Any:
    """A value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 3
        case None:
            return "blur.npy"
    return "plateau" if value == "cosine" else "cosine"


def written(folder: Path, text: str) -> Path:
    file = folder / "params.yaml"
    file.write_text(text)
    return file


def read_by_both(file: Path) -> dict[str, Any]:
    """Content as Hydra's reader (YAML 1.1) and DVC's (YAML 1.2) have it, types included."""
    one, other = yaml.safe_load(file.read_text()), YAML(typ="safe").load(file.read_text())
    assert {key: (type(value), value) for key, value in flat(one).items()} == {
        key: (type(value), value) for key, value in flat(other).items()
    }
    return one


def test_every_value_can_be_replaced_and_nothing_else_moves(tmp_path: Path) -> None:
    target, values = written(tmp_path, PARAMS), flat(yaml.safe_load(PARAMS))
    assert all(line.endswith(", as before") for line in promote(values, target))
    assert target.read_text() == PARAMS
    promote({key: another(value) for key, value in values.items()}, target)
    assert flat(read_by_both(target)) == {key: another(value) for key, value in values.items()}
    promote({key: value for key, value in values.items() if value is not None}, target)
    expected, found = (
        re.sub(r" +#", " #", one)  # spaces before a comment keep the columns
        for one in (PARAMS.replace(": null", ": blur.npy"), target.read_text())
    )
    assert found == expected


def test_it_says_what_becomes_of_each_value(tmp_path: Path) -> None:
    target = written(tmp_path, PARAMS)
    before = target.read_text().splitlines()
    assert promote({"models.espcn.lr": 0.003, "models.espcn.batch_size": 8}, target) == [
        "models.espcn.lr: 0.001 -> 0.003",
        "models.espcn.batch_size: 8, as before",
    ]
    (changed,) = set(target.read_text().splitlines()) - set(before)
    assert changed.replace("lr: 0.003", "lr: 0.001") in before


@example(1e20)
@example(1)
@given(st.floats(allow_nan=False, allow_infinity=False))
@reading
def test_floats_come_back(tmp_path: Path, value: float) -> None:
    """For both readers, types included: 1.0e+20, 1.0."""
    file = written(tmp_path, "m: {lr: 0.5, n: 3}\n")
    promote({"m.lr": value}, file)
    assert read_by_both(file) == {"m": {"lr": value, "n": 3}}


def test_a_number_written_with_an_exponent_is_one(tmp_path: Path) -> None:
    file = written(tmp_path, "a: 3e-4\nb: 3e-4\nc: '3e-4'\n")
    with pytest.raises(SrlabError, match="another kind"):
        promote({"c": 0.5}, file)
    assert promote({"a": 0.003, "b": 0.0003}, file) == ["a: 0.0003 -> 0.003", "b: 0.0003, as before"]
    assert file.read_text() == "a: 0.003\nb: 3e-4\nc: '3e-4'\n"


WORDS = st.one_of(
    st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=12).filter(str.isprintable),
    st.sampled_from(["yes", "null", "~", "3e-4", "1_000", "0o7", "0x1f", "2024-01-01", "...", "-", "", "a, b"]),
    st.from_regex(r"[-+.0-9eE_x:]{1,6}", fullmatch=True),
)


@example(":0", "{word: old, n: 1}")  # a word for YAML 1.1 on a line of its own, an error within braces
@given(WORDS, st.sampled_from(["{word: old, n: 1}", '{word: "old", n: 1}', "\n  word: old\n  n: 1"]))
@reading
def test_words_come_back(tmp_path: Path, word: str, form: str) -> None:
    file = written(tmp_path, f"m: {form}\n")
    promote({"m.word": word}, file)
    assert read_by_both(file) == {"m": {"word": word, "n": 1}}


def test_an_empty_value_is_filled(tmp_path: Path) -> None:
    file = written(tmp_path, "degrade:\n  kernel:    # a file\nseed: 1\n")  # `dvc exp run -S` leaves null so
    promote({"degrade.kernel": "9-5-5.npy"}, file)
    assert file.read_text() == "degrade:\n  kernel: 9-5-5.npy # a file\nseed: 1\n"


@pytest.mark.parametrize(("overrides", "named"), [
    ({"seed": 1, "model": "espcn", "hydra.job.num": 3}, "model, hydra.job.num"),
    ({"seed": 1, "models.espcn": "x"}, "models.espcn"),
    ({"seed": 1, "models.espcn.batch_size": 8.5}, "models.espcn.batch_size"),
    ({"seed": 1, "models.espcn.batch_size": True}, "models.espcn.batch_size"),
    ({"seed": 1, "models.espcn.lr": "3e-4"}, "models.espcn.lr"),
    ({"seed": 1, "models.espcn.lr": math.nan}, "models.espcn.lr"),
    ({"seed": 1, "models.espcn.schedule": None}, "models.espcn.schedule"),
    ({"seed": 1, "models.espcn.schedule": "co\nsine"}, "models.espcn.schedule"),
    ({"seed": 1, "models.espcn.lr": [0.1]}, "models.espcn.lr"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_by_name_before_anything_is_written(
    overrides: dict[str, Any], named: str, tmp_path: Path
) -> None:
    target = written(tmp_path, PARAMS)
    with pytest.raises(SrlabError, match=re.escape(named)):
        promote(overrides, target)
    assert target.read_text() == PARAMS


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match=r"params\.yaml cannot be read: .*duplicate key"):
        promote({"a": 2}, written(tmp_path, "a: 1\na: {b: 1}\n"))
