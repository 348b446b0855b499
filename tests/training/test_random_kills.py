"""Whatever a training does when it is interrupted, started again it ends as if nothing had happened, bit for bit.

SRLAB_KILLS is how many processes are killed.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from children import ended, started
from kinds import EPOCHS, KINDS, killed, same, trained

from srlab.training.fit import Fitted
from srlab.training.resume import work_folder

NUM_KILLS = int(os.environ.get("SRLAB_KILLS", "2"))
TO_KILL = ["gan", *(name for name in KINDS if name != "gan")]


@pytest.mark.parametrize("name", KINDS)
def test_a_training_that_fails_again_and_again_ends_the_same(
    name: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, work = random.Random(name), tmp_path / "interrupted"
    expected, num_failures = trained(name, store, tmp_path / "whole"), 0
    capsys.readouterr()
    while True:
        try:
            result = trained(name, store, work, chance.randint(2, 6))
        except ConnectionError:
            num_failures += 1
        else:
            break
    assert same(result, expected)
    assert capsys.readouterr().out.count("resumes after") == num_failures > 1
    assert torch.load(work / "last.ckpt", weights_only=True)["progress"]["num_steps"] > 0


# Processes that are killed.


def until_killed(
    name: str, store: Path, work: Path, num_threads: int, life: int, signum: signal.Signals, delay: float
) -> None:
    torch.set_num_threads(num_threads)
    trained(name, store, work, life, killed(signum, delay))


@pytest.mark.parametrize("number", range(NUM_KILLS))
def test_a_killed_training_ends_the_same(number: int, store: Path, tmp_path: Path) -> None:
    name, signum = TO_KILL[number % len(TO_KILL)], (signal.SIGKILL, signal.SIGTERM)[number % 2]
    chance, work = random.Random(number), tmp_path / "work"
    life, delay = chance.randint(2, EPOCHS * 4), chance.uniform(0, 0.05)  # s
    child = started(until_killed, name, store, work, torch.get_num_threads(), life, signum, delay)
    # SIGTERM: 143 amid the training, 0 in the moment after its last checkpoint, -15 when it was over
    assert ended(child)[0] in {signal.SIGKILL: (-9,), signal.SIGTERM: (143, 0, -15)}[signum]
    assert (work / "last.ckpt").exists()
    assert same(trained(name, store, work), trained(name, store, tmp_path / "whole"))


def test_a_loader_process_that_outlives_its_training_does_not_hold_the_folder(tmp_path: Path) -> None:
    """It notices after seconds that it is alone; by then the training may have been started again."""
    child, (reading, writing) = 0, os.pipe()
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path, "espcn", {"lr": "0.1"}):
        child = os.fork()
        if child == 0:
            os.write(writing, b"!")
            time.sleep(60)
            os._exit(0)
        os.read(reading, 1)  # it runs
        raise KeyboardInterrupt
    try:
        with work_folder(tmp_path, "espcn", {"lr": "0.1"}):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


# SIGTERM, in this process.


def told_to_end(store: Path, work: Path, life: int) -> Fitted:
    return trained("plateau", store, work, life, lambda: os.kill(os.getpid(), signal.SIGTERM), minutes=99)


@pytest.fixture(scope="module")
def uninterrupted(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return told_to_end(store, tmp_path_factory.mktemp("whole"), 0)


@pytest.mark.parametrize(
    ("life", "place"), [(1, "step 1 of epoch 1"), (3, "epoch 1"), (4, "epoch 1"), (6, "step 2 of epoch 2")]
)
def test_sigterm_saves_at_once_and_says_how_to_go_on(
    life: int, place: str, uninterrupted: Fitted, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the step, however long ago the last checkpoint was; in the last one, or validation, after the epoch."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        told_to_end(store, tmp_path, life)
    assert caught.value.code == 143  # 128 + SIGTERM, what a shell and a scheduler expect
    assert signal.getsignal(signal.SIGTERM) == before
    last = tmp_path / "last.ckpt"
    expected = f"train test: stopped by SIGTERM; the same command resumes from {last}"
    assert capsys.readouterr().out.splitlines()[-1] == expected
    resumed = told_to_end(store, tmp_path, 0)
    assert f"train test: resumes after {place}, where" in capsys.readouterr().out
    assert same(resumed, uninterrupted)
