"""There is always a checkpoint to go on from, and what cannot be gone on from is named."""

import os
import random
import resource
import shutil
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from children import ended, started
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import regression, same, trained
from tiny import Recorder, trainer
from torch import Tensor, nn
from trainings import Train

from srlab.errors import SrlabError
from srlab.models.espcn import ESPCN
from srlab.patches.datamodule import PairData
from srlab.training.checkpoints import WholeFiles, newest, random_states, set_random_states
from srlab.training.fit import Fitted, fit

BY = {"lr": "0.1"}  # what made the checkpoints of these tests
run = partial(trained, "plateau")


@pytest.fixture(scope="module")
def whole(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The uninterrupted training."""
    return run(store, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def interrupted(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoints after steps 1 and 2 of epoch 2."""
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.raises(ConnectionError):
        run(store, folder, life=7)
    return folder


@pytest.fixture
def work(interrupted: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(interrupted, tmp_path / "work"))


# Damage.


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def flip(file: Path) -> None:
    """One bit in the middle of the file, among the numbers."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0b100
    file.write_bytes(content)


def flip_in_directory(file: Path) -> None:
    """The bit by which the entry of the largest tensor becomes a folder, which torch reads as whatever is in memory."""
    with zipfile.ZipFile(file) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size).filename.encode()
    content = bytearray(file.read_bytes())
    # APPNOTE.TXT 4.3.12: signature at 0, external attributes at 38, file name at 46
    content[content.rindex(largest) - 46 + 38] ^= 0x10
    file.write_bytes(content)


def foreign(file: Path) -> None:
    """An object of a class, which only a pickle that may run any code can hold."""
    torch.save({"origin": BY, "surprise": Path()}, file)


@pytest.mark.parametrize("damage", [truncate, empty, flip, flip_in_directory, foreign])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    work: Path, store: Path, whole: Fitted, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(work / "last.ckpt")
    capsys.readouterr()
    assert same(run(store, work), whole)
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith(f"{work / 'last.ckpt'} is damaged (")
    assert first.endswith("): resuming from the one before")
    assert second.startswith("train test: resumes after step 1 of epoch 2")


def test_with_both_damaged_it_starts_from_scratch_and_says_so(
    work: Path, store: Path, whole: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    damage = [work / "last.ckpt", work / "previous.ckpt"]
    for file in damage:
        flip(file)
    capsys.readouterr()
    assert same(run(store, work), whole)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" is damaged ")[0] for line in lines[:2]] == [str(file) for file in damage]
    assert lines[1].endswith("starting from scratch, there is no other")
    assert "resumes after" not in "".join(lines)


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), size=st.none() | st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_any_damage_is_either_found_or_harmless(
    position: float, bit: int, size: float | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One bit anywhere in the file, in its directory too, and a cut."""
    folder = tmp_path_factory.getbasetemp() / "any damage"
    saved(folder, 1.0)
    content = bytearray((folder / "last.ckpt").read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    (folder / "last.ckpt").write_bytes(content if size is None else content[: int(size * len(content))])
    found = newest(folder, BY)
    assert found is None or found[1]["weights"].tolist() == [1.0] * 100


# A kill between any two operations on files.


def saved(folder: Path, value: float) -> None:
    WholeFiles().save_checkpoint({"origin": BY, "weights": torch.full((100,), value)}, folder / "last.ckpt")


def value_of(folder: Path) -> float | None:
    found = newest(folder, BY)
    return None if found is None else float(found[1]["weights"][0])


def saved_but_killed(folder: Path, value: float, num_operations: int) -> bool:
    """Save in another process, which ends before its n-th operation on files; whether it came to its end before."""
    child = os.fork()
    if child == 0:
        counts = [0]

        def count(event: str, args: tuple[Any, ...]) -> None:
            # the last: opened to be written or locked
            counts[0] += event in {"os.rename", "os.remove"} or (event == "open" and args[2] & os.O_WRONLY)
            if counts[0] > num_operations:
                os._exit(9)

        sys.addaudithook(count)
        saved(folder, value)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("before", ["nothing", "one", "two", "damaged"])
def test_a_kill_between_any_two_operations_leaves_a_whole_checkpoint(tmp_path: Path, before: str) -> None:
    num_operations = 0
    while True:
        folder = tmp_path / str(num_operations)
        for value in {"nothing": [], "one": [1.0], "two": [0.5, 1.0], "damaged": [1.0, 1.5]}[before]:
            saved(folder, value)
        if before == "damaged":
            flip(folder / "last.ckpt")
        expected = value_of(folder)  # as every training begins
        assert expected == (None if before == "nothing" else 1.0)
        has_ended = saved_but_killed(folder, 2.0, num_operations)
        assert value_of(folder) in ([2.0] if has_ended else [expected, 2.0])
        saved(folder, 3.0)  # whatever lies there now
        assert value_of(folder) == 3.0
        if has_ended:
            break
        num_operations += 1
    assert num_operations >= 2  # to write, to rename


# Room.


def until_full(store: Path, work: Path, told: Path) -> None:
    """From the 7th chunk or image on, files of this process cannot be larger than 20 kB, as checkpoints are."""
    limit = (20_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    try:
        run(store, work, life=7, die=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    except SrlabError as error:
        told.write_text(str(error))


def test_a_full_disk_is_named_and_costs_one_checkpoint(
    store: Path, whole: Fitted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, told = tmp_path / "work", tmp_path / "told"
    assert ended(started(until_full, store, work, told)) == [0]
    assert told.read_text() == (
        f"{work / 'last.ckpt'} cannot be written (File too large): make room and run the same command again, it "
        "resumes from the checkpoint before"
    )
    assert sorted(file.name for file in work.iterdir()) == ["last.ckpt", "previous.ckpt"]  # and no half one
    assert same(run(store, work), whole)
    assert "resumes after step 2 of epoch 2" in capsys.readouterr().out


class Greedy(ESPCN):
    """Asks for `num_bytes` when it is trained, or raises what it is told."""

    num_bytes, error = 0, None

    def training_loss(self, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        if self.error:
            raise self.error
        torch.empty(self.num_bytes, dtype=torch.uint8)
        return super().training_loss(lr, hr, epoch)


def greedy(train: Train, **changes: Any) -> Fitted:
    module = regression(lambda: Greedy(2))
    module.net.__dict__.update(changes)
    return train(module)


@pytest.mark.parametrize(
    "changes",
    [{"num_bytes": 1 << 60}, {"error": MemoryError()}, {"error": torch.OutOfMemoryError("CUDA out of memory.")}],
    ids=["allocator", "python", "gpu"],
)
def test_too_little_memory_is_named_with_the_cures(train: Train, changes: dict[str, Any]) -> None:
    with pytest.raises(SrlabError, match=r"^train test: out of memory: lower its batch_size or .*accumulate"):
        greedy(train, **changes)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):  # any other passes unchanged
        greedy(train, error=RuntimeError("shapes cannot be multiplied"))


# What is in it.


def test_a_checkpoint_of_another_training_is_refused_with_what_differs(work: Path) -> None:
    with pytest.raises(SrlabError, match=r"last\.ckpt was made by another training \(lr is 0\.1 there and 0\.2 here\)"):
        newest(work, {"lr": "0.2"})


def draws() -> list[float]:
    return [float(torch.rand(())), float(nn.Dropout()(torch.ones(50)).sum()), np.random.rand(), random.random()]  # noqa: NPY002


def test_random_states_go_through_a_file(tmp_path: Path) -> None:
    draws()
    torch.save(random_states(), tmp_path / "states")
    expected = draws()
    set_random_states(torch.load(tmp_path / "states", weights_only=True))
    assert draws() == expected


def test_the_state_of_a_gpu_is_that_of_the_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with another number of GPUs, or none, the training is resumed all the same."""
    states = random_states() | {"cuda": torch.tensor([1, 2], dtype=torch.uint8)}
    given_to: list[Tensor] = []
    monkeypatch.setattr(torch.cuda, "set_rng_state", given_to.append)
    for is_there in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda is_there=is_there: is_there)
        set_random_states(states)
        assert len(given_to) == is_there


def test_a_precision_that_needs_its_loss_scaled_is_refused(data: Callable[..., PairData], tmp_path: Path) -> None:
    def with_scaler(**arguments: Any) -> Any:
        made = trainer(1)(**arguments)
        made.strategy.precision_plugin.scaler = object()  # as 16-mixed has on a GPU
        return made

    with pytest.raises(SrlabError, match="set bf16-mixed or 32-true"):
        fit(regression(), data(), with_scaler, tmp_path, "test", 1, Recorder(), BY, 1)
