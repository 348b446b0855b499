"""Batches hold pairs that belong together, the same ones whatever feeds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import attach
from torch import Tensor

from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import pack
from srlab.errors import SrlabError
from srlab.images.colour import luma
from srlab.images.resample import imresize
from srlab.patches.datamodule import PairData


def batches(data: PairData, *epochs: int, **trainer: int) -> list[tuple[Tensor, Tensor]]:
    """The batches of one loader over some epochs."""
    attach(data, **trainer)
    loader, result = data.train_dataloader(), []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)  # pyright: ignore[reportAttributeAccessIssue]
        result += [batch for chunk in loader for batch in data.on_after_batch_transfer(chunk, 0)]
    return result


def same(left: list[tuple[Tensor, Tensor]], right: list[tuple[Tensor, Tensor]]) -> bool:
    pairs = [(one, other) for a, b in zip(left, right, strict=True) for one, other in zip(a, b, strict=True)]
    return all(one.equal(other) for one, other in pairs)


def test_batches_are_whole_and_in_the_unit_range(data: Callable[..., PairData]) -> None:
    found = batches(data(patches_per_epoch=10), 0)
    assert [len(lr) for lr, _ in found] == [4, 4, 2]  # the smaller last batch is kept
    for lr, hr in found:
        assert lr.shape[1:] == (3, 8, 8)
        assert hr.shape[1:] == (3, 16, 16)
        assert hr.dtype == lr.dtype == torch.float32
        assert 0 <= min(lr.min(), hr.min()) <= max(lr.max(), hr.max()) <= 1


def test_turned_patches_still_belong_together(data: Callable[..., PairData]) -> None:
    for lr, hr in batches(data(patches_per_epoch=32), 0):
        made = imresize(hr.double(), 1 / 2)
        inside = (..., slice(2, -2), slice(2, -2))  # the bicubic of a patch's edge saw what lies around the patch
        # LR is rounded to 8 bit after each pass: 1/2 * 1.25 + 1/2 levels (1.25: sum of the weights' sizes)
        torch.testing.assert_close(made[inside], lr.double()[inside], rtol=0, atol=1.126 / 255)


def test_loader_processes_change_nothing(data: Callable[..., PairData]) -> None:
    assert same(batches(data(num_workers=2), 0, 1), batches(data(), 0, 1))


@pytest.mark.parametrize("changes", [{"feeder": "resident"}, {"chunk": 2}, {"chunk": 3, "feeder": "resident"}])
@pytest.mark.parametrize("channels", [1, 3])
def test_feeder_and_chunk_change_nothing(data: Callable[..., PairData], changes: dict[str, Any], channels: int) -> None:
    left = data(patches_per_epoch=22)  # 5 batches of 4, and one of 2
    right = data(patches_per_epoch=22, **changes)
    assert same(batches(left, 0, 1, channels=channels), batches(right, 0, 1, channels=channels))


def test_a_network_of_one_channel_gets_luma(data: Callable[..., PairData]) -> None:
    for grey, rgb in zip(batches(data(), 0, channels=1), batches(data(), 0), strict=True):
        assert all(one.equal(luma(other)) for one, other in zip(grey, rgb, strict=True))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_loader_resumes_in_the_middle_of_an_epoch(data: Callable[..., PairData], num_workers: int) -> None:
    settings = {"patches_per_epoch": 24, "chunk": 2}  # 6 steps, 3 chunks
    whole = batches(data(**settings), 1, 2)
    assert same(batches(data(**settings, num_workers=num_workers), 1, 2, num_steps=6 + 4), whole[4:])
    assert same(batches(data(**settings, num_workers=num_workers), 2, num_steps=12), whole[6:])


def test_two_processes_share_every_batch(data: Callable[..., PairData]) -> None:
    whole = batches(data(), 0)
    parts = [batches(data(), 0, rank=rank, world_size=2) for rank in range(2)]
    for batch, *halves in zip(whole, *parts, strict=True):
        joined = [torch.stack(pair, 1).flatten(0, 1) for pair in zip(*halves, strict=True)]
        assert all(one.equal(other) for one, other in zip(batch, joined, strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 3, "patches_per_epoch": 9}, "batch_size 3 is not a multiple of the 2 processes"),
        ({"patches_per_epoch": 10}, "patches_per_epoch 10 is not a multiple of batch_size 4, which 2 processes need"),
    ],
)
def test_uneven_batches_are_refused_on_two_devices(
    data: Callable[..., PairData], changes: dict[str, int], message: str
) -> None:
    with pytest.raises(SrlabError, match=message):
        batches(data(**changes), 0, world_size=2)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_image_is_validated_once(data: Callable[..., PairData], world_size: int) -> None:
    """A process without images of its own has one all the same, so that it does what the others do."""
    seen = []
    for rank in range(world_size):
        pairs = data()
        attach(pairs, rank=rank, world_size=world_size)
        own = list(pairs.val_dataloader())
        assert own
        seen += own * pairs.validates
    assert len(seen) == len(data().store.val)


def test_epochs_differ_and_do_not_depend_on_those_before(data: Callable[..., PairData]) -> None:
    assert same(batches(data(), 0, 1)[2:], batches(data(), 1))
    assert not same(batches(data(), 0), batches(data(), 1))


def test_validation_images_come_whole(data: Callable[..., PairData]) -> None:
    pairs = data()
    attach(pairs)
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
        ({"feeder": "fast"}, "no feeder 'fast': set data.feeder to auto, stored or resident"),
        ({"patch_size": 17}, "patch_size 17 is not a multiple of scale 2: change it in params.yaml"),
    ],
)
def test_what_does_not_fit_is_named(data: Callable[..., PairData], changes: dict[str, int], message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        data(**changes)
