"""Learners: what each example-based method takes from the training images of a packed store.

Called with a store and a Watch they return what they Learned from its training images, each once and not turned;
validation images are left out. SrlabError where the images do not suffice.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from srlab.degradation.pairs import PairStore
from srlab.errors import SrlabError
from srlab.examples.ksvd import KSVD
from srlab.examples.samples import Samples, principal_axes
from srlab.progress import track

ENERGY = 0.999  # of the features, that their projection keeps (code of Zeyde et al.)
TRAINING_STEP = 2  # LR pixels between patches that K-SVD learns from ("partial overlap" in the code of Timofte et al.)
SHORT = 0.1  # features below this length keep their details as they are (code of A+)
ANCHORS_AT_ONCE = 16  # their similarities with five million samples take 320 MB

Watch = Callable[[dict[str, float], int], None]  # is told the figures of each step of K-SVD, and its number from 0


@dataclass
class Learned:
    """The tensors that a method's dictionary file holds, and figures of the training."""

    tensors: dict[str, Tensor]
    facts: dict[str, float]


def training_store(folder: Path | str, scale: int) -> PairStore:
    """The store of `folder`; SrlabError if it is of another scale or holds no training images."""
    store = PairStore(folder)
    if store.scale != scale:
        raise SrlabError(f"{folder} was made for x{store.scale}, this run wants x{scale}: run `dvc repro`")
    if not store.train:
        raise SrlabError(f"{folder} has no training images: give the data set the role `train` and run `dvc repro`")
    return store


@dataclass(frozen=True)
class SparseDictionary:
    """Pairs of LR and HR atoms: projection, atoms (K, d), details (K, (3*scale)^2). All methods start from them.

    LR atoms come from K-SVD on the projected features, HR atoms from least squares on the codes (Zeyde et al. 2010).
    """

    atoms: int  # K
    sparsity: int  # atoms per code
    iterations: int  # steps of K-SVD
    signals: int  # patches to learn from at most; drawn where there are more
    seed: int  # of every draw

    def __call__(self, store: PairStore, watch: Watch) -> Learned:
        """As the module says."""
        samples = Samples(store, TRAINING_STEP)
        projection = principal_axes(samples, ENERGY)
        features, details = samples.gather(projection, self.signals, self.seed)
        ksvd = KSVD(features, self.atoms, self.sparsity, self.seed)
        for step in track(range(self.iterations), "K-SVD"):
            watch({"train/ksvd_rmse": ksvd.step()}, step)
        ksvd.encode()
        tensors = {"projection": projection, "atoms": ksvd.atoms, "details": ksvd.partners(details)}
        facts = {"train/num_signals": float(len(features)), "train/num_features": float(projection.shape[1])}
        return Learned(tensors, facts)


@dataclass(frozen=True)
class GlobalRegression:
    """GR: one ridge regression from all LR atoms to all HR atoms, of weight `ridge` (Timofte et al. 2013)."""

    dictionary: SparseDictionary
    ridge: float

    def __call__(self, store: PairStore, watch: Watch) -> Learned:
        """As the module says; anchors (1, d) holds one atom, to which every patch is nearest."""
        learned = self.dictionary(store, watch)
        atoms, details = learned.tensors["atoms"], learned.tensors["details"]
        gain = 1 + self.ridge  # in the code of Timofte et al., for what the ridge takes; the paper is silent
        return _anchored(learned, atoms[:1], gain * regressions(atoms[None], details[None], self.ridge))


@dataclass(frozen=True)
class NeighbourhoodRegression:
    """ANR: around each atom, a ridge regression from its nearest LR atoms to theirs of HR (Timofte et al. 2013)."""

    dictionary: SparseDictionary
    neighbours: int  # itself among them: those that correlate most with it, in absolute value
    ridge: float

    def __call__(self, store: PairStore, watch: Watch) -> Learned:
        """As the module says; the anchors are the atoms."""
        learned = self.dictionary(store, watch)
        atoms, details = learned.tensors["atoms"], learned.tensors["details"]
        near = (atoms @ atoms.T).abs().topk(min(self.neighbours, len(atoms))).indices
        parts = [regressions(atoms[part], details[part], self.ridge) for part in near.split(ANCHORS_AT_ONCE)]
        return _anchored(learned, atoms, (1 + self.ridge) * torch.cat(parts))  # the gain as in GlobalRegression


@dataclass(frozen=True)
class AdjustedRegression:
    """A+: around each atom, a ridge regression on the training patches nearest to it (Timofte et al. 2014)."""

    dictionary: SparseDictionary  # whose atoms are the anchors
    neighbours: int  # patches per anchor, those with the smallest distance after their features got unit length
    ridge: float  # weight of the regression
    samples: int  # patches in all at most; drawn where there are more
    levels: int  # sizes at which the training images are used
    shrink: float  # factor from one size to the next

    def __call__(self, store: PairStore, watch: Watch) -> Learned:
        """As the module says; the anchors are the atoms. SrlabError for several levels of a store not bicubic."""
        pool = Samples(store, 1, self.levels, self.shrink)
        learned = self.dictionary(store, watch)
        anchors = learned.tensors["atoms"]
        features, details = pool.gather(learned.tensors["projection"], self.samples, self.dictionary.seed)
        lengths = features.norm(dim=1, keepdim=True)
        features /= lengths.clamp(min=torch.finfo(features.dtype).eps)
        details /= torch.where(lengths < SHORT, 1, lengths)
        count, parts = min(self.neighbours, len(features)), []
        steps = math.ceil(len(anchors) / ANCHORS_AT_ONCE)
        for some in track(anchors.split(ANCHORS_AT_ONCE), "regressions", steps):
            near = (some @ features.T).topk(count, sorted=False).indices  # of unit vectors: the smallest distances
            parts.append(regressions(features[near], details[near], self.ridge))
        learned.facts["train/num_samples"] = len(features)
        return _anchored(learned, anchors, torch.cat(parts))


def regressions(features: Tensor, details: Tensor, ridge: float) -> Tensor:
    """(A, p, d) matrices that map features to details best, for (A, n, d) features and (A, n, p) details.

    Ridge regression H L^T (L L^T + ridge)^-1 with examples as columns; equal to the H (L^T L + ridge)^-1 L^T of Timofte
    et al. 2013, with a system of d instead of n unknowns. Solved in float64.
    """
    products = (features.mT @ details).double()
    gram = (features.mT @ features).double()
    gram.diagonal(dim1=1, dim2=2).add_(ridge)
    return torch.cholesky_solve(products, torch.linalg.cholesky(gram)).mT.to(features.dtype)


def _anchored(learned: Learned, anchors: Tensor, matrices: Tensor) -> Learned:
    """`learned` with what `srlab.examples.anchored.Anchored` reads in place of the dictionary."""
    tensors = {"projection": learned.tensors["projection"], "anchors": anchors, "regressions": matrices}
    return Learned(tensors, learned.facts)
