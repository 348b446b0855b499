"""A trial as a job of Hydra's, which any process can run, and how it ended."""

import os
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


@dataclass(frozen=True)
class Result:
    """How a trial ended: `outcome` of a complete one, else `why`; state is complete, pruned or failed."""

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
    """A trial, to be called here or, pickled, elsewhere; `words` are all its overrides."""
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
    file = Path(config.hydra.sweep.dir, str(config.hydra.sweep.subdir), "error.txt")
    file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    text = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    return Result("failed", None, text if isinstance(error, SrlabError) else f"{text[:200]} ({file})")
