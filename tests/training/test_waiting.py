"""The share of the time that the device waits for patches, and how many it gets."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from kinds import regression
from tiny import Recorder
from trainings import Train

from srlab.training import history
from srlab.training.history import Waiting

BATCH = [(torch.zeros(4, 1, 8, 8), torch.zeros(4, 1, 16, 16)), (torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 16, 16))]
MODULE: Any = SimpleNamespace(device=torch.device("cpu"))


class Clock:
    """A clock that stands still between the ticks it is told of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(history, "time", SimpleNamespace(perf_counter=lambda: self.now))


def chunk(waiting: Waiting, clock: Clock, feeding: float, working: float, world_size: int = 1) -> None:
    trainer: Any = SimpleNamespace(world_size=world_size)
    clock.now += feeding
    waiting.on_train_batch_start(trainer, MODULE, BATCH, 0)
    clock.now += working
    waiting.on_train_batch_end(trainer, MODULE, None, BATCH, 0)


@pytest.mark.parametrize("world_size", [1, 2])
def test_shares_and_patches_are_those_of_the_clock(monkeypatch: pytest.MonkeyPatch, world_size: int) -> None:
    """Feeding 1 + 3 s of 16 s; 2 chunks of 6 patches a process."""
    waiting, clock, nobody = Waiting(), Clock(monkeypatch), SimpleNamespace()
    for _ in range(2):  # an epoch forgets the one before
        waiting.on_train_epoch_start(nobody, MODULE)  # pyright: ignore[reportArgumentType]
        chunk(waiting, clock, feeding=1, working=5, world_size=world_size)
        chunk(waiting, clock, feeding=3, working=7, world_size=world_size)
        waiting.on_validation_start(nobody, MODULE)  # pyright: ignore[reportArgumentType]
        assert waiting.figures == {"speed/wait_share": 4 / 16, "speed/patches_per_second": 12 * world_size / 16}


def test_an_epoch_that_is_entered_in_the_middle_counts_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no start, and its first chunk was fed before anybody looked."""
    waiting, clock = Waiting(), Clock(monkeypatch)
    chunk(waiting, clock, feeding=100, working=5)
    chunk(waiting, clock, feeding=1, working=4)
    waiting.on_validation_start(SimpleNamespace(), MODULE)  # pyright: ignore[reportArgumentType]
    assert waiting.figures == {"speed/wait_share": 1 / 10, "speed/patches_per_second": 12 / 10}


SPEEDS = {"speed/wait_share", "speed/patches_per_second"}


def test_the_watcher_is_told_and_the_rows_are_not(train: Train) -> None:
    """They differ from run to run, so they are no part of a result."""
    seen = Recorder()
    result = train(regression(), 2, seen)
    for row in seen.rows.values():
        assert row.keys() >= SPEEDS
        assert 0 <= row["speed/wait_share"] <= 1
        assert row["speed/patches_per_second"] > 0
    assert not any(SPEEDS & row.keys() for row in result.rows)
