"""Times on a made-up machine, whose clocks run as the test says."""

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from srlab.evaluation import machine
from srlab.evaluation.machine import ENOUGH, PATIENCE, fastest


class Machine:
    """Work of known size on it takes `run` and `reference` seconds, each time times the next of `slowness`.

    What is beyond 1 the thread computes if `steady`, as where the clock goes down; else it waits, for other programs.
    """

    def __init__(self, run: float, reference: float, slowness: Iterator[float], steady: bool = False) -> None:
        self.seconds, self.slowness, self.steady = {"run": run, "reference": reference}, slowness, steady
        self.wall = self.cpu = 0.0
        self.num_runs = 0

    def work(self, name: str) -> None:
        slow = next(self.slowness)
        self.wall += self.seconds[name] * slow
        self.cpu += self.seconds[name] * (slow if self.steady else 1)
        self.num_runs += name == "run"

    def fastest(self) -> float | None:
        clocks = {"wall": lambda: self.wall, "cpu": lambda: self.cpu}
        return fastest(lambda: self.work("run"), lambda: self.work("reference"), **clocks)


@pytest.mark.parametrize(
    ("run", "slowness", "steady", "expected"),
    [
        (0.02, chain([5.0] * 4, repeat(1.0)), False, 0.02),  # the fastest
        (0.02, repeat(1.5), False, None),  # every run has to wait
        # warm-up, reference, run, reference: a long run that waits, or on a clock that slows down
        (2 * PATIENCE, iter([1.0, 1.0, 1.5, 1.5]), False, None),
        (2 * PATIENCE, iter([1.0, 1.0, 1.5, 1.5]), True, None),
        # work of known size hardly ever takes as long as before
        (0.02, chain([1.0] * 2, (1.3**power for power in range(1, 1000))), True, None),
        # a run of half the time beside a reference of double the time: that is not the same machine
        (0.02, chain([1.0, 2.0, 0.5, 2.0], repeat(1.0)), True, 0.02),
        # few quiet rounds among many are enough
        (0.02, chain.from_iterable(repeat([1.0] * 8 + [1.5] * 52)), False, 0.02),
    ],
)
def test_the_time_is_that_of_the_fastest_undisturbed_run(
    run: float, slowness: Iterator[float], steady: bool, expected: float | None
) -> None:
    found = Machine(run, 0.001, slowness, steady).fastest()
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_quiet_machine_is_asked_no_longer_than_is_enough() -> None:
    quiet = Machine(0.02, 0.001, repeat(1.0))
    quiet.fastest()
    assert quiet.wall < 2 * ENOUGH


def test_one_run_is_enough_of_what_takes_long() -> None:
    slow = Machine(2 * PATIENCE, 0.001, repeat(1.0))
    assert slow.fastest() == pytest.approx(2 * PATIENCE)
    assert slow.num_runs == 2  # the first warms up


@pytest.mark.parametrize(("load", "words"), [(0.2, ""), (3.25, "a load of 3.2 on 2 cores")])
def test_others_are_noticed_before_anything_begins(load: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    assert machine.others_at_work() == words
