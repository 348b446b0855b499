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
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from srlab.errors import SrlabError, one_line
from srlab.models.base.kernels import PORTABLE
from srlab.sweeps.jobs import Job, Result

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"  # Hydra's default: one after the other


class Launcher:
    """One trial after the other, in this process, whose imports all of them share. Other launchers derive from it."""

    def __init__(self) -> None:
        self.n_jobs = 1  # trials at a time

    def warm_up(self) -> None:
        """Begin what takes long and needs no search space."""

    def open(self, folder: Path) -> None:
        """Get ready for trials; `folder` is that of all sweeps. SrlabError if something that it needs is missing."""

    def run(self, trial: Job) -> Result:
        """Run a trial and wait for it; called by as many threads as there are jobs. Raises if its process died."""
        return trial()

    def close(self) -> None:
        """End what runs."""


def launcher_of(config: DictConfig) -> Launcher:
    """The launcher that a config names. SrlabError if it is none of this module."""
    node = config.hydra.launcher
    if node._target_ == BASIC:
        return Launcher()
    if not node._target_.startswith(f"{__name__}."):
        raise SrlabError(f"hydra/launcher is {node._target_}: choose joblib, ray, slurm, or none")
    return built(node, "hydra/launcher")


def built(node: Any, where: str) -> Any:
    """What a config node describes. SrlabError says in one line why it cannot be built."""
    try:
        return instantiate(node)
    except InstantiationException as error:
        cause = error.__cause__ or error
        raise SrlabError(str(cause) if isinstance(cause, SrlabError) else f"{where}: {one_line(cause)}") from error


class JoblibLauncher(Launcher):
    """Processes of this machine, by loky, joblib's engine; they are used again. Where there are GPUs, one for each.

    Each process is an executor of its own, so that one that dies takes no other trial with it.
    """

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs
        self._executors = [self._executor() for _ in range(n_jobs)]
        self._gpus: dict[str, TextIO] = {}
        self._free: SimpleQueue[int] = SimpleQueue()
        for index in range(n_jobs):
            self._free.put(index)

    def warm_up(self) -> None:
        """Start the processes: they import for seconds, as this one does at the same time."""
        for executor in self._executors:
            executor.submit(_import)

    def open(self, folder: Path) -> None:
        if number := num_gpus():
            self._gpus = take_gpus(folder, number, self.n_jobs)

    def run(self, trial: Job) -> Result:
        index = self._free.get()
        gpu = list(self._gpus)[index] if self._gpus else None
        try:
            return self._executors[index].submit(_on_gpu, trial, gpu).result()
        except BrokenExecutor:
            self._executors[index] = self._executor()
            raise
        finally:
            self._free.put(index)

    def close(self) -> None:
        for executor in self._executors:
            executor.shutdown(wait=True, kill_workers=True)
        for lock in self._gpus.values():
            lock.close()

    def _executor(self) -> Any:
        from joblib.externals.loky import ProcessPoolExecutor

        threads = str(max(1, (os.cpu_count() or 1) // self.n_jobs))
        return ProcessPoolExecutor(1, timeout=60, env={"OMP_NUM_THREADS": threads})


def _import() -> None:
    """What a training imports."""
    import srlab.patches.datamodule  # noqa: F401
    import srlab.sweeps.trial  # noqa: F401
    import srlab.training.regression  # noqa: F401


def _on_gpu(trial: Job, gpu: str | None) -> Result:
    if gpu is not None:  # the same for all trials of a process: CUDA stays on the device that it began on
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    return trial()


def num_gpus() -> int:
    """Without starting CUDA, which would not see a device that is chosen afterwards."""
    import torch

    return torch.cuda.device_count()


def take_gpus(folder: Path, number: int, wanted: int) -> dict[str, TextIO]:
    """{name of a GPU that no other sweep has: the lock on it, to be kept}, so many as are wanted.

    SrlabError if there are fewer.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name for name in listed.split(",") if name] or [str(index) for index in range(number)]
    folder.mkdir(parents=True, exist_ok=True)
    taken: dict[str, TextIO] = {}
    for name in names:
        if len(taken) == wanted:
            break
        lock = (folder / f".gpu-{name}").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel however the process ends
            taken[name] = lock
        except BlockingIOError:
            lock.close()
    if len(taken) < wanted:
        for lock in taken.values():
            lock.close()
        raise SrlabError(
            f"{wanted} trials at a time, and {len(taken)} of {len(names)} GPUs are free: set hydra.launcher.n_jobs"
        )
    return taken


@dataclass
class RayLauncher(Launcher):
    """Tasks of Ray, each with so many CPUs and GPUs.

    Without an `address` a cluster on this machine runs as long as the sweep. Of one that runs, "auto" or
    "ray://host:port", the machines see this folder under the same name.
    """

    n_jobs: int
    address: str | None
    num_cpus: float
    num_gpus: float

    def open(self, folder: Path) -> None:
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
        remote: Any = ray.remote(num_cpus=self.num_cpus, num_gpus=self.num_gpus, max_retries=0)
        self._call = remote(lambda trial: trial())

    def run(self, trial: Job) -> Result:
        import ray  # pyright: ignore[reportMissingImports]

        return ray.get(self._call.remote(trial))

    def close(self) -> None:
        import ray  # pyright: ignore[reportMissingImports]

        ray.shutdown()


def _require_answer(address: str | None) -> None:
    """Ray itself tries for minutes."""
    found = re.fullmatch(r"(?:ray://)?([^:/]+):(\d+)", address or "")
    if found:
        try:
            socket.create_connection((found[1], int(found[2])), timeout=10).close()
        except OSError as error:
            raise SrlabError(f"no cluster of Ray at {address}: {error}") from error


@dataclass
class SubmititLauncher(Launcher):
    """A job of SLURM for each trial, by submitit."""

    n_jobs: int
    cluster: str  # "slurm"; "local" for processes of this machine
    folder: str  # for submitit's scripts and logs
    parameters: dict[str, Any]  # of `submitit.AutoExecutor.update_parameters`
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def open(self, folder: Path) -> None:
        try:
            import submitit
        except ImportError as error:
            raise SrlabError(_missing("submitit", "sweep")) from error
        if "%" in (place := str(Path(self.folder).absolute())):  # submitit and SLURM write numbers in its place
            raise SrlabError(f"jobs of SLURM cannot lie in {place}: set hydra.launcher.folder to one without %")
        try:
            self._executor = submitit.AutoExecutor(self.folder, cluster=self.cluster)
            self._executor.update_parameters(**self.parameters)
        except (RuntimeError, ValueError, NameError) as error:
            raise SrlabError(f"hydra.launcher: {' '.join(str(error).split())[:200]}") from error

    def run(self, trial: Job) -> Result:
        with self._lock:
            sent = self._executor.submit(trial)
        return sent.result()


def _missing(package: str, extra: str) -> str:
    return f"{package} is not installed: .venv/bin/pip install -c requirements.lock -e '.[{extra}]'"
