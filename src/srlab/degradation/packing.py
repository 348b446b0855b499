"""The writer of `srlab.degradation.pairs` stores: decode, degrade and pack, an image per core at a time."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed, parallel_config
from numpy.lib.format import open_memmap

from srlab.degradation.imaging import Bicubic, Imaging
from srlab.degradation.pairs import FORMAT, VERSION, content_digest, num_bytes
from srlab.errors import SrlabError
from srlab.files import read_made, replacing
from srlab.images.colour import luma
from srlab.images.decode import read_listed
from srlab.images.resample import imresize, to_uint8
from srlab.progress import track

SPLITS = ("train", "val", "test")
SSIM_WINDOW = 11  # px within a border of `scale` px: smaller images cannot be scored
Geometry = dict[str, dict[str, Any]]  # {name: {"channels", "hr": [offset, H, W], "lr": [offset, h, w]}}
# HR bytes from which processes pay: two take some seconds to start, threads (decoders hold Python's lock) lose as much
# on 500 MPix (measured with bicubic x4 on two cores).
PROCESSES_FROM = 1_500_000_000


def pack(
    images_dir: Path,
    index: dict[str, list[Any]],
    degradation: Bicubic | Imaging,
    out_dir: Path,
    minimum_side: int,
    workers: int | None = None,
) -> None:
    """Degrade the images that `index` names and write hr.npy, lr.npy (1-D uint8) and index.json to `out_dir`.

    `images_dir` is what `fetch_images` wrote. An index with training images makes a training store: all its images get
    3 channels, so that batches are uniform; a test store keeps grey images grey. The files appear together or not at
    all, and are the same whatever the number of `workers` (None: one per core). SrlabError names every image
    with a side below `minimum_side` px, one that is not what the manifest says, and of those that are to be scored
    every one that is too small for it, flat, or what bicubic makes of its LR image.
    """
    images_dir = Path(images_dir)
    manifest = read_made(images_dir / "manifest.json")
    listed = manifest["images"]
    names = sorted({name for name, _ in index["train"]} | set(index["val"]) | set(index["test"]))
    geometry = geometry_of(manifest, names, degradation.scale, as_colour=bool(index["train"]))
    least = dict.fromkeys(names, max(minimum_side, 1))
    least |= dict.fromkeys([*index["val"], *index["test"]], max(minimum_side, SSIM_WINDOW + 2 * degradation.scale))
    problems = [
        f"{images_dir / listed[name]['file']} is {width}x{height} px at x{degradation.scale}; "
        f"the smallest usable side is {least[name]}: remove it"
        for name, (_, height, width) in ((name, entry["hr"]) for name, entry in geometry.items())
        if min(width, height) < least[name]
    ]
    if problems:
        raise SrlabError("\n".join(problems))
    sources = {name: (images_dir / listed[name]["file"], listed[name]) for name in names}
    facts = {"wanted": manifest["wanted"], "got": manifest["got"], **{split: index[split] for split in SPLITS}}
    write_pairs(Path(out_dir), read_listed, sources, geometry, degradation, facts, workers)


def write_pairs(
    out_dir: Path,
    load: Callable[..., np.ndarray],
    sources: Mapping[str, tuple[Any, ...]],
    geometry: Geometry,
    degradation: Bicubic | Imaging,
    facts: dict[str, Any],
    workers: int | None,
) -> None:
    """Write the store of the images of `geometry`; `load(*sources[name])` gives uint8 (H, W, C).

    At most one image per worker is in memory at a time. A large store (PROCESSES_FROM) is made by processes, to which
    `load`, a name's sources and `degradation` are pickled. `facts` are the entries of index.json that are not measured.
    """
    large, scored = num_bytes(geometry, "hr") >= PROCESSES_FROM, {*facts["val"], *facts["test"]}
    pool = {"backend": "loky", "inner_max_num_threads": 1} if large else {"backend": "threading"}
    with replacing(out_dir) as folder, _one_torch_thread(), _disk(out_dir):
        folder.mkdir()
        starts = {
            key: open_memmap(folder / f"{key}.npy", "w+", np.uint8, (num_bytes(geometry, key),)).offset
            for key in ("hr", "lr")
        }
        jobs = (
            delayed(_pack_one)(folder, starts, load, sources[name], degradation, name, entry, name in scored)
            for name, entry in geometry.items()
        )
        with parallel_config(**pool):
            done: Any = Parallel(n_jobs=workers or -1, return_as="generator")(jobs)
            with closing(done):  # on an error or Ctrl-C the workers stop, since the store is removed
                packed = dict(zip(geometry, track(done, f"packing x{degradation.scale}", len(geometry)), strict=True))
        if problems := [f"{name} {problem}: remove it" for name, (_, problem) in packed.items() if problem]:
            raise SrlabError("\n".join(problems))
        images = {name: entry for name, (entry, _) in packed.items()}
        content = {"scale": degradation.scale, "degradation": str(degradation), **facts, "images": images}
        header = {"format": FORMAT, "version": VERSION, "digest": content_digest(content)}
        (folder / "index.json").write_text(json.dumps({**header, **content}) + "\n", encoding="utf-8")


def geometry_of(manifest: dict[str, Any], names: list[str], scale: int, *, as_colour: bool) -> Geometry:
    """Where the images lie, one after the other; `as_colour` gives all of them 3 channels."""
    geometry: Geometry = {}
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


def _pack_one(
    folder: Path,
    starts: Mapping[str, int],
    load: Callable[..., np.ndarray],
    source: tuple[Any, ...],
    degradation: Bicubic | Imaging,
    name: str,
    entry: dict[str, Any],
    is_scored: bool,
) -> tuple[dict[str, Any], str | None]:
    """Write one image's HR and LR to their places, which begin at byte `starts` of a file.

    Its line of index.json, and why it cannot be scored, if it is to be.
    """
    _keep_freed_memory()
    drawn, digests = degradation.draw(name), {}
    hr, lr = drawn(load(*source))
    for key, pixels in (("hr", hr), ("lr", lr)):
        stored = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], entry["channels"])))
        if stored.shape != (*entry[key][1:], entry["channels"]):
            raise ValueError(f"{degradation} made {key} of {name} {stored.shape}")
        # Not through a memory map: written pages would count as memory of this process, and a full disk is a bus error.
        with (folder / f"{key}.npy").open("r+b") as file:
            file.seek(starts[key] + entry[key][0])
            file.write(stored.data)
        digests[key] = hashlib.sha256(stored.data).hexdigest()
    problem = unfit(hr, lr, degradation.scale) if is_scored else None
    return {**entry, "sha256": digests, "drawn": dict(drawn.parameters)}, problem


def unfit(hr: np.ndarray, lr: np.ndarray, scale: int) -> str | None:
    """Why a uint8 pair cannot be scored: a PSNR of it is infinite, or decides alone which epoch is the best.

    A border of `scale` px is not scored, and luma to 8 bit.
    """
    inner = np.s_[scale:-scale, scale:-scale]
    original = _luma(hr[inner])
    if (original == original.flat[0]).all():
        return "is of one grey level where it is scored, which every method returns as it is"
    if np.array_equal(_luma(to_uint8(imresize(lr / np.float32(255), scale=scale))[inner]), original):
        return "is what bicubic makes of its LR image, so that its PSNR is infinite"
    return None


def _luma(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W) of uint8 (H, W, 1 or 3)."""
    return to_uint8(luma(torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255)))[0]).numpy()


@cache
def _keep_freed_memory() -> None:
    """Let this process use the memory of one image for the next: asking the system again took a third of the time.

    Freed memory goes back to the system from twice the size of the largest block freed before (glibc: mallopt(3), on
    M_MMAP_THRESHOLD), which is less than what one image takes; from here on that is 32 MiB. Elsewhere nothing happens.
    """
    np.empty(2**24, np.uint8)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Torch with a single thread per caller meanwhile: the images are what runs in parallel."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """SrlabError in place of an error of the file system."""
    try:
        yield
    except OSError as error:
        raise SrlabError(
            f"{folder} cannot be written ({error.strerror}): free some space or choose another disk"
        ) from error
