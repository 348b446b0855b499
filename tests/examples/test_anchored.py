"""Anchored regression against the published formula and a loop over patches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from srlab.examples.anchored import Anchored
from srlab.examples.training import regressions
from srlab.models.base.weights import save_tensors


def random(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [4, 40], ids=["fewer examples than unknowns", "more"])
def test_regressions_are_those_of_the_paper(count: int) -> None:
    """H (L^T L + ridge I)^-1 L^T with examples as columns (Timofte et al. 2013), in float64."""
    features, details = random(3, count, 7), random(3, count, 16, seed=1)
    found = regressions(features, details, 0.1)
    for matrix, low, high in zip(found, features.double().numpy(), details.double().numpy(), strict=True):
        expected = high.T @ np.linalg.inv(low @ low.T + 0.1 * np.eye(count)) @ low
        np.testing.assert_allclose(matrix.numpy(), expected, atol=1e-4)  # products of float32, divided by down to 0.1


@pytest.fixture
def method(tmp_path: Path) -> Anchored:
    anchors = random(5, 3, seed=2)
    tensors = {
        "projection": random(4 * 36, 3, seed=3),
        "anchors": anchors / anchors.norm(dim=1, keepdim=True),
        "regressions": random(5, 36, 3, seed=4),
    }
    save_tensors(tmp_path / "dictionary.safetensors", tensors, {"scale": "2"})
    return Anchored("ANR", 2, str(tmp_path / "dictionary.safetensors"))


def test_each_patch_is_mapped_by_its_nearest_anchor(method: Anchored) -> None:
    features = random(60, 3, seed=5)
    expected = []
    for feature in features:
        nearest = max(range(5), key=lambda number: abs(float(method.anchors[number] @ feature)))
        expected.append(method.regressions[nearest] @ feature)
    torch.testing.assert_close(method.estimate(features), torch.stack(expected))
