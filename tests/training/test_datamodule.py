"""Which patch comes when is a pure function of seed, epoch and index."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from srlab.data.datamodule import EpochPlan, EpochSampler, PairData
from srlab.data.degradation import Bicubic
from srlab.data.packing import pack
from srlab.data.resample import imresize
from srlab.errors import SrlabError

sizes = st.integers(1, 40)
epochs = st.integers(0, 1000)


def batches(data: PairData, *epochs: int) -> list[tuple[Tensor, Tensor]]:
    """The batches of one loader over some epochs, as a single process sees them."""
    data.trainer = SimpleNamespace(global_rank=0, world_size=1, current_epoch=epochs[0])  # pyright: ignore[reportAttributeAccessIssue]
    loader, result = data.train_dataloader(), []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)  # pyright: ignore[reportAttributeAccessIssue]
        result += [data.on_after_batch_transfer(batch, 0) for batch in loader]
    return result


def same(left: list[tuple[Tensor, Tensor]], right: list[tuple[Tensor, Tensor]]) -> bool:
    pairs = [(one, other) for a, b in zip(left, right, strict=True) for one, other in zip(a, b, strict=True)]
    return all(one.equal(other) for one, other in pairs)


@given(sizes, sizes, st.integers(0, 9), st.lists(epochs, min_size=1, max_size=4))
def test_a_plan_does_not_remember_what_was_drawn_before(
    entries: int, patches: int, seed: int, before: list[int]
) -> None:
    used, fresh = EpochPlan(entries, patches, seed), EpochPlan(entries, patches, seed)
    for epoch in before:
        used.draw(epoch)
    for column, expected in zip(used.draw(5), fresh.draw(5), strict=True):
        np.testing.assert_array_equal(column, expected)


@given(sizes, sizes, st.integers(0, 9), epochs)
def test_every_entry_is_used_once_before_any_is_used_again(entries: int, patches: int, seed: int, epoch: int) -> None:
    drawn = EpochPlan(entries, patches, seed).draw(epoch)[0]
    for start in range(0, patches, entries):
        assert max(Counter(drawn[start : start + entries].tolist()).values()) == 1
    assert set(drawn.tolist()) <= set(range(entries))


@given(sizes, sizes, st.integers(0, 9), epochs)
def test_crops_are_placed_in_the_unit_square(entries: int, patches: int, seed: int, epoch: int) -> None:
    _, us, vs = EpochPlan(entries, patches, seed).draw(epoch)
    assert len(us) == len(vs) == patches
    assert 0 <= min(us.min(), vs.min()) <= max(us.max(), vs.max()) < 1


@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (1, 0)])
def test_another_epoch_or_seed_draws_otherwise(seed: int, epoch: int) -> None:
    first, other = EpochPlan(30, 30, 0).draw(0), EpochPlan(30, 30, seed).draw(epoch)
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 8))
def test_ranks_partition_every_batch(patches: int, batch_size: int, world_size: int) -> None:
    ranks = [EpochSampler(patches, batch_size, rank, world_size) for rank in range(world_size)]
    starts = range(0, patches, batch_size)
    assert {len(rank) for rank in ranks} == {len(starts)}
    for start, *parts in zip(starts, *ranks, strict=True):
        together = sorted(int(index) for _, part in parts for index in part)
        assert together == list(range(start, min(start + batch_size, patches)))


def test_keys_carry_the_epoch_that_was_set() -> None:
    sampler = EpochSampler(8, 4, 0, 1)
    sampler.set_epoch(3)
    assert [epoch for epoch, _ in sampler] == [3, 3]


def test_batches_are_whole_and_in_the_unit_range(data: Callable[..., PairData]) -> None:
    for lr, hr in batches(data(patches_per_epoch=10), 0):
        assert lr.shape[1:] == (3, 8, 8)
        assert hr.shape[1:] == (3, 16, 16)
        assert hr.dtype == lr.dtype == torch.float32
        assert 0 <= min(lr.min(), hr.min()) <= max(lr.max(), hr.max()) <= 1


def test_the_last_smaller_batch_is_kept(data: Callable[..., PairData]) -> None:
    assert [len(lr) for lr, _ in batches(data(patches_per_epoch=10), 0)] == [4, 4, 2]


def test_turned_patches_still_belong_together(data: Callable[..., PairData]) -> None:
    for lr, hr in batches(data(patches_per_epoch=32), 0):
        made = imresize(hr.double(), 1 / 2)
        inside = (..., slice(2, -2), slice(2, -2))  # the bicubic of a patch's edge saw what lies around the patch
        torch.testing.assert_close(made[inside], lr.double()[inside], rtol=0, atol=0.51 / 255)  # LR is rounded to 8 bit


def test_an_epoch_is_the_same_whatever_came_before_it(data: Callable[..., PairData]) -> None:
    assert same(batches(data(), 0, 1, 2)[4:], batches(data(), 2))


def test_loader_processes_change_nothing(data: Callable[..., PairData]) -> None:
    assert same(batches(data(num_workers=2), 0, 1), batches(data(), 0, 1))


def test_epochs_differ(data: Callable[..., PairData]) -> None:
    assert not same(batches(data(), 0), batches(data(), 1))


def test_validation_images_come_whole(data: Callable[..., PairData]) -> None:
    pairs = data()
    ((lr, hr),) = [pairs.on_after_batch_transfer(batch, 0) for batch in pairs.val_dataloader()]
    original = pairs.store.hr(pairs.store.val[0])
    np.testing.assert_array_equal((hr[0].permute(1, 2, 0) * 255).round().byte().numpy(), original)
    assert lr.shape == (1, 3, 20, 20)


@pytest.mark.parametrize("index", [{"train": [["image0", 0]], "val": []}, {"train": [], "val": ["image0"]}])
def test_a_store_without_anything_to_learn_from_is_named(
    data: Callable[..., PairData], store: Path, tmp_path: Path, index: dict[str, list[Any]]
) -> None:
    pack(store.parent / "images", {**index, "test": []}, Bicubic(2), tmp_path / "half", 16)
    with pytest.raises(SrlabError, match="half lacks training or validation images"):
        data(folder=str(tmp_path / "half"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 4}, "pairs was made for x2, this run wants x4: run `dvc repro`"),
        ({"patch_size": 17}, "patch_size 17 is not a multiple of scale 2: change it in params.yaml"),
    ],
)
def test_what_does_not_fit_is_named(data: Callable[..., PairData], changes: dict[str, int], message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        data(**changes)
