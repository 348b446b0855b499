"""Neighbour embedding: a detail is put together from those of the nearest atoms, as its feature is from theirs."""

import torch
from torch import Tensor, nn

from srlab.examples.upscaler import PatchUpscaler
from srlab.examples.weights import locally_linear, non_negative


class NeighbourEmbedding(PatchUpscaler):
    """What both kinds share: the `neighbours` atoms that correlate most with a feature, in absolute value.

    `dictionary`: file with projection, atoms (K, d) of unit length and details (K, (3*scale)^2). The atoms are those of
    K-SVD, and correlation takes the place of distance, as in the comparison of Timofte et al. 2013, whose
    figures the literature quotes.
    """

    atoms: nn.Parameter
    details: nn.Parameter

    def __init__(self, label: str, scale: int, dictionary: str, neighbours: int) -> None:
        super().__init__(label, scale, dictionary, {"atoms", "details"})
        self.neighbours = min(neighbours, len(self.atoms))

    def weights(self, features: Tensor, near: Tensor) -> Tensor:
        """(N, K) weights of (N, K, d) neighbours of (N, d) features."""
        raise NotImplementedError(f"{type(self).__name__}.weights")

    def estimate(self, features: Tensor) -> Tensor:
        """Details (N, (3*scale)^2) of patches with projected features (N, d)."""
        indices = (features @ self.atoms.T).abs_().topk(self.neighbours, sorted=False).indices
        weights = self.weights(features, self.atoms[indices])
        return torch.bmm(weights[:, None], self.details[indices])[:, 0]


class LocallyLinear(NeighbourEmbedding):
    """NE+LLE: weights that sum to 1. Source: Chang, Yeung and Xiong, CVPR 2004."""

    def __init__(self, label: str, scale: int, dictionary: str, neighbours: int, ridge: float) -> None:
        super().__init__(label, scale, dictionary, neighbours)
        self.ridge = ridge

    def weights(self, features: Tensor, near: Tensor) -> Tensor:
        """(N, K) weights of (N, K, d) neighbours of (N, d) features."""
        return locally_linear(features, near, self.ridge)


class NonNegative(NeighbourEmbedding):
    """NE+NNLS: weights that are not negative. Source: Bevilacqua, Roumy, Guillemot and Alberi-Morel, BMVC 2012."""

    def weights(self, features: Tensor, near: Tensor) -> Tensor:
        """(N, K) weights of (N, K, d) neighbours of (N, d) features."""
        return non_negative(features, near)
