"""Times on a made-up machine, whose clocks run as the test says."""

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from srlab import machine
from srlab.machine import ENOUGH, MIN_RUNS, PATIENCE, fastest


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


def test_the_time_on_a_quiet_machine_is_that_of_the_fastest_run() -> None:
    assert Machine(0.02, 0.001, chain([5.0] * 4, repeat(1.0))).fastest() == pytest.approx(0.02)


def test_a_quiet_machine_is_asked_no_longer_than_is_enough() -> None:
    quiet = Machine(0.02, 0.001, repeat(1.0))
    quiet.fastest()
    assert quiet.wall < 2 * ENOUGH


def test_one_run_is_enough_of_what_takes_long() -> None:
    slow = Machine(2 * PATIENCE, 0.001, repeat(1.0))
    assert slow.fastest() == pytest.approx(2 * PATIENCE)
    assert slow.num_runs == 2  # the first warms up


@pytest.mark.parametrize("steady", [False, True], ids=["waits", "slows down"])
def test_there_is_no_time_of_a_long_run_that_was_disturbed(steady: bool) -> None:
    # warm-up, reference, run, reference
    assert Machine(2 * PATIENCE, 0.001, iter([1.0, 1.0, 1.5, 1.5]), steady).fastest() is None


def test_there_is_no_time_where_every_run_has_to_wait() -> None:
    assert Machine(0.02, 0.001, repeat(1.5)).fastest() is None


def test_there_is_no_time_where_work_of_known_size_hardly_ever_takes_as_long_as_before() -> None:
    speeds = chain([1.0] * 2, (1.3**power for power in range(1, 1000)))
    assert Machine(0.02, 0.001, speeds, steady=True).fastest() is None


def test_disturbed_runs_do_not_count_however_fast_they_seem() -> None:
    # A run of half the time beside a reference of double the time: what is measured is not the same machine.
    odd = chain([1.0, 2.0, 0.5, 2.0], repeat(1.0))
    assert Machine(0.02, 0.001, odd, steady=True).fastest() == pytest.approx(0.02)


def test_few_quiet_rounds_among_many_are_enough() -> None:
    one_in_ten = chain.from_iterable(repeat([1.0] * 8 + [1.5] * 52))
    assert Machine(0.02, 0.001, one_in_ten).fastest() == pytest.approx(0.02)
    assert MIN_RUNS > 1


@pytest.mark.parametrize(("load", "words"), [(0.2, ""), (3.25, "a load of 3.2 on 2 cores")])
def test_others_are_noticed_before_anything_begins(load: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    assert machine.others_at_work() == words
