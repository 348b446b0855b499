"""What it costs a training to tell MLflow something after every step, beside the step, in one run.

A sender is at work meanwhile, on a sqlite store. The call comes after an untimed step, which has the caches; its median
over that of a step is the share. A real training calls once an epoch.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from srlab.models.espcn import ESPCN
from srlab.tracking.tracker import Tracker

BATCH, PATCH, SCALE = 16, 96, 4
GROUP = "a step of ESPCN, batch 16, 96x96, and a call of metrics()"
ROW = {"train/loss": 0.001, "val/loss": 0.001, "val/psnr": 28.5, "val/ssim": 0.81, "lr": 0.001}


class Training:
    """One optimizer step a call."""

    def __init__(self) -> None:
        self.net = ESPCN(SCALE)
        self.optimizer = torch.optim.Adam(self.net.parameters())
        self.lr, self.hr = torch.rand(BATCH, 1, PATCH // SCALE, PATCH // SCALE), torch.rand(BATCH, 1, PATCH, PATCH)

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        torch.nn.functional.mse_loss(self.net(self.lr), self.hr).backward()
        self.optimizer.step()


class Telling:
    """Tells one row a call, each of a step of its own."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker, self.step = tracker, 0

    def __call__(self) -> None:
        self.tracker.metrics(ROW, self.step)
        self.step += 1


@pytest.fixture
def telling(tmp_path: Path) -> Iterator[Telling]:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tracker = Tracker(uri, str(tmp_path / "artifacts"), "srlab", str(tmp_path / "outbox"), live=True)
    with tracker.start("espcn", {}, {}).closing():
        tracker.known_id()  # importing mlflow and creating the store are over
        yield Telling(tracker)


@pytest.mark.benchmark(group=GROUP)
def test_a_step(benchmark) -> None:
    benchmark.pedantic(Training(), rounds=100, warmup_rounds=10)


@pytest.mark.benchmark(group=GROUP)
def test_a_call_after_a_step(benchmark, telling: Telling) -> None:
    benchmark.pedantic(telling, setup=Training(), rounds=100, warmup_rounds=10)
