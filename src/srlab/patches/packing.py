"""The writer of `srlab.patches.pairs` stores: decode, degrade and pack, an image per core at a time."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from joblib import Parallel, delayed, parallel_config
from numpy.lib.format import open_memmap

from srlab.errors import SrlabError
from srlab.files import read_json, replacing
from srlab.images.decode import read_listed
from srlab.images.files import size_problem
from srlab.patches.pairs import FORMAT, VERSION, content_digest, num_bytes
from srlab.progress import track

SPLITS = ("train", "val", "test")
# HR bytes from which processes pay: two take some seconds to start, threads (decoders hold Python's lock) lose as much
# on 500 MPix (measured with bicubic x4 on two cores).
PROCESSES_FROM = 1_500_000_000


class Drawn(Protocol):
    """Makes (cropped HR, LR), both uint8 (H, W, C), of one image's HR; LR sides are HR sides // scale."""

    @property
    def parameters(self) -> Mapping[str, float | str]:
        """What was drawn for this image, empty where nothing is random."""
        ...

    def __call__(self, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


class Degradation(Protocol):
    """Draws what happens to an image by its name; `str` of it says in one line what it does."""

    scale: int

    def draw(self, name: str) -> Drawn: ...


def pack(
    images_dir: Path,
    index: dict[str, list[Any]],
    degradation: Degradation,
    out_dir: Path,
    minimum_side: int,
    workers: int | None = None,
) -> None:
    """Degrade the images that `index` names and write hr.npy, lr.npy (1-D uint8) and index.json to `out_dir`.

    `images_dir` is what `fetch_images` wrote. An index with training images makes a training store: all its images get
    3 channels, so that batches are uniform; a test store keeps grey images grey. The files appear together or not at
    all, and are the same whatever the number of `workers` (None: one per core). SrlabError names every image
    with a side below `minimum_side` px, or one that is not what the manifest says.
    """
    images_dir = Path(images_dir)
    manifest = read_json(images_dir / "manifest.json")
    listed = manifest["images"]
    names = sorted({name for name, _ in index["train"]} | set(index["val"]) | set(index["test"]))
    geometry = geometry_of(manifest, names, degradation.scale, as_colour=bool(index["train"]))
    _check_sizes(images_dir, manifest, geometry, minimum_side)
    sources = {name: (images_dir / listed[name]["file"], listed[name]) for name in names}
    facts = {"wanted": manifest["wanted"], "got": manifest["got"], **{split: index[split] for split in SPLITS}}
    write_pairs(Path(out_dir), read_listed, sources, geometry, degradation, facts, workers)


def write_pairs(
    out_dir: Path,
    load: Callable[..., np.ndarray],
    sources: Mapping[str, tuple[Any, ...]],
    geometry: dict[str, dict[str, Any]],
    degradation: Degradation,
    facts: dict[str, Any],
    workers: int | None,
) -> None:
    """Write the store of the images of `geometry`; `load(*sources[name])` gives uint8 (H, W, C).

    At most one image per worker is in memory at a time. A large store (PROCESSES_FROM) is made by processes, to which
    `load`, a name's sources and `degradation` are pickled. `facts` are the entries of index.json that are not measured.
    """
    with replacing(out_dir) as temporary, _one_thread_each():
        temporary.mkdir()
        sizes = {key: num_bytes(geometry, key) for key in ("hr", "lr")}
        buffers = {key: _Buffer.create(temporary / f"{key}.npy", size) for key, size in sizes.items()}
        jobs = (
            delayed(_pack_one)(buffers, load, sources[name], degradation, name, entry)
            for name, entry in geometry.items()
        )
        pool = {"backend": "threading"}
        if sizes["hr"] >= PROCESSES_FROM:
            pool = {"backend": "loky", "inner_max_num_threads": 1}
        with parallel_config(**pool):
            done: Any = Parallel(n_jobs=workers or _num_cores(), return_as="generator")(jobs)
            with closing(done):  # on an error or Ctrl-C nobody goes on working for a store that is being removed
                images = dict(zip(geometry, track(done, f"packing x{degradation.scale}", len(geometry)), strict=True))
        content = {"scale": degradation.scale, "degradation": str(degradation), **facts, "images": images}
        header = {"format": FORMAT, "version": VERSION, "digest": content_digest(content)}
        (temporary / "index.json").write_text(json.dumps({**header, **content}) + "\n")


def _pack_one(
    buffers: "dict[str, _Buffer]",
    load: Callable[..., np.ndarray],
    source: tuple[Any, ...],
    degradation: Degradation,
    name: str,
    entry: dict[str, Any],
) -> dict[str, Any]:
    """Write one image's HR and LR to their places; its line of index.json."""
    _keep_freed_memory()
    drawn, digests = degradation.draw(name), {}
    for key, pixels in zip(("hr", "lr"), drawn(load(*source)), strict=True):
        stored = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], entry["channels"])))
        if stored.shape != (*entry[key][1:], entry["channels"]):
            raise ValueError(f"{degradation} made {key} of {name} {stored.shape}")
        buffers[key].put(entry[key][0], stored)
        digests[key] = hashlib.sha256(stored.data).hexdigest()
    return {**entry, "sha256": digests, "drawn": dict(drawn.parameters)}


def geometry_of(
    manifest: dict[str, Any], names: list[str], scale: int, *, as_colour: bool
) -> dict[str, dict[str, Any]]:
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


@dataclass(frozen=True)
class _Buffer:
    """A 1-D uint8 .npy that several threads or processes fill in any order; its first pixel is byte `start`.

    By pwrite and not through a memory map: written pages do not count as memory of this process, and a full disk is an
    exception instead of a bus error.
    """

    path: Path
    start: int

    @classmethod
    def create(cls, path: Path, length: int) -> "_Buffer":
        """A new file of `length` zeros."""
        return cls(path, open_memmap(path, "w+", np.uint8, (length,)).offset)

    def put(self, offset: int, pixels: np.ndarray) -> None:
        rest, position = pixels.reshape(-1).data, self.start + offset
        file = os.open(self.path, os.O_WRONLY)
        try:
            while rest:
                written = os.pwrite(file, rest, position)
                rest, position = rest[written:], position + written
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise SrlabError(f"{self.path.parent} does not fit on the disk: free some space and try again") from None
        finally:
            os.close(file)


@cache
def _keep_freed_memory() -> None:
    """Let this process use the memory of one image for the next: getting it anew took a third of the time.

    Freed memory goes back to the system from twice the size of the largest block freed before (glibc: mallopt(3), on
    M_MMAP_THRESHOLD), which is less than what one image takes; from here on that is 32 MiB. Elsewhere nothing happens.
    """
    np.empty(2**24, np.uint8)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Torch with a single thread per caller meanwhile: the images are what runs in parallel."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _num_cores() -> int:
    """Cores this process may use (on Linux fewer than there are inside a container)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
