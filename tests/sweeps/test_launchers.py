"""Trials run where hydra/launcher says, come out the same everywhere, and have the cores and GPUs to themselves."""

import os
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bench import Bench

from srlab.errors import SrlabError
from srlab.sweeps import launchers
from srlab.sweeps.driver import _threads
from srlab.sweeps.launchers import JoblibLauncher, Launcher, RayLauncher, SubmititLauncher, take_gpus

WORDS = ["model=espcn", "models.espcn.lr=1e-3,3e-4"]


def scores(bench: Bench, *words: str) -> list[float]:
    """Validation PSNR of both trials; the sweep is forgotten."""
    bench.sweep(*WORDS, *words)
    found = [row["val/psnr"] for row in bench.result("command_line")["trials"]]
    assert len(found) == 2
    (bench.root / "sweeps").rename(bench.root / f"sweeps-{len(list(bench.root.iterdir()))}")
    return found


def test_submitit_trains_what_this_process_trains(bench: Bench) -> None:
    """Its local executor starts a process for each trial, as SLURM does; test_sweep_kills.py has joblib."""
    pytest.importorskip("submitit")
    local = ["hydra/launcher=slurm", "hydra.launcher.cluster=local", "hydra.launcher.n_jobs=2"]
    local += ["hydra.launcher.parameters={timeout_min: 10}"]
    assert scores(bench) == scores(bench, *local)
    assert list(bench.root.glob("sweeps-*/slurm/*_log.out"))


@pytest.mark.ray
def test_ray_trains_what_this_process_trains_on_a_cluster_that_runs_too(bench: Bench) -> None:
    pytest.importorskip("ray")
    expected = scores(bench)
    assert scores(bench, "hydra/launcher=ray") == expected
    ray = str(Path(sys.executable).with_name("ray"))
    start = [ray, "start", "--head", "--port=6399", "--num-cpus=2", "--include-dashboard=false"]
    subprocess.run(start, check=True, capture_output=True)
    try:
        assert scores(bench, "hydra/launcher=ray", "hydra.launcher.address=auto") == expected
    finally:
        subprocess.run([ray, "stop", "--force"], check=True, capture_output=True)


@pytest.mark.ray
def test_a_cluster_that_does_not_run_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(SrlabError, match=r"no cluster of Ray at 127\.0\.0\.1:1"):
        RayLauncher(1, "127.0.0.1:1", 1, 0).open(tmp_path)


def test_a_folder_in_which_slurm_would_write_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match=r"cannot lie in .*100%j: set hydra\.launcher\.folder"):
        SubmititLauncher(1, "local", str(tmp_path / "100%j"), {}).open(tmp_path)


def test_slurm_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))  # no srun in it
    with pytest.raises(SrlabError, match=r"^hydra\.launcher: .*slurm"):
        SubmititLauncher(1, "slurm", str(tmp_path), {}).open(tmp_path)


@pytest.mark.parametrize(("num_threads", "words"), [(0, ["num_threads=2"]), (1, []), (3, [])])
def test_all_cores_are_shared_out(num_threads: int, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    cfg: Any = type("Config", (), {"num_threads": num_threads})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert _threads(JoblibLauncher(4), cfg) == words
    assert _threads(Launcher(), cfg) == []


def test_a_process_that_dies_takes_no_other_trial_with_it() -> None:
    """The functions stand for trials."""
    launcher: Any = JoblibLauncher(2)
    with ThreadPoolExecutor(2) as threads:
        innocent = threads.submit(launcher.run, partial(time.sleep, 3))
        killer = threads.submit(launcher.run, partial(os._exit, 1))
        assert isinstance(killer.exception(), BrokenExecutor)
        assert innocent.exception() is None
        assert list(threads.map(launcher.run, [partial(int, "1"), partial(int, "2")])) == [1, 2]  # both are there again
    launcher.close()


@pytest.mark.parametrize(("visible", "names"), [("4,6", ["4", "6"]), (None, ["0", "1"])])
def test_a_gpu_is_taken_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, names: list[str]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    first = take_gpus(tmp_path, 2, 1)
    with pytest.raises(SrlabError, match="2 trials at a time, and 1 of 2 GPUs are free"):
        take_gpus(tmp_path, 2, 2)
    second = take_gpus(tmp_path, 2, 1)  # what was refused holds none
    assert [*first, *second] == names
    first[names[0]].close()  # as the kernel does when a sweep ends
    assert list(take_gpus(tmp_path, 2, 1)) == names[:1]


def test_each_process_has_a_gpu_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "num_gpus", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    launcher: Any = JoblibLauncher(2)
    launcher.open(tmp_path)
    seen = partial(os.getenv, "CUDA_VISIBLE_DEVICES")
    assert [launcher.run(seen) for _ in range(4)] == ["0", "1", "0", "1"]
    launcher.close()
