"""LR generation and packing against what else is installed: read the ratios inside one run, not the seconds.

    SRLAB_DATASETS=... pytest benchmarks/bench_data.py --benchmark-group-by=group --benchmark-columns=min,median

Each row does the same pixels of the same images and notes its MPix/s (HR) as extra info; `-s` prints them at the end.
On a machine that others use too, `--benchmark-timer=time.process_time` gives MPix per second of CPU, whatever the load
(but not of rows with processes: theirs is not counted).
BasicSR needs torchvision and an environment of its own: on the machine of its measurement (2 cores of an EPYC, one
thread) its `imresize` did 17 MPix/s from PNG to PNG where Pillow alone decoded 35, and 24 with two processes.
"""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.transform
import torch
import torch.nn.functional as F
from PIL import Image

from srlab.datasets.archives import Archive
from srlab.datasets.augmentation import build_index
from srlab.datasets.sources import fetch_images
from srlab.degradation import packing
from srlab.degradation.imaging import Bicubic, Imaging
from srlab.degradation.packing import geometry_of, pack, write_pairs
from srlab.degradation.reduction import reduce_bicubic
from srlab.files import read_json
from srlab.images.decode import read_listed
from srlab.images.files import read_image
from srlab.images.resample import imresize, to_uint8

SCALE = 4
NUM_IMAGES = {"BSD100": 100, "imagenet_sample": 100}
RATES: dict[tuple[str, str], float] = {}


class Material:
    """One data set as the stage `fetch` leaves it, and its pixels."""

    def __init__(self, name: str, folder: Path) -> None:
        if not os.environ.get("SRLAB_DATASETS"):
            pytest.skip("SRLAB_DATASETS is not set")
        self.name, self.folder, self.out = name, folder / name, folder / "pairs"
        fetch_images(Archive(name, [], NUM_IMAGES[name]), self.folder, 16)
        self.manifest = read_json(self.folder / "manifest.json")
        self.entries: dict[str, dict[str, Any]] = self.manifest["images"]
        self.files = {name: self.folder / entry["file"] for name, entry in self.entries.items()}
        self.pixels = {name: read_image(file) for name, file in self.files.items()}
        self.sources = {name: (image,) for name, image in self.pixels.items()}
        self.cropped = [Bicubic(SCALE)(image)[0] for image in self.pixels.values()]
        self.index = build_index(self.manifest, "test", 0, 1, seed=0)
        self.megapixels = sum(image.shape[0] * image.shape[1] for image in self.pixels.values()) / 1e6


@pytest.fixture(scope="module", params=NUM_IMAGES)
def material(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(request.param, tmp_path_factory.mktemp("bench"))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    print("\n" + "\n".join(f"{group:28} {row:34} {rate:8.1f} MPix/s" for (group, row), rate in RATES.items()))


def timed(benchmark: Any, material: Material, group: str, row: str, function: Callable[[], object]) -> None:
    benchmark.group = f"{material.name}: {group}"
    benchmark.pedantic(function, rounds=3, warmup_rounds=1)
    rate = material.megapixels / benchmark.stats.stats.min
    benchmark.extra_info["MPix/s"] = RATES[benchmark.group, row] = rate


def skimage_lr(image: np.ndarray) -> np.ndarray:
    size = (image.shape[0] // SCALE, image.shape[1] // SCALE)
    return to_uint8(skimage.transform.resize(image / 255.0, size, order=3, anti_aliasing=True))


def torch_lr(image: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    y = F.interpolate(x, scale_factor=1 / SCALE, mode="bicubic", antialias=True)[0]
    return y.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def pillow_lr(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image.squeeze())
    return np.asarray(picture.resize((picture.width // SCALE, picture.height // SCALE), Image.Resampling.BICUBIC))


REDUCERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "srlab, exact": lambda image: reduce_bicubic(image, SCALE),
    "srlab, float64": lambda image: to_uint8(imresize(image / 255.0, scale=1 / SCALE)),
    "torch antialias, float32 (border off)": torch_lr,
    "Pillow (rounds twice)": pillow_lr,
    "scikit-image (Gaussian, then spline)": skimage_lr,
}


@pytest.mark.parametrize("row", REDUCERS)
def test_reduction(benchmark: Any, material: Material, row: str) -> None:
    timed(benchmark, material, "x1/4 in memory", row, lambda: [REDUCERS[row](image) for image in material.cropped])


@pytest.mark.parametrize("row", ["srlab", "Pillow"])
def test_decoding(benchmark: Any, material: Material, row: str) -> None:
    readers = {"srlab": lambda name: read_listed(material.files[name], material.entries[name])}
    readers["Pillow"] = lambda name: read_image(material.files[name])
    timed(benchmark, material, "decoding", row, lambda: [readers[row](name) for name in material.files])


WORKERS = [(1, "in this thread"), (2, "threads"), (2, "processes")]


@pytest.mark.parametrize(("workers", "kind"), WORKERS)
def test_files_to_packed_store(
    benchmark: Any, material: Material, monkeypatch: pytest.MonkeyPatch, workers: int, kind: str
) -> None:
    """Processes are started in the warm-up: what a large set sees, of which their start (seconds) is a small part."""
    monkeypatch.setattr(packing, "PROCESSES_FROM", 0 if kind == "processes" else math.inf)

    def run() -> None:
        pack(material.folder, material.index, Bicubic(SCALE), material.out, 16, workers)

    timed(benchmark, material, "files to LR", f"srlab, packed, {workers} {kind}", run)


@pytest.mark.parametrize("row", ["Pillow", "torch antialias", "scikit-image"])
def test_files_to_files(benchmark: Any, material: Material, tmp_path: Path, row: str) -> None:
    """One process, PNG out: the way every repository's own script does it."""
    reduce = {"Pillow": pillow_lr, "torch antialias": torch_lr, "scikit-image": skimage_lr}[row]

    def run() -> None:
        for name, file in material.files.items():
            Image.fromarray(reduce(read_image(file)).squeeze()).save(tmp_path / f"{name}.png")

    timed(benchmark, material, "files to LR", f"{row}, PNG out", run)


@pytest.mark.parametrize("workers", [1, 2])
def test_arrays_to_packed_store(benchmark: Any, material: Material, workers: int) -> None:
    geometry = geometry_of(material.manifest, material.index["test"], SCALE, as_colour=False)

    def run() -> None:
        write_pairs(material.out, np.asarray, material.sources, geometry, Bicubic(SCALE), {}, workers)

    timed(benchmark, material, "decoded arrays to store", f"LR made and packed, {workers} worker(s)", run)


@pytest.mark.parametrize("workers", [1, 2])
def test_hr_arrays_to_packed_store(benchmark: Any, material: Material, workers: int) -> None:
    """HR alone, as BasicSR's `extract_subimages` writes it (2.8 MPix/s with one process, 4.4 with two)."""
    geometry = geometry_of(material.manifest, material.index["test"], 1, as_colour=False)
    for entry in geometry.values():
        entry["lr"] = [0, 1, 1]

    class Nothing(Bicubic):
        def __call__(self, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return hr, hr[:1, :1]

    def run() -> None:
        write_pairs(material.out, np.asarray, material.sources, geometry, Nothing(1), {}, workers)

    timed(benchmark, material, "decoded arrays to store", f"HR packed, {workers} worker(s)", run)


@pytest.mark.parametrize("workers", [1, 2])
def test_full_degradation_to_packed_store(benchmark: Any, material: Material, workers: int) -> None:
    ranges = {"shift": (0, 1), "rotation": (-1, 1), "sigma": (0.2, 2), "anisotropy": (0, 0.5), "length": (0, 3)}
    ranges |= {"peak": (100, 1000), "noise": (0, 10), "quality": (60, 95)}
    strengths = {key: {"min": low, "max": high} for key, (low, high) in ranges.items()}
    model = Imaging(SCALE, 0, "bicubic", kernel=None, **strengths)

    def run() -> None:
        pack(material.folder, material.index, model, material.out, 16, workers)

    timed(benchmark, material, "files to LR, all of DBMH + n", f"srlab, {workers} worker(s)", run)
