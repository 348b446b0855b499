"""What a sweep tries, in Hydra's override grammar, as `models.espcn.lr=tag(log, interval(1e-4, 1e-2))`.

choice(4, 8, 16), or plainly 4,8,16      one of these
range(1, 9), range(8, 65, step=8)        whole numbers, without the end; with a fraction among them, steps of that
interval(0.1, 0.9)                       any number between
int(interval(8, 64))                     any whole number between, with both ends
tag(log, interval(1e-4, 1e-2))           any number between, evenly over the orders of magnitude
"""

import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, Quote, QuotedString, RangeSweep
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from srlab.errors import SrlabError

Value = str | int | float | bool | None
Values = dict[str, Value]  # of each key of a space
PLAIN = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)  # a string that Hydra needs no quotes for
TRIED_OF_A_RANGE = 1000  # points above which a grid is taken for a mistake


@dataclass(frozen=True)
class Parameter:
    """One key of a search space."""

    key: str  # of the config, as "models.espcn.lr"; or a config group, as "model"
    text: str  # how the user wrote what is tried
    distribution: BaseDistribution  # the same for Optuna

    @property
    def examples(self) -> list[Value]:
        """All choices, or both ends."""
        if isinstance(self.distribution, CategoricalDistribution):
            return list(self.distribution.choices)
        return list(dict.fromkeys([self.distribution.low, self.distribution.high]))  # type: ignore[attr-defined]

    def points(self) -> list[Value]:
        """All values, for a grid. SrlabError if there is no end of them."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return list(choices)
            case IntDistribution(low=low, high=high, step=step, log=False):
                return list(range(low, high + 1, step))
            case FloatDistribution(low=low, high=high, step=float(step)):
                return [low + index * step for index in range(math.floor((high - low) / step + 1e-9) + 1)]
        raise SrlabError(
            f"{self.key}={self.text} has no end of values, and a grid tries all: write choice(...) or range(...), "
            "or take another sampler, as sweep/sampler=tpe"
        )


def parse(words: Mapping[str, Any]) -> list[Parameter]:
    """The parameters that the `space` of a sweep names: key to text, or to a list of choices.

    SrlabError if a text is not in the grammar, or leaves nothing to choose from.
    """
    parser = OverridesParser.create()
    found = []
    for key, word in words.items():
        text = f"choice({', '.join(override_text(one) for one in word)})" if isinstance(word, list) else str(word)
        try:
            override = parser.parse_override(f"{key}={text}")
        except HydraException as error:
            raise SrlabError(f"sweep over {key}: {text} is none of choice, range, interval: {_first(error)}") from error
        if not override.is_sweep_override():
            raise SrlabError(f"sweep over {key}: {text} is one value; write choice(...), range(...) or interval(...)")
        found.append(parameter(override))
    return found


def parameter(override: Override) -> Parameter:
    """The parameter of an override with a sweep in it.

    SrlabError if it leaves nothing to choose from, or sweeps what is no scalar.
    """
    key, text = override.get_key_element(), str(override.input_line).partition("=")[2]
    sweep = override.value()
    try:
        match sweep:
            case ChoiceSweep():
                distribution: BaseDistribution = _choices(key, sweep.list)
            case RangeSweep():
                distribution = _range(sweep)
            case IntervalSweep(start=low, end=high, tags=tags):
                is_int = isinstance(low, int) and isinstance(high, int)
                make = IntDistribution if is_int else FloatDistribution
                if low is None or high is None or low >= high:
                    raise ValueError(f"it is empty, {low} is not below {high}")
                distribution = make(low, high, log="log" in tags)  # type: ignore[arg-type]
                if unknown := set(tags) - {"log"}:
                    raise ValueError(f"there is no tag {', '.join(sorted(unknown))}, only log")
            case _:
                raise ValueError("write choice(...), range(...) or interval(...)")
    except ValueError as error:
        raise SrlabError(f"sweep over {key}: {text}: {_first(error)}") from error
    return Parameter(key, text, distribution)


def grid(parameters: list[Parameter]) -> list[Values]:
    """Every combination, the last parameter changing fastest.

    SrlabError if there is no end of them, or there are more than anybody would want.
    """
    points = [one.points() for one in parameters]
    if (number := math.prod(len(values) for values in points)) > TRIED_OF_A_RANGE:
        raise SrlabError(
            f"a grid of {number} points: take another sampler, as sweep/sampler=random sweep.num_trials=50"
        )
    keys = [one.key for one in parameters]
    return [dict(zip(keys, values, strict=True)) for values in itertools.product(*points)]


def override_text(value: Any) -> str:
    """A value in Hydra's grammar, which reads the same value from it."""
    if isinstance(value, str):
        if PLAIN.fullmatch(value) and value.lower() not in ("null", "true", "false", "nan", "inf"):
            return value
        return QuotedString(value, Quote.single).with_quotes()
    return json.dumps(value)


def overrides(values: Mapping[str, Value]) -> list[str]:
    """As words of a command line."""
    return [f"{key}={override_text(value)}" for key, value in values.items()]


def split(words: list[str]) -> tuple[list[str], list[Parameter]]:
    """Overrides of a command line without a sweep in them, and the parameters that the others are.

    SrlabError as in `parameter`.
    """
    constants, parameters = [], []
    try:
        parsed = OverridesParser.create().parse_overrides(words)
    except HydraException as error:
        raise SrlabError(_first(error)) from error
    for override in parsed:
        if override.is_sweep_override():
            parameters.append(parameter(override))
        else:
            constants.append(str(override.input_line))
    return constants, parameters


def _choices(key: str, values: list[Any]) -> CategoricalDistribution:
    found: list[Value] = []
    for value in values:
        plain = value.text if isinstance(value, QuotedString) else value
        if not isinstance(plain, str | int | float | bool | None):
            raise ValueError(f"{value} is no number, string, true, false or null")
        found.append(plain)
    if not found:
        raise ValueError("it is empty")
    if len({(type(value), value) for value in found}) < len(found):
        raise ValueError("a choice is there twice")
    return CategoricalDistribution(found)


def _range(sweep: RangeSweep) -> BaseDistribution:
    start, stop, step = sweep.start, sweep.stop, sweep.step
    if start is None or stop is None or step <= 0 or start >= stop:
        raise ValueError(f"it is empty, {start} is not below {stop} by steps of {step}")
    values = sweep.range()
    if isinstance(values, range):
        return IntDistribution(values[0], values[-1], step=values.step)
    *_, last = values
    return FloatDistribution(start, last, step=step)


def _first(error: Exception) -> str:
    """Hydra says what is wrong in the first line, or why in the second, and then where its documentation is."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("See https")]
    return ": ".join(lines[:2]) or type(error).__name__


def describe(values: Mapping[str, Value]) -> str:
    """For a line of progress: lr=0.001 batch_size=8."""
    return " ".join(f"{key.rpartition('.')[2]}={_short(value)}" for key, value in values.items())


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else override_text(value)
