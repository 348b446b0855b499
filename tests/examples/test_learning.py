"""Every example-based method of conf/model: it learns, writes, reads and enlarges better than bicubic interpolation."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from eras import classic_psnr, pixels
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from skimage import data
from standard_sets import standard_images
from stores import packed

from srlab.degradation.pairs import PairStore
from srlab.errors import SrlabError
from srlab.examples.anchored import Anchored
from srlab.examples.coding import pursue
from srlab.examples.samples import Samples
from srlab.examples.training import Learned, NeighbourhoodRegression, SparseDictionary, training_store
from srlab.images.resample import imresize
from srlab.models.base.weights import save_tensors

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "conf/model").glob("*.yaml") if "srlab.examples" in path.read_text())
DICTIONARY = {"atoms": 64, "sparsity": 3, "iterations": 3, "signals": 4000}
SETTINGS: dict[str, dict[str, float]] = {
    "ne_lle": {**DICTIONARY, "neighbours": 12, "ridge": 0.0001},
    "ne_nnls": {**DICTIONARY, "neighbours": 12},
    "zeyde": DICTIONARY,
    "gr": {**DICTIONARY, "ridge": 0.1},
    "anr": {**DICTIONARY, "neighbours": 16, "ridge": 0.01},
    "aplus": {**DICTIONARY, "neighbours": 256, "ridge": 0.1, "samples": 20000, "levels": 2, "shrink": 0.98},
}
every_method = pytest.mark.parametrize("name", EXAMPLES)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    """The left half of a photo of a coffee cup, x2."""
    return packed(tmp_path_factory.mktemp("train"), {"photo": data.coffee()[:200, :300]}, "train", num_val=0)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    """Another photo."""
    return packed(tmp_path_factory.mktemp("test"), {"photo": data.astronaut()[:160, 120:300]}, "test")


def config(name: str, folder: Path) -> DictConfig:
    """conf/model/<name>.yaml with the settings it asks for, its dictionary below `folder`."""
    model = OmegaConf.load(ROOT / "conf/model" / f"{name}.yaml")
    model.method.dictionary = str(folder / "dictionary.safetensors")
    model = OmegaConf.merge(model, {"seed": 7, "label": name})  # of conf/base/line.yaml
    whole = OmegaConf.create({"scale": 2, "examples": {name: SETTINGS[name]}, "model": model})
    return whole.model


class Result(NamedTuple):
    """What a method learned, what it told of each step, and where it was saved."""

    learned: Learned
    told: list[tuple[dict[str, float], int]]
    folder: Path


def learn(name: str, folder: Path, store: PairStore) -> Result:
    told: list[tuple[dict[str, float], int]] = []
    result = instantiate(config(name, folder).learner)(store, lambda row, step: told.append((row, step)))
    save_tensors(folder / "dictionary.safetensors", result.tensors, {"scale": "2"})
    return Result(result, told, folder)


@pytest.fixture(scope="module")
def results(store: PairStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Result]:
    """Learns once by each method that is asked for."""
    return cache(lambda name: learn(name, tmp_path_factory.mktemp(name), store))


@every_method
def test_a_method_beats_bicubic_on_a_photo_it_has_not_seen(
    name: str, results: Callable[[str], Result], other: PairStore
) -> None:
    lr, hr = pixels(other.lr("photo")), other.hr("photo")
    bicubic = classic_psnr(imresize(lr, scale=2).clamp(0, 1), hr, 2)
    method = instantiate(config(name, results(name).folder).method)
    # 0.3 dB: about a tenth of what the papers report for 1024 atoms of 91 images at x2, on Set5
    assert classic_psnr(method.upscale(lr, 2), hr, 2) > bicubic + 0.3


@pytest.mark.parametrize("name", ["ne_lle", "aplus"])
def test_learning_again_gives_the_same_bytes(
    name: str, results: Callable[[str], Result], tmp_path: Path, store: PairStore
) -> None:
    files = [one.folder / "dictionary.safetensors" for one in (results(name), learn(name, tmp_path, store))]
    assert files[0].read_bytes() == files[1].read_bytes()


@every_method
def test_each_step_of_ksvd_is_told(name: str, results: Callable[[str], Result]) -> None:
    told = results(name).told
    assert [step for _, step in told] == [0, 1, 2]
    residuals = [row["train/ksvd_rmse"] for row, _ in told]
    assert residuals == sorted(residuals, reverse=True)


def test_the_numbers_of_samples_are_told(results: Callable[[str], Result], store: PairStore) -> None:
    facts = results("aplus").learned.facts
    assert facts["train/num_signals"] == min(4000, len(Samples(store, 2)))
    assert facts["train/num_samples"] == 20000 < len(Samples(store, 1, 2, 0.98))


def published(low: np.ndarray, high: np.ndarray, ridge: float) -> np.ndarray:
    """H (L^T L + ridge I)^-1 L^T of examples in rows, as Timofte et al. print it for examples in columns."""
    return high.T @ np.linalg.inv(low @ low.T + ridge * np.eye(len(low))) @ low


def deviation(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the matrix; 1e-3 is what sums in float32, divided by a ridge of 0.01, can make of it."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def arrays(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in tensors.items()}


def test_gr_is_the_published_regression_on_all_atoms(results: Callable[[str], Result]) -> None:
    """With the gain of 1 + ridge that the authors' code has."""
    zeyde, gr = (arrays(results(name).learned.tensors) for name in ("zeyde", "gr"))
    assert len(gr["regressions"]) == 1
    assert deviation(gr["regressions"][0], 1.1 * published(zeyde["atoms"], zeyde["details"], 0.1)) < 1e-3


def test_anr_is_the_published_regression_on_the_nearest_atoms(results: Callable[[str], Result]) -> None:
    zeyde, anr = (arrays(results(name).learned.tensors) for name in ("zeyde", "anr"))
    for atom, matrix in zip(zeyde["atoms"], anr["regressions"], strict=True):
        near = np.argsort(-np.abs(zeyde["atoms"] @ atom))[:16]
        expected = 1.01 * published(zeyde["atoms"][near], zeyde["details"][near], 0.01)
        assert deviation(matrix, expected) < 1e-3


def test_aplus_is_the_published_regression_on_the_nearest_patches(tmp_path: Path, store: PairStore) -> None:
    """Nearest by distance, so that a patch's negative is far away."""
    cfg = config("aplus", tmp_path).learner
    cfg.levels, cfg.neighbours, cfg.samples = 1, 100, 5000
    found = arrays(instantiate(cfg)(store, lambda row, step: None).tensors)
    projection = torch.tensor(found["projection"]).float()
    features, details = (part.double().numpy() for part in Samples(store, 1).gather(projection, 5000, seed=7))
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit, scaled = features / np.maximum(lengths, 1e-7), details / np.where(lengths < 0.1, 1, lengths)
    for anchor, matrix in zip(found["anchors"], found["regressions"], strict=True):
        near = np.argsort(((unit - anchor) ** 2).sum(1))[:100]
        assert deviation(matrix, published(unit[near], scaled[near], 0.1)) < 1e-3


def test_hr_atoms_belong_to_the_codes_in_the_final_lr_atoms(results: Callable[[str], Result], store: PairStore) -> None:
    tensors = results("zeyde").learned.tensors
    features, details = Samples(store, 2).gather(tensors["projection"], 4000, seed=7)
    numbers, codes = pursue(features, tensors["atoms"], 3)
    dense = torch.zeros(len(features), 64).scatter_add_(1, numbers, codes).double()
    expected = torch.linalg.lstsq(dense, details.double()).solution
    used = dense.abs().sum(0) > 0
    torch.testing.assert_close(tensors["details"][used].double(), expected[used], atol=1e-4, rtol=1e-3)  # float32 codes


@pytest.mark.data
def test_anr_scores_what_the_literature_prints(tmp_path: Path) -> None:
    """Learned from the 91 images of Yang et al., but with 4 of 20 rounds of K-SVD on a quarter of the patches."""
    train, store = (
        packed(tmp_path / role, standard_images(name), role, 4, num_val=0)
        for name, role in (("T91", "train"), ("Set5", "test"))
    )
    dictionary = SparseDictionary(atoms=1024, sparsity=3, iterations=4, signals=20_000, seed=1)
    result = NeighbourhoodRegression(dictionary, neighbours=40, ridge=0.01)(train, lambda row, step: None)
    save_tensors(tmp_path / "dictionary.safetensors", result.tensors, {"scale": "4"})
    method = Anchored("ANR", 4, str(tmp_path / "dictionary.safetensors"))
    scores = [classic_psnr(method.upscale(pixels(store.lr(image)), 4), store.hr(image), 4) for image in store.test]
    # Timofte et al. 2013 print 29.69 dB; 0.1 for the shorter training and LR of 8-bit colours.
    assert sum(scores) / 5 == pytest.approx(29.69, abs=0.1)


def test_a_store_that_does_not_serve_is_refused(store: PairStore, other: PairStore) -> None:
    with pytest.raises(SrlabError, match=r"was made for x2, this run wants x4: run `dvc repro`"):
        training_store(store.folder, 4)
    with pytest.raises(SrlabError, match="has no training images"):
        training_store(other.folder, 2)
