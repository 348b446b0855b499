"""Pairs of HR and LR images packed into two flat, memory-mapped buffers: 3 files however many images.

Decoding PNGs costs a training loop most of its time; a crop from a memory map costs a few microseconds.
"""

import hashlib
import json
import math
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib.format import open_memmap
from numpy.lib.stride_tricks import sliding_window_view

from srlab.data.images import read_image, size_problem
from srlab.errors import SrlabError
from srlab.files import read_json, replacing, write_json
from srlab.progress import track


class Degradation(Protocol):
    """Makes (cropped HR, LR), both uint8 (H, W, C), of an HR image; LR sides are HR sides // scale."""

    scale: int

    def __call__(self, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


def pack(
    images_dir: Path, index: dict[str, list[Any]], degradation: Degradation, out_dir: Path, minimum_side: int
) -> None:
    """Degrade the images that `index` names and write hr.npy, lr.npy (1-D uint8) and index.json to `out_dir`.

    `images_dir` is what `fetch_images` wrote. An index with training images makes a training store: all its images get
    3 channels, so that batches are uniform; a test store keeps grey images grey. The files appear together or not at
    all. SrlabError names every image with a side below `minimum_side` px, or one that is not what the manifest says.
    """
    images_dir, out_dir = Path(images_dir), Path(out_dir)
    manifest = read_json(images_dir / "manifest.json")
    names = sorted({name for name, _ in index["train"]} | set(index["val"]) | set(index["test"]))
    geometry = _geometry(manifest, names, degradation.scale, as_colour=bool(index["train"]))
    _check_sizes(images_dir, manifest, geometry, minimum_side)
    with replacing(out_dir) as temporary:
        temporary.mkdir()
        buffers = [open_memmap(temporary / f"{k}.npy", "w+", np.uint8, (_total(geometry, k),)) for k in ("hr", "lr")]
        digest = hashlib.sha256()
        for name in track(names, f"packing x{degradation.scale}"):
            image = _read(images_dir / manifest["images"][name]["file"], manifest["images"][name])
            image = image.repeat(geometry[name]["channels"] // image.shape[2], axis=2)
            for key, buffer, pixels in zip(("hr", "lr"), buffers, degradation(image), strict=True):
                _view(buffer, geometry[name], key)[:] = pixels
                digest.update(np.ascontiguousarray(pixels).data)
        for buffer in buffers:
            buffer.flush()
        content = {"scale": degradation.scale, "images": geometry, **{k: index[k] for k in ("train", "val", "test")}}
        digest.update(json.dumps(content, sort_keys=True).encode())
        counts = {"digest": digest.hexdigest(), "wanted": manifest["wanted"], "got": manifest["got"]}
        write_json(temporary / "index.json", {**counts, **content})


class PairStore:
    """Read-only view of what `pack` wrote; small to pickle, since every process opens the memory maps for itself.

    SrlabError on construction if a file is missing or damaged. Attributes: `scale` (HR side / LR side), `digest`
    (sha256 over geometry, index and pixels), `names` (all, sorted), `train` ((name, operation) of each entry), `val`
    and `test` (names), `wanted` (how many images were asked for, None: all) and `got` (how many the source gave).
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        try:
            content = read_json(self.folder / "index.json")
            self._images: dict[str, dict[str, Any]] = content["images"]
            self.scale: int = content["scale"]
            self.digest: str = content["digest"]
            self.train: list[tuple[str, int]] = [(name, operation) for name, operation in content["train"]]
            self.val: list[str] = content["val"]
            self.test: list[str] = content["test"]
            self.wanted: int | None = content["wanted"]
            self.got: int = content["got"]
            for key, buffer in (("hr", self._hr), ("lr", self._lr)):
                if buffer.shape != (_total(self._images, key),) or buffer.dtype != np.uint8:
                    raise ValueError(f"{key}.npy is not what index.json says")
        except FileNotFoundError as error:
            raise SrlabError(f"{error.filename} is missing: run `dvc repro`") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SrlabError(f"{self.folder} is damaged ({error}): remove it and run `dvc repro`") from error
        self.names: list[str] = sorted(self._images)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_hr", "_lr", "_table")}

    def channels(self, name: str) -> int:
        """1 (grey) or 3 (RGB)."""
        return self._images[name]["channels"]

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

        u and v in [0, 1) choose the top and left edge among all positions aligned with the LR grid, evenly. The arrays
        are new, in channels-last memory order. SrlabError if p is no multiple of scale or larger than an image.
        """
        patch, rest = divmod(hr_patch, self.scale)
        if rest:
            raise SrlabError(f"patch_size {hr_patch} is not a multiple of scale {self.scale}: change it in params.yaml")
        smallest = self._table[1:3].min() * self.scale
        if smallest < hr_patch:  # of all images, so that the first batch fails and not one in the middle of the night
            raise SrlabError(
                f"{self.folder} holds training images with a side of {smallest} px, below the patch size {hr_patch}: "
                "lower patch_size in params.yaml, or leave them out"
            )
        lr_start, height, width, hr_start, operation = self._table[:, entries]
        top = np.minimum((us * (height - patch + 1)).astype(np.int64), height - patch)  # a product may round up to 1
        left = np.minimum((vs * (width - patch + 1)).astype(np.int64), width - patch)
        scale = self.scale
        lr = _gather(self._lr, lr_start + 3 * (top * width + left), width, patch)
        hr = _gather(self._hr, hr_start + 3 * scale * (top * width * scale + left), width * scale, hr_patch)
        return lr, hr, operation

    @cached_property
    def _hr(self) -> np.ndarray:
        return np.asarray(open_memmap(self.folder / "hr.npy", mode="r"))

    @cached_property
    def _lr(self) -> np.ndarray:
        return np.asarray(open_memmap(self.folder / "lr.npy", mode="r"))

    @cached_property
    def _table(self) -> np.ndarray:
        """int64 (5, entries): LR offset, LR height, LR width, HR offset, operation of every training entry."""
        rows = [(*self._images[name]["lr"], self._images[name]["hr"][0], operation) for name, operation in self.train]
        return np.array(rows, dtype=np.int64).reshape(-1, 5).T


def _gather(buffer: np.ndarray, corners: np.ndarray, width: np.ndarray, patch: int) -> np.ndarray:
    """(B, 3, patch, patch) with the top left byte at `corners` (B,), out of 3-channel images `width` (B,) px wide."""
    begins = corners[:, None] + 3 * width[:, None] * np.arange(patch)
    # every run of 3 * patch bytes is a row of this view, so that numpy copies whole patch rows and not single bytes
    runs = sliding_window_view(buffer, 3 * patch)
    return runs[begins].reshape(len(begins), patch, patch, 3).transpose(0, 3, 1, 2)


def _geometry(manifest: dict[str, Any], names: list[str], scale: int, *, as_colour: bool) -> dict[str, dict[str, Any]]:
    """{name: {"channels", "hr": [offset, H, W], "lr": [offset, h, w]}} of the images one after the other."""
    geometry: dict[str, dict[str, Any]] = {}
    hr_offset = lr_offset = 0
    for name in names:
        entry = manifest["images"][name]
        height, width = entry["height"] // scale, entry["width"] // scale
        channels = 3 if as_colour else entry["channels"]
        hr, lr = [hr_offset, height * scale, width * scale], [lr_offset, height, width]
        geometry[name] = {"channels": channels, "hr": hr, "lr": lr}
        hr_offset += channels * height * scale * width * scale
        lr_offset += channels * height * width
    return geometry


def _check_sizes(images_dir: Path, manifest: dict[str, Any], geometry: dict[str, dict[str, Any]], minimum: int) -> None:
    problems = []
    for name, entry in geometry.items():
        _, height, width = entry["hr"]
        problems.append(size_problem(images_dir / manifest["images"][name]["file"], width, height, max(minimum, 1)))
    if any(problems):
        raise SrlabError("\n".join(filter(None, problems)))


def _read(path: Path, entry: dict[str, Any]) -> np.ndarray:
    image = read_image(path)
    if image.shape != (entry["height"], entry["width"], entry["channels"]):
        raise SrlabError(f"{path} is not the image that its manifest describes: run `dvc repro`")
    return image


def _total(geometry: dict[str, dict[str, Any]], key: str) -> int:
    """Bytes of all images of one buffer."""
    return sum(entry["channels"] * entry[key][1] * entry[key][2] for entry in geometry.values())


def _view(buffer: np.ndarray, entry: dict[str, Any], key: str) -> np.ndarray:
    offset, height, width = entry[key]
    shape = (height, width, entry["channels"])
    return buffer[offset : offset + math.prod(shape)].reshape(shape)
