"""Two ways to cut a batch of patches out of a packed store; both give the same bytes.

`StoredPatches` cuts on the CPU, out of the memory map: for sets of any size, in loader processes if there are some.
`ResidentPatches` keeps the whole set on the device as uint8 and cuts there: the CPU sends 40 bytes a patch, so that a
small network on a fast GPU does not wait for it.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from srlab.degradation.pairs import PairStore
from srlab.patches.plan import EpochPlan

Key = tuple[int, np.ndarray]  # epoch and which of its patches, (B,)


class Patches(NamedTuple):
    """Patches as they lie in the images: LR (B, 3, p/s, p/s), HR (B, 3, p, p), uint8; operation to come (B,)."""

    lr: Tensor
    hr: Tensor
    operations: Tensor


class Places(NamedTuple):
    """int64 (5, B): where patches lie, see `PairStore.places`."""

    table: Tensor


class StoredPatches(Dataset[Patches]):
    """Item (epoch, indices) -> Patches, cut out of the memory map."""

    def __init__(self, store: PairStore, plan: EpochPlan, patch_size: int) -> None:
        self.store, self.plan, self.patch_size = store, plan, patch_size

    def __getitem__(self, key: Key) -> Patches:
        cut = self.store.crops(*self.plan.drawn(*key), self.patch_size)
        return Patches(*(torch.from_numpy(array) for array in cut))


class ResidentPatches(Dataset[Places]):
    """Item (epoch, indices) -> Places; `cut` turns them into Patches on the device that holds the set.

    Args:
        device: where both buffers are copied to, once.
    """

    def __init__(self, store: PairStore, plan: EpochPlan, patch_size: int, device: torch.device) -> None:
        self.store, self.plan, self.patch_size = store, plan, patch_size
        # a copy, on the CPU too: the map is read-only, which torch does not know
        self.lr, self.hr = (torch.from_numpy(np.array(buffer)).to(device) for buffer in store.buffers())

    def __getitem__(self, key: Key) -> Places:
        return Places(torch.from_numpy(self.store.places(*self.plan.drawn(*key), self.patch_size)))

    def cut(self, places: Places) -> Patches:
        """The patches at `places`, which are on the device too."""
        lr_corners, lr_widths, hr_corners, hr_widths, operations = places.table
        lr = _gather(self.lr, lr_corners, lr_widths, self.patch_size // self.store.scale)
        return Patches(lr, _gather(self.hr, hr_corners, hr_widths, self.patch_size), operations)


def _gather(buffer: Tensor, corners: Tensor, widths: Tensor, patch: int) -> Tensor:
    """(B, 3, patch, patch) with the top left byte at `corners` (B,), out of 3-channel images `widths` (B,) px wide."""
    rows = torch.arange(patch, device=buffer.device)
    begins = corners[:, None] + 3 * widths[:, None] * rows
    length = 3 * patch
    # every run of `length` bytes is a row of this view, so that whole patch rows are copied and not single bytes
    runs = buffer.as_strided((buffer.numel() - length + 1, length), (1, 1))
    return runs[begins].view(len(begins), patch, patch, 3).permute(0, 3, 1, 2)
