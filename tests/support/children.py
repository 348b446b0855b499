"""Child processes that need not import torch: they are forked from a server which has done that, and nothing else."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

GIVE_UP = 300  # seconds for one child, so that a hang ends; no claim about speed
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["torch", "hydra.utils", "srlab.training.fit", "srlab.adversarial.module"])


def started(target: Callable[..., Any], *args: Any) -> BaseProcess:
    """A child that runs a function of a test module."""
    process = _context.Process(target=target, args=args, daemon=False)
    process.start()
    return process


def ended(*processes: BaseProcess) -> list[int]:
    """The exit codes of children, when all have ended; an assertion if one hangs."""
    for process in processes:
        process.join(GIVE_UP)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert None not in codes, f"a child hangs: {codes}"
    return codes  # pyright: ignore[reportReturnType]
