"""Training patches and validation images of one packed store, as a Lightning DataModule.

Which patch is the i-th of epoch e is a pure function of (seed, e, i): a run that is killed and resumed, or that has
another number of loader workers, sees the same data. A shuffling DataLoader cannot promise that.
"""

from collections.abc import Iterator, Sized
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from srlab.data.augmentation import transform_batch
from srlab.data.pairs import PairStore
from srlab.errors import SrlabError


class EpochPlan:
    """The patches of every epoch: which index entry and which position each of them has."""

    def __init__(self, num_entries: int, patches_per_epoch: int, seed: int) -> None:
        self.num_entries, self.patches_per_epoch, self.seed = num_entries, patches_per_epoch, seed

    def draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(entries, us, vs) of one epoch, each (patches_per_epoch,); u and v in [0, 1) place the crop.

        Every entry is used once before any is used again: the entries are shuffled round by round.
        """
        generator = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        num_rounds = -(-self.patches_per_epoch // self.num_entries)
        rounds = [generator.permutation(self.num_entries) for _ in range(num_rounds)]
        entries = np.concatenate(rounds)[: self.patches_per_epoch]
        us, vs = generator.random((2, self.patches_per_epoch))
        return entries, us, vs


class TrainBatches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Item (epoch, indices) -> one whole batch: LR (B, 3, p/s, p/s) and HR (B, 3, p, p) uint8, operation (B,)."""

    def __init__(self, store: PairStore, plan: EpochPlan, patch_size: int) -> None:
        self.store, self.plan, self.patch_size = store, plan, patch_size
        self._drawn: tuple[int, tuple[np.ndarray, ...]] | None = None

    def __getitem__(self, key: tuple[int, np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
        epoch, indices = key
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = (epoch, self.plan.draw(epoch))
        entries, us, vs = (column[indices] for column in self._drawn[1])
        lr, hr, operations = self.store.crops(entries, us, vs, self.patch_size)
        return torch.from_numpy(lr), torch.from_numpy(hr), torch.from_numpy(operations)


class EpochSampler(Sampler[tuple[int, np.ndarray]], Sized):
    """Keys of the batches of the current epoch; rank r of w takes every w-th patch of each global batch."""

    def __init__(self, patches_per_epoch: int, batch_size: int, rank: int, world_size: int) -> None:
        self.epoch = 0
        self.batches = [
            np.arange(start + rank, min(start + batch_size, patches_per_epoch), world_size)
            for start in range(0, patches_per_epoch, batch_size)
        ]

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch, the resumed one included."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        return ((self.epoch, batch) for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class ValidationImages(Dataset[tuple[Tensor, Tensor]]):
    """Item i -> LR (1, 3, h, w) and HR (1, 3, H, W) uint8 of the i-th validation image, whole."""

    def __init__(self, store: PairStore) -> None:
        self.store = store

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        name = self.store.val[index]
        return _to_batch(self.store.lr(name)), _to_batch(self.store.hr(name))

    def __len__(self) -> int:
        return len(self.store.val)


class PairData(pl.LightningDataModule):
    """Batches of (LR, HR) in [0, 1] on the device; augmentation and float work happen there, on the whole batch.

    Args:
        folder: a packed store made by the degrade stage.
        scale: what the model expects; another scale in the store is an error.
        patch_size: side of the HR patch in pixels, a multiple of scale.
        batch_size: patches per step over all devices.
        patches_per_epoch: what one epoch means; a last, smaller batch is kept.
        num_workers: loader processes; None is 4 beside a GPU and 0 on a CPU, where they would take its cores.
    """

    def __init__(
        self,
        folder: str,
        scale: int,
        seed: int,
        patch_size: int,
        batch_size: int,
        patches_per_epoch: int,
        num_workers: int | None,
    ) -> None:
        super().__init__()
        self.store = PairStore(Path(folder))
        if self.store.scale != scale:
            raise SrlabError(f"{folder} was made for x{self.store.scale}, this run wants x{scale}: run `dvc repro`")
        if not (self.store.train and self.store.val):
            raise SrlabError(f"{folder} lacks training or validation images: give its data set more num_val or images")
        if patch_size % scale:
            raise SrlabError(f"patch_size {patch_size} is not a multiple of scale {scale}: change it in params.yaml")
        self.patch_size, self.batch_size, self.patches_per_epoch = patch_size, batch_size, patches_per_epoch
        self.seed = seed
        self.num_workers = (4 if torch.cuda.is_available() else 0) if num_workers is None else num_workers

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.trainer is not None
        plan = EpochPlan(len(self.store.train), self.patches_per_epoch, self.seed)
        sampler = EpochSampler(
            self.patches_per_epoch, self.batch_size, self.trainer.global_rank, self.trainer.world_size
        )
        sampler.set_epoch(self.trainer.current_epoch)
        return DataLoader(
            TrainBatches(self.store, plan, self.patch_size),
            sampler=sampler,
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(ValidationImages(self.store), batch_size=None)

    def on_after_batch_transfer(self, batch: tuple[Tensor, ...], dataloader_idx: int) -> tuple[Tensor, Tensor]:
        """uint8 -> float in [0, 1]; training patches (which carry an operation) are rotated and flipped first."""
        lr, hr = batch[:2]
        if len(batch) == 3:
            lr, hr = transform_batch(lr, batch[2]), transform_batch(hr, batch[2])
        return lr.float() / 255, hr.float() / 255


def _to_batch(image: np.ndarray) -> Tensor:
    """uint8 (H, W, C) -> (1, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
