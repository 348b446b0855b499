"""Where the trials of a sweep run: hydra/launcher=joblib, ray, slurm, or one after the other in this process.

Each is a thin use of the engine itself. Hydra's own launchers start a batch and wait for all of it, so that a worker
whose trial was pruned would idle, and an optimizer would learn of results late.
"""

import fcntl
import logging
import os
import re
import socket
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from srlab.errors import SrlabError
from srlab.training.threads import PORTABLE


@dataclass(frozen=True)
class Result:
    """How a trial ended: `outcome` of a finished one, else `why`; state is complete, pruned or failed."""

    state: str
    outcome: dict[str, Any] | None
    why: str


@dataclass(frozen=True)
class Hydra:
    """What Hydra gives a sweeper, to run jobs with."""

    context: HydraContext
    config: DictConfig
    task: TaskFunction


Job = Callable[[], Result]


def job(hydra: Hydra, number: int, words: list[str]) -> Job:
    """A trial, to be called here or, pickled, elsewhere.

    Args:
        words: all overrides.
    """
    return partial(_run, hydra, number, words, Singleton.get_state(), str(Path.cwd()))


def _run(hydra: Hydra, number: int, words: list[str], state: Any, folder: str) -> Result:
    from srlab.training.resume import Ended

    os.chdir(folder)
    setup_globals()
    Singleton.set_state(state)
    config = hydra.context.config_loader.load_sweep_config(hydra.config, words)
    with open_dict(config):
        config.hydra.job.id = config.hydra.job.num = number
    HydraConfig.instance().set_config(config)
    done = run_job(
        hydra_context=hydra.context,
        task_function=hydra.task,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        configure_logging=False,
    )
    error = done._return_value
    if isinstance(error, Ended):
        return Result("pruned", None, str(error))
    if not isinstance(error, BaseException):
        return Result("complete", error, "")
    output = Path(config.hydra.sweep.dir, str(config.hydra.sweep.subdir))
    file = output / "error.txt"
    file.write_text("".join(traceback.format_exception(error)))
    text = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    return Result("failed", None, text if isinstance(error, SrlabError) else f"{text[:200]} ({file})")


class Sequential:
    """One after the other, in this process, whose imports all of them share."""

    n_jobs = 1

    def open(self, folder: Path) -> None:
        pass

    def run(self, trial: Job) -> Result:
        return trial()

    def close(self) -> None:
        pass


class JoblibLauncher:
    """Processes of this machine, by loky, joblib's engine; they are used again. Where there are GPUs, one for each.

    Args:
        n_jobs: processes.
    """

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs, self.folder = n_jobs, Path()
        self._lock = threading.Lock()

    def open(self, folder: Path) -> None:
        """Args: folder: of all sweeps.

        Raises:
            SrlabError: there are fewer GPUs.
        """
        self.folder = folder
        if 0 < (number := num_gpus()) < self.n_jobs:
            raise SrlabError(f"{self.n_jobs} trials at a time and {number} GPUs: set hydra.launcher.n_jobs={number}")

    def warm_up(self) -> None:
        """Start the processes: they import for seconds, as this one does at the same time."""
        for _ in range(self.n_jobs):
            self._executor().submit(_import)

    def run(self, trial: Job) -> Result:
        with self._lock:  # after the death of a worker, the executor is another one
            future = self._executor().submit(_on_a_gpu, trial, self.folder)
        return future.result()

    def close(self) -> None:
        self._executor().shutdown(wait=True, kill_workers=True)

    def _executor(self) -> Any:
        from joblib.externals.loky import get_reusable_executor

        threads = str(max(1, (os.cpu_count() or 1) // self.n_jobs))
        return get_reusable_executor(self.n_jobs, timeout=60, env={"OMP_NUM_THREADS": threads})


class RayLauncher:
    """Tasks of Ray.

    Args:
        n_jobs: tasks at a time.
        address: None for a cluster on this machine for the time of the sweep; "auto" or "ray://host:port" for one that
            runs, whose machines see this folder under the same name.
        num_cpus, num_gpus: what a task is given.
    """

    def __init__(self, n_jobs: int, address: str | None, num_cpus: float, num_gpus: float) -> None:
        self.n_jobs, self.address, self.num_cpus, self.num_gpus = n_jobs, address, num_cpus, num_gpus

    def open(self, folder: Path) -> None:
        """Raises:
        SrlabError: Ray is not installed, or no cluster answers.
        """
        try:
            import ray  # pyright: ignore[reportMissingImports]  # of an extra
            from ray.exceptions import RayError  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise SrlabError(_missing("Ray", "ray")) from error
        _require_answer(self.address)
        paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        kernels = {name: os.environ[name] for name in PORTABLE if name in os.environ}
        own: dict[str, Any] = {"num_cpus": max(1, round(self.n_jobs * self.num_cpus))} if self.address is None else {}
        try:
            ray.init(
                address=self.address,
                include_dashboard=False if self.address is None else None,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": {"PYTHONPATH": paths, **kernels}},
                **own,
            )
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            raise SrlabError(f"no cluster of Ray at {self.address}: {' '.join(str(error).split())[:200]}") from error
        options = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, "max_retries": 0}
        remote: Any = ray.remote(**options)
        self._call = remote(lambda trial: trial())

    def run(self, trial: Job) -> Result:
        import ray  # pyright: ignore[reportMissingImports]

        return ray.get(self._call.remote(trial))

    def close(self) -> None:
        import ray  # pyright: ignore[reportMissingImports]

        ray.shutdown()


class SubmititLauncher:
    """A job of SLURM for each trial, by submitit.

    Args:
        n_jobs: jobs at a time.
        cluster: "slurm"; "local" for processes of this machine.
        folder: for submitit's scripts and logs.
        parameters: of `submitit.AutoExecutor.update_parameters`.
    """

    def __init__(self, n_jobs: int, cluster: str, folder: str, parameters: dict[str, Any]) -> None:
        self.n_jobs, self.cluster, self.folder, self.parameters = n_jobs, cluster, folder, dict(parameters)
        self._lock = threading.Lock()

    def open(self, folder: Path) -> None:
        """Raises:
        SrlabError: submitit is not installed, or this machine sends nothing to SLURM.
        """
        try:
            import submitit
        except ImportError as error:
            raise SrlabError(_missing("submitit", "sweep")) from error
        try:
            self._executor = submitit.AutoExecutor(self.folder, cluster=self.cluster)
            self._executor.update_parameters(**self.parameters)
        except (RuntimeError, ValueError, NameError) as error:
            raise SrlabError(f"hydra.launcher: {' '.join(str(error).split())[:200]}") from error

    def run(self, trial: Job) -> Result:
        with self._lock:
            sent = self._executor.submit(trial)
        return sent.result()

    def close(self) -> None:
        pass


def warm_up(config: DictConfig) -> None:
    """Let the launcher that a config has begin with what takes long."""
    if config.hydra.launcher._target_ == f"{__name__}.JoblibLauncher":
        JoblibLauncher(config.hydra.launcher.n_jobs).warm_up()


def _import() -> None:
    """What a training imports."""
    import srlab.patches.datamodule
    import srlab.sweeps.trial
    import srlab.training.regression  # noqa: F401


_gpu: Any = None  # the lock on the GPU that this process has been given


def _on_a_gpu(trial: Job, folder: Path) -> Result:
    global _gpu  # noqa: PLW0603  # for the life of the process: CUDA stays on the device that it began on
    if _gpu is None and (number := num_gpus()):
        _gpu = take_gpu(folder, number)
    return trial()


def num_gpus() -> int:
    """Without starting CUDA, which would not see a device that is chosen afterwards."""
    import torch

    return torch.cuda.device_count()


def take_gpu(folder: Path, number: int) -> Any:
    """Make one GPU that no other worker has the only one that this process sees; the lock on it, to be kept.

    Raises:
        SrlabError: others have all of them.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name for name in listed.split(",") if name] or [str(index) for index in range(number)]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        lock = (folder / f".gpu-{name}").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel however the process ends
        except BlockingIOError:
            lock.close()
            continue
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        return lock
    raise SrlabError(f"other trials have all {len(names)} GPUs")


def _require_answer(address: str | None) -> None:
    """Ray itself tries for minutes."""
    found = re.fullmatch(r"(?:ray://)?([^:/]+):(\d+)", address or "")
    if found:
        try:
            socket.create_connection((found[1], int(found[2])), timeout=10).close()
        except OSError as error:
            raise SrlabError(f"no cluster of Ray at {address}: {error}") from error


def _missing(package: str, extra: str) -> str:
    return f"{package} is not installed: .venv/bin/pip install -c requirements.lock -e '.[{extra}]'"
