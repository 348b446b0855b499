"""What turns a function into a stage script: `python pipelines/<stage>.py key=value`."""

import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from srlab.errors import SrlabError
from srlab.inputs import recorded_as_run
from srlab.settings import check, settings_of
from srlab.start import ROOT, begin

STOPPED = "stopped: the same line again resumes what can be resumed, and does the rest from scratch"


def stage(name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Run a function on the config `conf/<name>.yaml` merged with `params.yaml`.

    What the user can fix is printed as one line, with exit code 1 (SRLAB_DEBUG=1: with the traceback); a multirun gets
    the exception itself, so that it can start the next job, and what the function returns.
    """

    def decorate(function: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(function)
        def one_line(cfg: DictConfig) -> Any:
            try:
                check(settings_of(cfg), ROOT / "conf")
                with recorded_as_run():
                    return function(cfg)
            except Exception as error:
                cause = (error.__cause__ or error) if isinstance(error, InstantiationException) else error
                is_full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
                can_be_fixed = is_full or isinstance(cause, SrlabError | OmegaConfBaseException)
                if HydraConfig.get().mode == RunMode.MULTIRUN or not can_be_fixed:
                    raise
                return _exit(cause)

        def main() -> None:
            begin(Path(sys.argv[0]).resolve().parents[1])
            if not Path("params.yaml").exists():
                sys.exit(f"error: no params.yaml in {Path.cwd()}: start from the folder of srlab's dvc.yaml")
            try:
                hydra.main(config_path=str(ROOT / "conf"), config_name=name, version_base="1.3")(one_line)()
            except KeyboardInterrupt:
                print(STOPPED, file=sys.stderr)
                sys.exit(130)

        return main

    return decorate


def output_folder() -> Path:
    """The folder this run writes to: what DVC passes as `hydra.run.dir`, else outputs/ or multirun/."""
    return Path(HydraConfig.get().runtime.output_dir)


def is_follower() -> bool:
    """Whether this is a further process of a training on several devices or nodes; it trains and leaves no traces.

    torchrun sets RANK, SLURM's srun SLURM_PROCID, Lightning LOCAL_RANK in the processes that it starts on a node.
    """
    return any(os.environ.get(name, "0") != "0" for name in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))


def flat(cfg: DictConfig) -> dict[str, object]:
    """A config node as a flat dict with dotted keys, interpolations resolved, for MLflow's parameters."""

    def flatten(node: object, prefix: str) -> dict[str, object]:
        if not isinstance(node, dict):
            return {prefix: node}
        return {k: v for key, value in node.items() for k, v in flatten(value, f"{prefix}.{key}".lstrip(".")).items()}

    return flatten(OmegaConf.to_container(cfg, resolve=True), "")


def named(cfg: DictConfig, *keys: str) -> dict[str, object]:
    """The settings of params.yaml at these dotted keys, each by its whole name: {"models.espcn.lr": 0.001, ...}."""
    found = {key: OmegaConf.select(cfg, key) for key in keys}
    return {
        f"{key}.{leaf}" if leaf else key: value
        for key, node in found.items()
        for leaf, value in (flat(node) if isinstance(node, DictConfig) else {"": node}).items()
    }


def _exit(error: BaseException) -> NoReturn:
    if os.environ.get("SRLAB_DEBUG"):
        raise error
    lines = str(error).splitlines()
    if isinstance(error, OmegaConfBaseException):  # "what is wrong", "full_key: where", "object_type=..."
        lines = [", ".join(line.strip() for line in lines[:2])]
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(1)
