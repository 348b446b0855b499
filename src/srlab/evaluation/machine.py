"""The processor at hand, and whether other programs keep it busy."""

import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MACHINE_BUSY = "machine busy"  # in place of a time that other programs disturbed
BUSY = 1.0  # load average above which other programs are running, before anything of ours runs
MIN_SHARE = 0.95  # of a round's wall time that its thread must have computed; a core of one's own gives 0.99
# Times its fastest round that work of known size may take before and after what is measured. Caches that the method
# emptied cost it a tenth, a neighbour on the same core two thirds (both seen on two vCPUs).
SPREAD = 1.3
ENOUGH, PATIENCE = 0.5, 10.0  # seconds of runs after which the fastest is found; after which to give up
MIN_RUNS, MAX_RUNS = 3, 300

Clock = Callable[[], float]


def others_at_work() -> str:
    """What would slow down a measurement now, as in "a load of 3.2 on 2 cores"; "" on a quiet machine."""
    load = os.getloadavg()[0]
    return f"a load of {load:.1f} on {os.cpu_count()} cores" if load > BUSY else ""


@dataclass(frozen=True)
class Round:
    """Seconds of a run, of the reference before and after it, and the share of all three that the thread computed."""

    seconds: float
    before: float
    after: float
    share: float


def fastest(run: Callable[[], None], reference: Callable[[], None], *, wall: Clock, cpu: Clock) -> float | None:
    """Seconds of the fastest undisturbed `run`; None where the machine is too busy to tell.

    Each round runs `reference`, work of always the same size, before and after `run`. A round counts if its thread
    was not kept waiting (`cpu` against `wall`) and the reference was about as fast as in the best of all rounds: this
    notices other programs, and a clock or a host that slows down. Of many rounds MIN_RUNS must count, of few all.
    """
    rounds: list[Round] = []
    run()
    before = _timed(reference, wall, cpu)
    while True:
        timed = (before, _timed(run, wall, cpu), after := _timed(reference, wall, cpu))
        share = sum(computed for _, computed in timed) / sum(seconds for seconds, _ in timed)
        rounds.append(Round(timed[1][0], before[0], after[0], share))
        before, spent, quiet = after, sum(one.seconds for one in rounds), _undisturbed(rounds)
        if len(quiet) >= MIN_RUNS and (spent >= ENOUGH or len(rounds) >= MAX_RUNS):
            return min(quiet)
        if spent >= PATIENCE or len(rounds) >= MAX_RUNS:
            return min(quiet) if len(quiet) == len(rounds) else None


def _undisturbed(rounds: list[Round]) -> list[float]:
    limit = SPREAD * min(min(one.before, one.after) for one in rounds)
    return [one.seconds for one in rounds if one.share >= MIN_SHARE and max(one.before, one.after) <= limit]


def _timed(run: Callable[[], None], wall: Clock, cpu: Clock) -> tuple[float, float]:
    """Seconds of `run` by the two clocks."""
    start, began = wall(), cpu()
    run()
    return wall() - start, cpu() - began


def processor() -> str:
    """Name of the CPU."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()
