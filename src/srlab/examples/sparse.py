"""Sparse representation: the code of a feature in LR atoms is the code of its detail in HR atoms."""

import torch
from torch import Tensor, nn

from srlab.examples.coding import pursue
from srlab.examples.upscaler import PatchUpscaler


class SparseCoding(PatchUpscaler):
    """Codes of `sparsity` atoms by orthogonal matching pursuit. Source: Zeyde, Elad and Protter, 2010.

    `dictionary`: file with projection, atoms (K, d) of unit length and details (K, (3*scale)^2).
    """

    atoms: nn.Parameter
    details: nn.Parameter

    def __init__(self, label: str, scale: int, dictionary: str, sparsity: int) -> None:
        super().__init__(label, scale, dictionary, {"atoms", "details"})
        self.sparsity = sparsity

    def estimate(self, features: Tensor) -> Tensor:
        """Details (N, (3*scale)^2) of patches with projected features (N, d)."""
        indices, codes = pursue(features, self.atoms, self.sparsity)
        return torch.bmm(codes[:, None], self.details[indices])[:, 0]
