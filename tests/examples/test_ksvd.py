"""K-SVD finds the dictionary that its signals were made of."""

import numpy as np
import pytest
import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.examples.ksvd import KSVD


def planted(num_signals: int = 1500, num_atoms: int = 20, size: int = 12) -> tuple[Tensor, Tensor]:
    """Signals of two random atoms each, and the atoms: the synthetic experiment of Aharon et al. 2006, made smaller."""
    generator = np.random.default_rng(0)
    atoms = generator.standard_normal((num_atoms, size))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((num_signals, num_atoms))
    for row in codes:
        row[generator.choice(num_atoms, 2, replace=False)] = generator.standard_normal(2)
    return torch.tensor(codes @ atoms).float(), torch.tensor(atoms).float()


def learned(signals: Tensor, num_atoms: int = 20, steps: int = 30) -> tuple[KSVD, list[float]]:
    ksvd = KSVD(signals, num_atoms, sparsity=2, seed=1)
    return ksvd, [ksvd.step() for _ in range(steps)]


def test_the_atoms_behind_the_signals_are_found() -> None:
    """Within 0.01 of the right direction, as Aharon et al. count: 90 % in their experiment, without noise or with."""
    signals, atoms = planted()
    ksvd, history = learned(signals)
    found = (atoms @ ksvd.atoms.T).abs().amax(1) > 0.99
    assert found.float().mean() >= 0.9
    assert history[-1] < 0.2 * history[0]
    torch.testing.assert_close(ksvd.atoms.norm(dim=1), torch.ones(20))


def test_the_reported_residual_is_what_the_updated_codes_leave() -> None:
    signals, _ = planted(num_signals=300)
    ksvd = KSVD(signals, 20, sparsity=2, seed=1)
    ksvd._replace = lambda errors, uses: None  # as it is before worthless atoms are replaced
    rmse = ksvd.step()
    left = signals - (ksvd.codes[..., None] * ksvd.atoms[ksvd.indices]).sum(1)
    assert rmse == pytest.approx(left.square().mean().sqrt().item(), rel=1e-4)  # float32 sums of 300 * 12 squares


def test_a_doubled_atom_is_replaced() -> None:
    signals, _ = planted()
    ksvd = KSVD(signals, 20, sparsity=2, seed=1)
    ksvd.atoms[7] = -ksvd.atoms[3]
    ksvd._replace(signals.square().sum(1), torch.full((20,), 100))
    assert (ksvd.atoms @ ksvd.atoms[3]).abs()[7] < 0.99


def test_an_atom_that_nothing_uses_becomes_the_worst_coded_signal() -> None:
    signals, _ = planted()
    ksvd = KSVD(signals, 20, sparsity=2, seed=1)
    errors = torch.zeros(len(signals))
    errors[11] = 1
    ksvd._replace(errors, torch.tensor([100] * 19 + [0]))
    torch.testing.assert_close(ksvd.atoms[19], signals[11] / signals[11].norm())


def test_partners_are_the_least_squares_solution() -> None:
    signals, _ = planted(num_signals=400)
    others = torch.tensor(np.random.default_rng(3).standard_normal((400, 7))).float()
    ksvd = KSVD(signals, 20, sparsity=2, seed=1)
    ksvd.encode()
    codes = torch.zeros(400, 20).scatter_add_(1, ksvd.indices, ksvd.codes).double().numpy()
    expected = np.linalg.lstsq(codes, others.double().numpy(), rcond=None)[0]
    np.testing.assert_allclose(ksvd.partners(others).numpy(), expected, rtol=1e-4, atol=1e-5)  # codes are float32


def test_an_unused_atom_has_an_empty_partner() -> None:
    signals = torch.eye(4)[[0, 1, 2] * 10]
    ksvd = KSVD(signals, 3, sparsity=1, seed=0)
    ksvd.atoms = torch.eye(4)
    ksvd.encode()
    assert torch.equal(ksvd.partners(torch.ones(30, 2))[3], torch.zeros(2))


def test_too_few_signals_are_refused() -> None:
    signals = torch.cat([torch.rand(5, 8), torch.zeros(20, 8)])  # flat patches make no atoms
    with pytest.raises(SrlabError, match=r"6 atoms want as many training patches, and there are 5"):
        KSVD(signals, 6, sparsity=2, seed=0)
