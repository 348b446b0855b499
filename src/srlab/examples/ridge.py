"""Ridge regressions from features to details, many at once."""

import torch
from torch import Tensor


def regressions(features: Tensor, details: Tensor, ridge: float) -> Tensor:
    """(A, p, d) matrices that map features to details best, for (A, n, d) features and (A, n, p) details.

    Ridge regression H L^T (L L^T + ridge)^-1 with examples as columns; equal to the H (L^T L + ridge)^-1 L^T of Timofte
    et al. 2013, with a system of d instead of n unknowns. Solved in float64.
    """
    products = (features.mT @ details).double()
    gram = (features.mT @ features).double()
    gram.diagonal(dim1=1, dim2=2).add_(ridge)
    return torch.cholesky_solve(products, torch.linalg.cholesky(gram)).mT.to(features.dtype)
