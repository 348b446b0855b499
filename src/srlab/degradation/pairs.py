"""Pairs of HR and LR images in two flat, memory-mapped buffers: 3 files however many images.

Decoding PNGs costs a training loop most of its time; a crop from a memory map costs a few microseconds.

Version 2 of the format: hr.npy and lr.npy (1-D uint8: the images one after the other, rows of RGB or grey pixels) and
index.json (where each image lies, the digest of its pixels, what its degradation drew for it, a digest of all that).
`srlab.degradation.packing` writes it.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.lib.stride_tricks import sliding_window_view

from srlab.errors import SrlabError
from srlab.files import read_json

FORMAT, VERSION = "srlab pairs", 2


class PairStore:
    """Read-only view of what `pack` wrote. It pickles as its folder: every process opens the memory maps for itself.

    SrlabError on construction if a file is missing or damaged, or the store of another version or program. Attributes:
    `scale` (HR side / LR side), `digest` (sha256 over geometry, index and pixels), `names` (all, sorted), `train`
    ((name, operation) of each entry), `val` and `test` (names), `wanted` (how many images were asked for, None: all),
    `got` (how many the source gave), `degradation` (what it was, in words).
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        try:
            content = read_json(self.folder / "index.json")
            _require_version(self.folder, content)
            self._images: dict[str, dict[str, Any]] = content["images"]
            self.scale: int = content["scale"]
            self.digest: str = content["digest"]
            self.train: list[tuple[str, int]] = [(name, operation) for name, operation in content["train"]]
            self.val: list[str] = content["val"]
            self.test: list[str] = content["test"]
            self.wanted: int | None = content["wanted"]
            self.got: int = content["got"]
            self.degradation: str = content["degradation"]
            self._hr, self._lr = (_mapped(self.folder, key, self._images) for key in ("hr", "lr"))
            if self.digest != content_digest(content):
                raise ValueError("index.json was changed")
        except FileNotFoundError as error:
            raise SrlabError(f"{error.filename} is missing: run `dvc repro`") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SrlabError(f"{self.folder} is damaged ({error}): remove it and run `dvc repro`") from error
        self.names: list[str] = sorted(self._images)
        rows = [(*self._images[name]["lr"], self._images[name]["hr"][0], operation) for name, operation in self.train]
        # int64 (5, entries): LR offset, LR height, LR width, HR offset, operation of every training entry
        self._table = np.array(rows, dtype=np.int64).reshape(-1, 5).T

    def __reduce__(self) -> tuple[type["PairStore"], tuple[Path]]:
        return PairStore, (self.folder,)

    def hr(self, name: str) -> np.ndarray:
        """uint8 (H, W, C) high-resolution image, sides multiples of scale; a read-only view of the map."""
        return _view(self._hr, self._images[name], "hr")

    def lr(self, name: str) -> np.ndarray:
        """uint8 (H / scale, W / scale, C) low-resolution image; a read-only view of the map."""
        return _view(self._lr, self._images[name], "lr")

    def crops(
        self, entries: np.ndarray, us: np.ndarray, vs: np.ndarray, hr_patch: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """LR (B, 3, p/s, p/s) and HR (B, 3, p, p) uint8 patches of train entries, not yet turned, and operations (B,).

        `places` says what is cut out and raises. The arrays are new, in channels-last memory order.
        """
        lr_corners, lr_widths, hr_corners, hr_widths, operations = self.places(entries, us, vs, hr_patch)
        lr = _gather(self._lr, lr_corners, lr_widths, hr_patch // self.scale)
        hr = _gather(self._hr, hr_corners, hr_widths, hr_patch)
        return lr, hr, operations

    def places(self, entries: np.ndarray, us: np.ndarray, vs: np.ndarray, hr_patch: int) -> np.ndarray:
        """int64 (5, B) of train entries: where the LR patch begins in lr.npy, how wide its image is, the same of HR,
        operation.

        u and v in [0, 1) choose the top and left edge among all positions aligned with the LR grid, evenly. SrlabError
        if the patch size is no multiple of scale or larger than an image.
        """
        scale = self.scale
        patch, rest = divmod(hr_patch, scale)
        if rest:
            raise SrlabError(f"patch_size {hr_patch} is not a multiple of scale {scale}: change it in params.yaml")
        sides = self._table[1:3].min(axis=0) * scale  # (entries,), px
        if sides.min() < hr_patch:  # of all images: the first batch fails, not one in the middle of the night
            smallest = int(sides.argmin())
            raise SrlabError(
                f"{self.train[smallest][0]} of {self.folder} has a side of {sides[smallest]} px, below the patch size "
                f"{hr_patch}: lower patch_size in params.yaml, or leave it and all smaller ones out"
            )
        lr_start, height, width, hr_start, operations = self._table[:, entries]
        top = np.minimum((us * (height - patch + 1)).astype(np.int64), height - patch)  # a product may round up to 1
        left = np.minimum((vs * (width - patch + 1)).astype(np.int64), width - patch)
        lr_corners = lr_start + 3 * (top * width + left)
        hr_corners = hr_start + 3 * scale * (top * width * scale + left)
        return np.stack([lr_corners, width, hr_corners, width * scale, operations])

    def buffers(self) -> tuple[np.ndarray, np.ndarray]:
        """lr.npy and hr.npy, 1-D uint8: read-only views of the maps."""
        return self._lr, self._hr


def content_digest(content: dict[str, Any]) -> str:
    """sha256 in hex over index.json without its format, version and digest."""
    content = {key: value for key, value in content.items() if key not in ("format", "version", "digest")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def num_bytes(geometry: dict[str, dict[str, Any]], key: str) -> int:
    """Bytes of all images of one buffer."""
    return sum(entry["channels"] * entry[key][1] * entry[key][2] for entry in geometry.values())


def _require_version(folder: Path, content: Any) -> None:
    if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise SrlabError(
            f"{folder} is no packed store of version {VERSION} of srlab's format: "
            "correct the path, or remove it and run `dvc repro`"
        )


def _mapped(folder: Path, key: str, images: dict[str, dict[str, Any]]) -> np.ndarray:
    buffer = np.asarray(open_memmap(folder / f"{key}.npy", mode="r"))
    if buffer.shape != (num_bytes(images, key),) or buffer.dtype != np.uint8:
        raise ValueError(f"{key}.npy is not what index.json says")
    return buffer


def _view(buffer: np.ndarray, entry: dict[str, Any], key: str) -> np.ndarray:
    offset, height, width = entry[key]
    shape = (height, width, entry["channels"])
    return buffer[offset : offset + math.prod(shape)].reshape(shape)


def _gather(buffer: np.ndarray, corners: np.ndarray, width: np.ndarray, patch: int) -> np.ndarray:
    """(B, 3, patch, patch) with the top left byte at `corners` (B,), out of 3-channel images `width` (B,) px wide."""
    begins = corners[:, None] + 3 * width[:, None] * np.arange(patch)
    # every run of 3 * patch bytes is a row of this view, so that numpy copies whole patch rows and not single bytes
    runs = sliding_window_view(buffer, 3 * patch)
    return runs[begins].reshape(len(begins), patch, patch, 3).transpose(0, 3, 1, 2)
