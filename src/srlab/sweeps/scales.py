"""Axes for what a sweep varies and what it reaches: where a value stands between 0 and 1, and which ticks tell it."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

CLOSE = 0.07  # ticks nearer than this share of an axis to its end would cover the end's label
Tick = tuple[float, str]  # place between 0 and 1, label


@dataclass(frozen=True)
class Words:
    """Choices, evenly spaced in their order."""

    choices: tuple[Any, ...]

    def place(self, value: Any) -> float:
        return self.choices.index(value) / (len(self.choices) - 1) if len(self.choices) > 1 else 0.5

    def ticks(self) -> list[Tick]:
        return [(self.place(choice), str(choice)) for choice in self.choices]


@dataclass(frozen=True)
class Numbers:
    """The range from `low` to `high`; what lies outside stands at the end."""

    low: float
    high: float
    log: bool
    ends: bool = True  # whether the ends are ticks: of a range that somebody chose, not of what came out
    cut: tuple[bool, bool] = (False, False)  # whether there are values below, above

    def place(self, value: float) -> float:
        if self.low == self.high:
            return 0.5
        if self.log:  # a value that has no logarithm lies below every other
            low, high = math.log(self.low), math.log(self.high)
            share = (math.log(value) - low) / (high - low) if value > 0 else 0.0
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)

    def widened(self, values: Iterable[float]) -> "Numbers":
        """The range that holds `values`, too."""
        held = [self.low, self.high, *values]
        return replace(self, low=min(held), high=max(held))

    def ticks(self) -> list[Tick]:
        if self.low == self.high:
            return [(0.5, number_text(self.low))]
        below, above = self.cut
        ends = {0.0: (self.low, "≤ ", below), 1.0: (self.high, "≥ ", above)}
        outer = [
            (at, f"{sign}{value:.4g}" if beyond else number_text(value))
            for at, (value, sign, beyond) in ends.items()
            if self.ends or beyond
        ]
        inner = [(self.place(value), number_text(value)) for value in self._round_values()]
        kept = [tick for tick in inner if all(abs(tick[0] - at) > CLOSE for at, _ in outer)]
        return sorted(outer + kept)

    def _round_values(self) -> list[float]:
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            factors = (1,) if self.high / self.low >= 100 else (1, 2, 5)
            values = [factor * 10.0**decade for decade in decades for factor in factors]
        else:
            values = list(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high))
        return [value for value in values if self.low <= value <= self.high]


Scale = Words | Numbers


def of_parameter(distributions: Sequence[BaseDistribution]) -> Scale:
    """The axis of one parameter, from its distribution in each trial: a sweep that is resumed may widen it.

    Raises:
        TypeError: a distribution that Optuna does not have.
    """
    choices: dict[Any, None] = {}
    lows, highs, logs = [], [], []
    for distribution in distributions:
        match distribution:
            case CategoricalDistribution():
                choices |= dict.fromkeys(distribution.choices)
            case FloatDistribution() | IntDistribution():
                lows.append(float(distribution.low))
                highs.append(float(distribution.high))
                logs.append(distribution.log)
            case _:
                raise TypeError(f"no axis for {distribution}")
    return Words(tuple(choices)) if choices else Numbers(min(lows), max(highs), all(logs))


def of_objective(values: Iterable[float], larger_is_better: bool) -> Numbers:
    """The axis of an objective, in which the good values can be told apart; of no value, from 0 to 1.

    Logarithmic where the values span a factor of ten or more and none is far off. Otherwise values further from the
    worst quarter's limit than twice the distance between that and the best are cut off: one rate that diverges ends at
    8 dB, and on an axis down there 28.1 and 28.4 dB are one point. At most a quarter is cut.
    """
    held = np.array(sorted(values))
    if held.size == 0:
        return Numbers(0.0, 1.0, log=False, ends=False)
    if held[0] > 0 and held[-1] >= 10 * held[0] and _near(np.log(held), larger_is_better).all():
        return Numbers(float(held[0]), float(held[-1]), log=True, ends=False)
    near = held[_near(held, larger_is_better)]
    low, high = float(near[0]), float(near[-1])
    return Numbers(low, high, log=False, ends=False, cut=(bool(held[0] < low), bool(held[-1] > high)))


def _near(ordered: np.ndarray, larger_is_better: bool) -> np.ndarray:
    """Which values are not far worse than the others."""
    good = ordered if larger_is_better else -ordered
    limit = np.quantile(good, 0.25)
    return good >= limit - 2 * (good.max() - limit)


def number_text(value: float) -> str:
    """A number as one writes it in a field: 16, 0.05, 3e-4, 1.25e9."""
    if value == 0 or 1e-2 <= abs(value) < 1e5:
        return f"{value:.6g}"
    return re.sub(r"\.?0*e([+-])0*", lambda match: "e" + match[1].replace("+", ""), f"{value:.3e}")
