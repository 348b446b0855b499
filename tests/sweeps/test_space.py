"""A search space in Hydra's grammar becomes the distributions that it says, and values come back through it."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from srlab.errors import SrlabError
from srlab.sweeps.space import Parameter, describe, grid, override_text, overrides, parse, split


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("1e-3,3e-4", CategoricalDistribution([1e-3, 3e-4])),
        ("choice(cosine, 'a b')", CategoricalDistribution(["cosine", "a b"])),
        ("true,false,null", CategoricalDistribution([True, False, None])),
        ("range(8, 65, step=16)", IntDistribution(8, 56, step=16)),
        ("range(0, 1, 0.25)", FloatDistribution(0.0, 0.75, step=0.25)),
        ("tag(log, interval(1e-4, 1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("tag(log, int(interval(8, 64)))", IntDistribution(8, 64, log=True)),
    ],
)
def test_the_grammar_is_hydras(text: str, distribution: Any) -> None:
    (found, listed) = parse({"models.espcn.lr": text, "a": [1, "b c"]})
    assert listed.distribution == CategoricalDistribution([1, "b c"])
    assert found == Parameter("models.espcn.lr", text, distribution)
    constants, (same,) = split([f"models.espcn.lr={text}"])
    assert not constants
    assert same.distribution == distribution


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("interval(2, 1)", "it is empty, 2.0 is not below 1.0"),
        ("range(4, 4)", "it is empty, 4 is not below 4"),
        ("tag(log, interval(0, 1))", "`low > 0` must hold"),
        ("tag(lin, interval(0, 1))", "there is no tag lin, only log"),
        ("choice()", "empty choice is not legal"),
        ("choice(1, [2])", "[2] is no number"),
        ("choice(1, 1)", "is there twice"),
        ("glob(*)", "write choice(...), range(...) or interval(...)"),
        ("0.001", "0.001 is one value"),
        ("interval(a, b)", "sweep over models.espcn.lr: interval(a, b)"),
    ],
)
def test_what_leaves_nothing_to_choose_from_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(SrlabError) as error:
        parse({"models.espcn.lr": text})
    assert str(error.value).startswith("sweep over models.espcn.lr")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_grid_is_every_combination_in_order() -> None:
    parameters = parse({"a": "x,y", "b": "range(1, 4)"})
    assert [tuple(point.values()) for point in grid(parameters)] == [
        ("x", 1), ("x", 2), ("x", 3), ("y", 1), ("y", 2), ("y", 3),
    ]  # fmt: skip
    assert [point["c"] for point in grid(parse({"c": "range(0, 1, 0.1)"}))] == pytest.approx(
        [i / 10 for i in range(10)]
    )


@pytest.mark.parametrize("text", ["interval(0, 1)", "tag(log, int(interval(1, 100)))", "range(0, 2000)"])
def test_a_grid_has_an_end(text: str) -> None:
    with pytest.raises(SrlabError, match="sampler"):
        grid(parse({"a": text}))


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()))
def test_hydra_reads_back_every_value(value: Any) -> None:
    text = override_text(value)
    if isinstance(value, str) and any(ord(letter) < 32 for letter in value):
        return  # a command line has no line breaks
    read = OverridesParser.create().parse_override(f"key={text}").value()
    found = read.text if isinstance(read, QuotedString) else read
    assert found == value
    assert type(found) is type(value)


def test_words_with_one_value_stay_as_they_are() -> None:
    constants, (swept,) = split(["model=espcn", "+a.b='x, y'", "seed=1,2", "sweep=tiny"])
    assert constants == ["model=espcn", "+a.b='x, y'", "sweep=tiny"]
    assert swept.key == "seed"


def test_a_line_of_progress_is_short() -> None:
    values = {"models.espcn.lr": 0.00123456, "models.espcn.batch_size": 8, "model": "espcn"}
    assert describe(values) == "lr=0.001235 batch_size=8 model=espcn"
    assert overrides({"a.b": 0.5, "c": "9-1-5"}) == ["a.b=0.5", "c='9-1-5'"]
