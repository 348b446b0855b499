"""With which weights a feature is put together from its neighbours, for many features at once."""

import torch
from torch import Tensor

# Of the mean diagonal of the normal equations, added to their diagonal: below the rounding error of float32 features,
# and enough to make the minimum unique where neighbours depend on each other.
TINY = 1e-9
TOLERANCE = 1e-9  # of a coefficient or a gradient, relative to the largest right-hand side, that counts as below 0
EXCHANGES = 3  # how often all wrong variables may be exchanged without progress (Kim and Park 2011)
MAX_ROUNDS = 1000  # of 10,000 patches of a photo nearly all take 10, the slowest 60; a few of degenerate problems 200


def locally_linear(features: Tensor, near: Tensor, ridge: float) -> Tensor:
    """(N, K) weights with sum 1 that bring (N, K, d) neighbours closest to (N, d) features.

    Locally linear embedding: C w = 1 for the local covariances C, then w / sum(w) (Chang et al. 2004), with
    `ridge` * trace(C) added to the diagonal as in the code of Roweis and Saul and in that of Timofte et al.
    """
    offsets = near - features[:, None]
    covariance = offsets @ offsets.mT
    diagonal = covariance.diagonal(dim1=1, dim2=2)
    trace = diagonal.sum(1, keepdim=True)
    diagonal += ridge * torch.where(trace > 0, trace, 1)  # 1: all neighbours are the feature, and share evenly
    factor = torch.linalg.cholesky(covariance)
    weights = torch.cholesky_solve(torch.ones_like(features[:, :1, None]).expand(-1, near.shape[1], 1), factor)[..., 0]
    return weights / weights.sum(1, keepdim=True)


def non_negative(features: Tensor, near: Tensor) -> Tensor:
    """(N, K) weights >= 0 that bring (N, K, d) neighbours closest to (N, d) features in least squares.

    Non-negative neighbour embedding (Bevilacqua et al. 2012), solved exactly and for all features at once by
    block principal pivoting: variables on the wrong side of their bound change sides together, and one at a time where
    that makes no progress (Kim and Park, "Fast nonnegative matrix factorization", 2011). Computed in float64.
    """
    wide, x = near.double(), features.double()
    matrix = wide @ wide.mT
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    diagonal += TINY * diagonal.mean(1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    right = (wide @ x[..., None])[..., 0]
    result = torch.zeros_like(right)
    slack = TOLERANCE * right.abs().amax(1, keepdim=True)
    number, position = (torch.arange(count, device=x.device) for count in right.shape)
    free = right > 0  # variables that are not at their bound; these are what the first exchange would set free
    fewest = torch.full_like(number, right.shape[1] + 1)  # wrong variables that a problem had so far
    chances = torch.full_like(number, EXCHANGES)
    for _ in range(MAX_ROUNDS):
        weights, gradient = _solve(matrix, right, free)
        wrong = torch.where(free, weights, gradient) < -slack
        count = wrong.sum(1)
        left = count > 0
        result[number[~left]] = weights[~left].clamp(min=0)
        if not left.any():
            return result.to(features.dtype)
        chances = torch.where(count < fewest, EXCHANGES, chances - 1)
        fewest = torch.minimum(fewest, count)
        last = position == torch.where(wrong, position, -1).amax(1, keepdim=True)
        free = free ^ torch.where((chances >= 0)[:, None], wrong, last)
        matrix, right, slack, free = matrix[left], right[left], slack[left], free[left]
        number, fewest, chances = number[left], fewest[left], chances[left]
    raise ArithmeticError(f"non-negative least squares: {len(number)} problems open after {MAX_ROUNDS} rounds")


def _solve(matrix: Tensor, right: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """Minimum over the free variables with the others at 0, and the gradient of the others (0 for the free ones)."""
    identity = torch.eye(right.shape[1], dtype=right.dtype, device=right.device)
    system = torch.where(free[:, :, None] & free[:, None, :], matrix, identity)
    weights = torch.cholesky_solve(torch.where(free, right, 0)[..., None], torch.linalg.cholesky(system))
    gradient = (matrix @ weights)[..., 0] - right
    return weights[..., 0], torch.where(free, 0, gradient)
