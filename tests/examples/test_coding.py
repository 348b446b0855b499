"""Orthogonal matching pursuit against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import orthogonal_mp_gram
from torch import Tensor

from srlab.examples.coding import pursue


def random(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True)


def dense(indices: Tensor, codes: Tensor, num_atoms: int) -> Tensor:
    return torch.zeros(len(codes), num_atoms, dtype=codes.dtype).scatter_add_(1, indices, codes)


@pytest.mark.parametrize("sparsity", [1, 2, 3, 5])
def test_codes_are_those_of_scikit_learn(sparsity: int) -> None:
    signals, atoms = random(200, 12), unit(random(40, 12, seed=1))
    expected = orthogonal_mp_gram((atoms @ atoms.T).numpy(), (atoms @ signals.T).numpy(), n_nonzero_coefs=sparsity)
    # 1e-9: five atoms of 12 dimensions may lie close together, which multiplies the rounding of float64
    np.testing.assert_allclose(dense(*pursue(signals, atoms, sparsity), 40).numpy(), expected.T, atol=1e-9)


def test_a_flat_patch_has_no_code() -> None:
    _, codes = pursue(torch.zeros(2, 12), unit(random(6, 12)).float(), 3)
    assert torch.equal(codes, torch.zeros(2, 3))


def test_an_atom_that_is_there_twice_does_no_harm() -> None:
    atoms = unit(random(3, 4))[[0, 1, 2, 0, 1, 2]]
    signals = random(50, 4, seed=2)
    indices, codes = pursue(signals, atoms, 4)
    best = torch.linalg.lstsq(atoms[:3].T, signals.T).solution.T @ atoms[:3]  # three atoms span all there is
    torch.testing.assert_close(dense(indices, codes, 6) @ atoms, best)
