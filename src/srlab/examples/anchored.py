"""Anchored regression: each patch is mapped by the ridge regression that was learned around its nearest atom."""

import torch
from torch import Tensor, nn

from srlab.examples.upscaler import PatchUpscaler


class Anchored(PatchUpscaler):
    """GR (one regression for all), ANR and A+ (one per anchor), which differ in what they learned alone.

    The nearest anchor is the one that correlates most in absolute value: the regressions have no constant term, so a
    patch and its negative belong together. Source: Timofte, De Smet and Van Gool, ICCV 2013
    and ACCV 2014.
    `dictionary`: file with projection, anchors (A, d) of unit length and regressions (A, (3*scale)^2, d).
    """

    anchors: nn.Parameter
    regressions: nn.Parameter

    def __init__(self, label: str, scale: int, dictionary: str) -> None:
        super().__init__(label, scale, dictionary, {"anchors", "regressions"})

    def estimate(self, features: Tensor) -> Tensor:
        """Details (N, (3*scale)^2) of patches with projected features (N, d)."""
        nearest = (features @ self.anchors.T).abs_().argmax(1)
        order = nearest.argsort(stable=True)
        present, counts = nearest[order].unique_consecutive(return_counts=True)
        groups = features[order].split(counts.tolist())
        details = [group @ self.regressions[anchor].T for anchor, group in zip(present.tolist(), groups, strict=True)]
        result = features.new_empty(len(features), self.regressions.shape[1])
        result[order] = torch.cat(details)
        return result
