"""Times on a made-up machine, whose clocks run as the test says."""

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from srlab.evaluation import machine
from srlab.evaluation.machine import ENOUGH, PATIENCE, fastest


class Machine:
    """Work on it takes `run` seconds times the next of `slowness`; what is beyond 1 its thread waits."""

    def __init__(self, run: float, slowness: Iterator[float]) -> None:
        self.run, self.slowness = run, slowness
        self.wall = self.cpu = 0.0
        self.num_runs = 0

    def work(self) -> None:
        self.wall += self.run * next(self.slowness)
        self.cpu += self.run
        self.num_runs += 1

    def fastest(self) -> tuple[float, bool]:
        return fastest(self.work, wall=lambda: self.wall, cpu=lambda: self.cpu)


def test_the_time_is_that_of_the_fastest_run() -> None:
    machine = Machine(0.02, chain([5.0] * 4, [1.0], repeat(1.5)))
    assert machine.fastest() == (pytest.approx(0.02), False)
    assert machine.wall < 2 * ENOUGH


def test_a_run_that_had_to_wait_is_marked() -> None:
    assert Machine(0.02, repeat(1.5)).fastest() == (pytest.approx(0.03), True)


def test_what_takes_long_runs_three_times_or_once() -> None:
    slow, slower = Machine(1.0, repeat(1.0)), Machine(2 * PATIENCE, repeat(1.0))
    assert slow.fastest() == (pytest.approx(1.0), False)
    assert slower.fastest() == (pytest.approx(2 * PATIENCE), False)
    assert (slow.num_runs, slower.num_runs) == (4, 2)  # the first warms up


@pytest.mark.parametrize(("load", "words"), [(0.2, ""), (3.25, "a load of 3.2 on 2 cores")])
def test_others_are_noticed_before_anything_begins(load: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    assert machine.others_at_work() == words
