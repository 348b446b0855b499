"""What is done to copies of the clone after the first run of its pipeline."""

import os
import signal
import time
from dataclasses import dataclass

from workspace import GIVE_UP, Workspace

# Lines of `smoke` that the clone keeps: a method or two of every stage. A stage costs seconds of starting Python; what
# the others do is tested without DVC.
KEPT = {
    "classical": ["nearest", "bicubic", "ibp"],
    "examples": ["aplus"],
    "models": ["espcn", "srresnet"],
    "gans": ["srgan"],
    "pretrained": ["srgan_half"],
}
EPOCHS = 6  # of ESPCN: enough that a kill finds it in the middle
LOWER_RATE = 0.0003  # of ESPCN; the profile has 0.001
ESPCN = ("models/espcn/best.safetensors", "models/espcn/history.csv")
REPEATED = (
    "train@srresnet",
    "train_gan@srgan",
    "evaluate_gan@srgan",
    "evaluate_pretrained@srgan_half",
    "report",
)


@dataclass(frozen=True)
class Finished:
    """A workspace after a `dvc repro`, and what that printed."""

    workspace: Workspace
    output: str


@dataclass(frozen=True)
class Killed:
    """What a SIGKILL left; a copy of it after the same command once more; one after a run with the profile's rate."""

    left: Workspace
    resumed: Finished
    again: Finished


def lower_rate(workspace: Workspace) -> Finished:
    """Everything again that another learning rate of ESPCN concerns."""
    workspace.set_param("models.espcn.lr", LOWER_RATE)
    return Finished(workspace, workspace.run("dvc", "repro"))


def again(workspace: Workspace, wrapper: tuple[str, ...]) -> Finished:
    """SRGAN once more from its generator's first step to the report; `wrapper` is put before the command."""
    return Finished(workspace, workspace.run(*wrapper, "dvc", "repro", "--force", "--single-item", *REPEATED))


def killed(workspace: Workspace) -> Killed:
    """SIGKILL for `dvc repro train@espcn`, DVC and training alike, after the first epoch; then the two ways on."""
    rate = workspace.params()["models"]["espcn"]["lr"]
    workspace.set_param("models.espcn.lr", LOWER_RATE)
    process = workspace.start("dvc", "repro", "train@espcn")
    give_up = time.monotonic() + GIVE_UP
    while not list(workspace.root.glob("work/espcn-*/last.ckpt")):
        assert process.poll() is None, f"the training ended before it was killed:\n{process.communicate()[0]}"
        assert time.monotonic() < give_up, "the training did not finish an epoch"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    resumed = workspace.copy(workspace.root.with_name("resumed"))
    again = workspace.copy(workspace.root.with_name("again"))
    again.set_param("models.espcn.lr", rate)
    return Killed(
        workspace,
        Finished(resumed, resumed.run("dvc", "repro", "train@espcn")),
        # Forced, since DVC knows the result of this rate from the first run and would just check it out.
        Finished(again, again.run("dvc", "repro", "--force", "--single-item", "train@espcn")),
    )
