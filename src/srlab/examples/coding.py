"""Orthogonal matching pursuit of many signals at once."""

import torch
from torch import Tensor

# An atom whose part outside the atoms chosen before it is shorter than this adds nothing: what is left of the signal is
# rounding error by then, or the dictionary holds the atom twice.
SHORTEST = 1e-4


def pursue(signals: Tensor, atoms: Tensor, sparsity: int) -> tuple[Tensor, Tensor]:
    """Indices of atoms (N, sparsity), int64, and coefficients (N, sparsity) of (N, d) signals over (K, d) unit atoms.

    Greedy: each step takes the atom that correlates most with the residual, then fits all chosen ones by least squares.
    A choice that adds nothing gets coefficient 0. The least squares come from a Gram-Schmidt basis of the chosen atoms,
    as the sums over N are then few and long; what it computes is the "Batch-OMP" of Rubinstein, Zibulevsky and Elad,
    2008.
    """
    residual = signals
    indices, basis, parts = [], [], []
    # atom t = sum over i <= t of triangle[i, t] basis[i]
    triangle = signals.new_zeros(len(signals), sparsity, sparsity)
    for step in range(sparsity):
        index = (residual @ atoms.T).abs_().argmax(1)
        axis = atoms[index]
        for i, earlier in enumerate(basis):
            share = (axis * earlier).sum(1)
            triangle[:, i, step] = share
            axis = axis - share[:, None] * earlier
        length = axis.norm(dim=1)
        usable = length > SHORTEST
        axis = torch.where(usable[:, None], axis / length[:, None], 0)
        triangle[:, step, step] = torch.where(usable, length, torch.inf)  # x / inf = 0 below
        part = (axis * residual).sum(1)
        residual = residual - part[:, None] * axis
        indices.append(index)
        basis.append(axis)
        parts.append(part)
    coefficients = torch.zeros_like(triangle[:, 0])
    for step in reversed(range(sparsity)):
        rest = parts[step] - (triangle[:, step, step + 1 :] * coefficients[:, step + 1 :]).sum(1)
        coefficients[:, step] = rest / triangle[:, step, step]
    return torch.stack(indices, 1), coefficients
