"""Training patches and validation images of one packed store, as a Lightning DataModule."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from srlab.degradation.pairs import PairStore
from srlab.errors import SrlabError
from srlab.images.colour import luma
from srlab.images.turns import transform_batch
from srlab.patches.feeders import Patches, Places, ResidentPatches, StoredPatches
from srlab.patches.plan import EpochPlan, EpochSampler

Pair = tuple[Tensor, Tensor]  # LR (B, C, h, w) and HR (B, C, H, W) in [0, 1]
RESIDENT_SHARE = 0.25  # of the GPU's free memory that `auto` gives to the set; activations need the rest


class ValidationImages(Dataset[Pair]):
    """Item i -> LR (1, 3, h, w) and HR (1, 3, H, W) uint8 of the i-th validation image, whole."""

    def __init__(self, store: PairStore) -> None:
        self.store = store

    def __getitem__(self, index: int) -> Pair:
        name = self.store.val[index]
        return _to_batch(self.store.lr(name)), _to_batch(self.store.hr(name))

    def __len__(self) -> int:
        return len(self.store.val)


class PairData(pl.LightningDataModule):
    """Chunks of training batches (LR, HR) in [0, 1] on the device, where they are also turned and made float.

    A chunk is a list of `chunk` batches: the module takes an optimizer step on each, so that Lightning's own work is
    done once for all of them. A network of one channel gets luma. Validation images come whole, one by one, in RGB.

    Args:
        folder: a packed store made by the degrade stage.
        scale: what the model expects; another scale in the store is an error.
        patch_size: side of the HR patch in pixels, a multiple of scale.
        batch_size: patches per step over all devices.
        patches_per_epoch: what one epoch means; a last, smaller batch is kept.
        feeder: "stored" cuts patches out of the memory map, "resident" out of a copy of the set on the device; "auto"
            is "resident" on a GPU if the set fits in a quarter of its free memory. Results are equal.
        num_workers: loader processes of a stored set; None is 4 for a GPU, and 0 for a CPU, whose cores they would use.
        chunk: steps per call of the module's training_step.
    """

    def __init__(
        self,
        folder: str,
        scale: int,
        seed: int,
        patch_size: int,
        batch_size: int,
        patches_per_epoch: int,
        feeder: Literal["auto", "stored", "resident"] = "auto",
        num_workers: int | None = None,
        chunk: int = 1,
    ) -> None:
        super().__init__()
        self.store = PairStore(Path(folder))
        if self.store.scale != scale:
            raise SrlabError(f"{folder} was made for x{self.store.scale}, this run wants x{scale}: run `dvc repro`")
        if not (self.store.train and self.store.val):
            raise SrlabError(f"{folder} lacks training or validation images: give its data set more num_val or images")
        if patch_size % scale:
            raise SrlabError(f"patch_size {patch_size} is not a multiple of scale {scale}: change it in params.yaml")
        if feeder not in ("auto", "stored", "resident"):
            raise SrlabError(f"there is no feeder {feeder!r}: set data.feeder to auto, stored or resident")
        self.patch_size, self.batch_size, self.patches_per_epoch = patch_size, batch_size, patches_per_epoch
        self.seed, self.feeder, self.num_workers, self.chunk = seed, feeder, num_workers, chunk
        self.val_images = ValidationImages(self.store)
        self._resident: ResidentPatches | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch."""
        return -(-self.patches_per_epoch // self.batch_size)

    def train_dataloader(self) -> DataLoader[Any]:
        """A loader that resumes at the module's count of steps, also in the middle of an epoch."""
        trainer, device = self._trainer(), self._trainer().strategy.root_device
        self._require_even_batches(trainer.world_size)
        plan = EpochPlan(len(self.store.train), self.patches_per_epoch, self.seed)
        module: Any = trainer.lightning_module
        sampler = EpochSampler(
            self.patches_per_epoch,
            self.batch_size,
            self.chunk,
            trainer.global_rank,
            trainer.world_size,
            divmod(module.num_steps, self.steps_per_epoch),
        )
        if self._is_resident(device):
            self._resident = ResidentPatches(self.store, plan, self.patch_size, device)
            return _loader(self._resident, sampler)
        is_gpu = device.type == "cuda"
        num_workers = (4 if is_gpu else 0) if self.num_workers is None else self.num_workers
        return _loader(StoredPatches(self.store, plan, self.patch_size), sampler, num_workers, pin_memory=is_gpu)

    @property
    def validates(self) -> bool:
        """Whether this process has validation images of its own: there may be more processes than images."""
        return self._trainer().global_rank < len(self.val_images)

    def val_dataloader(self) -> DataLoader[Any]:
        """Every w-th image where there are w processes; the first, not to be counted, for one that has none."""
        trainer = self._trainer()
        own = range(trainer.global_rank, len(self.val_images), trainer.world_size)
        return _loader(self.val_images, own if self.validates else range(1))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> list[Pair] | Pair:
        """uint8 -> float in [0, 1]; training patches are turned and flipped, and come as a list of batches."""
        if isinstance(batch, Places):
            assert self._resident is not None
            batch = self._resident.cut(batch)
        if not isinstance(batch, Patches):
            lr, hr = batch
            return lr / 255, hr / 255
        size = self.batch_size // self._trainer().world_size
        if batch.lr.is_cuda:  # a few large kernels instead of many small ones
            lr, hr = self._prepare(batch.lr, batch.operations), self._prepare(batch.hr, batch.operations)
            return list(zip(lr.split(size), hr.split(size), strict=True))
        steps = zip(*(tensor.split(size) for tensor in batch), strict=True)  # what fits in a CPU's cache
        return [(self._prepare(lr, operations), self._prepare(hr, operations)) for lr, hr, operations in steps]

    def _prepare(self, patches: Tensor, operations: Tensor) -> Tensor:
        """Turned patches in [0, 1], in the order that takes least time: turning moves what is there, pixel by pixel."""
        module: Any = self._trainer().lightning_module
        if module.network.channels == 1:
            return transform_batch(luma(patches / 255), operations)  # moves one float a pixel instead of three bytes
        return transform_batch(patches, operations) / 255

    def _is_resident(self, device: torch.device) -> bool:
        if self.feeder != "auto":
            return self.feeder == "resident"
        if device.type != "cuda":
            return False
        size = sum(buffer.nbytes for buffer in self.store.buffers())
        return size < RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]

    def _require_even_batches(self, world_size: int) -> None:
        """On several devices, gradients are averaged over them, so each needs as many patches of every batch."""
        if self.batch_size % world_size:
            raise SrlabError(f"batch_size {self.batch_size} is not a multiple of the {world_size} processes: change it")
        if world_size > 1 and self.patches_per_epoch % self.batch_size:
            raise SrlabError(
                f"patches_per_epoch {self.patches_per_epoch} is not a multiple of batch_size {self.batch_size}, "
                f"which {world_size} processes need: change it in params.yaml"
            )

    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None
        return self.trainer


def _loader(dataset: Any, sampler: Any, num_workers: int = 0, *, pin_memory: bool = False) -> DataLoader[Any]:
    return DataLoader(
        dataset,
        sampler=sampler,
        batch_size=None,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # or the loader would draw from the random state that the training resumes with
    )


def _to_batch(image: np.ndarray) -> Tensor:
    """uint8 (H, W, C) -> (1, C, H, W); 5 times as fast as a copy of the transposed image (5 ms for 2.8 MPix)."""
    return torch.from_numpy(np.stack([image[..., channel] for channel in range(image.shape[2])]))[None]
