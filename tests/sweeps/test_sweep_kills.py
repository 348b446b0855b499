"""Whatever kills a sweep, its trials are finished exactly once each, and come out as in one process without a kill.

SRLAB_KILLS is how many times it is killed.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from bench import ROOT, Bench

NUM_KILLS = int(os.environ.get("SRLAB_KILLS", "1"))
NUM_TRIALS, LAUNCHERS = (24, ["none", "joblib"]) if NUM_KILLS > 1 else (3, ["joblib"])
WORDS = ["model=espcn", f"models.espcn.lr={','.join(str(0.003 / (1 + number)) for number in range(NUM_TRIALS))}"]
GIVE_UP = 600  # seconds, so that a hang ends


def start(bench: Bench, launcher: str) -> subprocess.Popen[bytes]:
    """In a process of its own, as a user does it."""
    words = [*WORDS, "tracking.live=false"] + ([] if launcher == "none" else [f"hydra/launcher={launcher}"])
    script = [sys.executable, str(ROOT / "pipelines/train.py"), "-m", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with (bench.root / "log").open("ab") as log:
        return subprocess.Popen(
            script, cwd=bench.root, env=environment, stdout=log, stderr=log, start_new_session=True
        )  # fmt: skip


def kill(process: subprocess.Popen[bytes], how: str) -> None:
    """The driver alone, so that its workers outlive it, or all of its processes, as when a machine fails."""
    if how == "driver":
        process.kill()
    elif how == "asked to":
        process.send_signal(signal.SIGTERM)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(GIVE_UP)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_trial_is_finished_once_and_as_in_one_process(bench: Bench, launcher: str) -> None:
    """To the last bit: the threads of a trial are fixed by num_threads, whatever the worker's number of cores."""
    draws = random.Random(launcher)
    processes, log = [], bench.root / "log"
    for index in range(NUM_KILLS):
        process = start(bench, launcher)
        processes.append(process)
        num_lines, patience = _lines(log), time.monotonic() + GIVE_UP
        while process.poll() is None and _lines(log) == num_lines and time.monotonic() < patience:
            time.sleep(0.05)  # until it says how it begins, at least
        time.sleep(draws.uniform(0, 3))
        kill(process, ["driver", "everything", "asked to"][index % 3])
    last = start(bench, launcher)
    assert last.wait(GIVE_UP) == 0, log.read_text()
    for process in processes:  # workers that outlived their driver
        with_children = subprocess.run(["pkill", "-KILL", "-g", str(process.pid)], check=False)
        assert with_children.returncode in (0, 1)
    rows = bench.result("command_line")["trials"]
    assert [row["trial"] for row in rows] == list(range(NUM_TRIALS))
    assert {row["state"] for row in rows} == {"complete"}
    assert finished(bench) == Counter({str(number): 1 for number in range(NUM_TRIALS)})
    assert len(list(bench.root.glob("sweeps/finished/*.json"))) == NUM_TRIALS
    assert not list((bench.root / "work").iterdir())
    (bench.root / "sweeps").rename(bench.root / "sweeps-before")
    bench.sweep(*WORDS)
    assert [row["val/psnr"] for row in bench.result("command_line")["trials"]] == [row["val/psnr"] for row in rows]


def finished(bench: Bench) -> Counter[str]:
    """How many trainings came to their end, by trial, as MLflow will be told."""
    ends: Counter[str] = Counter()
    for path in (bench.root / "mlflow-outbox").glob("*.jsonl"):
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        if entries[-1].get("status") == "FINISHED" and "srlab.trial" in entries[0]["tags"]:
            ends[entries[0]["tags"]["srlab.trial"]] += 1
    return ends


def _lines(log: Path) -> int:
    return log.read_bytes().count(b" at a time") if log.exists() else 0
