"""The processor at hand, and whether other programs keep it busy."""

import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

MACHINE_BUSY = "machine busy"  # other programs slowed a measurement down
BUSY = 1.0  # load average above which other programs are running, before anything of ours runs
MIN_SHARE = 0.95  # of a run's wall time that its thread must have computed; a core of one's own gives 0.99
# Runs, and seconds of them, among which the fastest is looked for; seconds after which fewer are enough.
MIN_RUNS, ENOUGH, PATIENCE = 3, 0.5, 10.0

Clock = Callable[[], float]


def others_at_work() -> str:
    """What would slow down a measurement now, as in "a load of 3.2 on 2 cores"; "" on a quiet machine."""
    load = os.getloadavg()[0]
    return f"a load of {load:.1f} on {os.cpu_count()} cores" if load > BUSY else ""


def fastest(run: Callable[[], None], *, wall: Clock, cpu: Clock) -> tuple[float, bool]:
    """Seconds of the fastest of several runs, and whether its thread had to wait for other programs (`cpu` clock)."""
    run()  # warms up
    runs: list[tuple[float, bool]] = []
    spent = 0.0
    while spent < PATIENCE and (len(runs) < MIN_RUNS or spent < ENOUGH):
        start, began = wall(), cpu()
        run()
        seconds, computed = wall() - start, cpu() - began
        runs.append((seconds, computed < MIN_SHARE * seconds))
        spent += seconds
    return min(runs)


def processor() -> str:
    """Name of the CPU."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()
