"""K-SVD: a dictionary in which signals have sparse codes, and the HR atoms that belong to it."""

import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.examples.coding import pursue

CHUNK = 16_384  # signals coded at once: their correlations with 1024 atoms take 64 MB
SMALLEST = 1e-6  # squared norm from which a signal may become an atom
# An atom is replaced if fewer signals use it, or if it is this close to an earlier one: KSVDBox v13 (Rubinstein, 2009),
# which the code of Zeyde et al. and of Timofte et al. calls.
LEAST_USES = 4
COHERENCE = 0.99


class KSVD:
    """Learns a dictionary step by step: `atoms` (K, d) with unit rows; `indices` and `codes`, (N, sparsity), use them.

    Source: Aharon, Elad and Bruckstein, "K-SVD", 2006, with the approximate update of one atom (one step of the power
    method in place of an SVD) of Rubinstein, Zibulevsky and Elad, 2008. The first atoms are signals. SrlabError where
    there are fewer signals than atoms.
    """

    def __init__(self, signals: Tensor, num_atoms: int, sparsity: int, seed: int) -> None:
        self.signals, self.sparsity = signals, sparsity
        self.generator = torch.Generator().manual_seed(seed)
        usable = (signals.square().sum(1) > SMALLEST).nonzero()[:, 0]
        if len(usable) < num_atoms:
            raise SrlabError(
                f"{num_atoms} atoms want as many training patches, and there are {len(usable)} that are not flat: "
                "lower `atoms` in params.yaml or add training images"
            )
        first = usable[torch.randperm(len(usable), generator=self.generator)[:num_atoms]]
        self.atoms = _unit(signals[first])
        self.indices = self.codes = torch.empty(0)

    def step(self) -> float:
        """Code all signals, then improve each atom in turn; the root mean square of what the codes leave."""
        self.encode()
        residual = self.signals - self._decoded()
        uses = self._update(residual)
        rmse = residual.square().mean().sqrt().item()
        self._replace(residual.square().sum(1), uses)
        return rmse

    def encode(self) -> None:
        """Code all signals in the atoms as they are."""
        coded = [pursue(part, self.atoms, self.sparsity) for part in self.signals.split(CHUNK)]
        self.indices, self.codes = (torch.cat(parts) for parts in zip(*coded, strict=True))

    def partners(self, others: Tensor) -> Tensor:
        """(K, p) atoms which, with the codes as they are, come closest to `others` (N, p) in least squares.

        X codes^T (codes codes^T)^+ (Zeyde et al. 2010); zeros for an atom that no signal uses.
        """
        num_atoms = len(self.atoms)
        codes = self.codes.double()
        gram = torch.zeros(num_atoms, num_atoms, dtype=torch.float64)
        products = torch.zeros(num_atoms, others.shape[1], dtype=torch.float64)
        for i in range(self.sparsity):
            for j in range(self.sparsity):
                places = (self.indices[:, i], self.indices[:, j])
                gram.index_put_(places, codes[:, i] * codes[:, j], accumulate=True)
            for start in range(0, len(others), CHUNK):
                rows = slice(start, start + CHUNK)
                products.index_add_(0, self.indices[rows, i], codes[rows, i, None] * others[rows])
        return (torch.linalg.pinv(gram, hermitian=True) @ products).float()

    def _decoded(self) -> Tensor:
        decoded = torch.zeros_like(self.signals)
        for i in range(self.sparsity):
            decoded += self.codes[:, i, None] * self.atoms[self.indices[:, i]]
        return decoded

    def _update(self, residual: Tensor) -> Tensor:
        """Improve atoms and codes one atom at a time, keeping `residual` (N, d) up to date; how many signals use each.

        This loop runs over atoms, as each sees what the ones before it left; the signals of an atom go all at once.
        """
        flat, codes = self.indices.flatten(), self.codes.view(-1)
        places = codes.nonzero()[:, 0]
        places = places[flat[places].argsort(stable=True)]
        uses = torch.bincount(flat[places], minlength=len(self.atoms))
        of_atom = places.split(uses.tolist())
        for number in torch.randperm(len(self.atoms), generator=self.generator).tolist():
            mine = of_atom[number]
            if len(mine):
                rows, code, atom = mine // self.sparsity, codes[mine], self.atoms[number]
                target = residual[rows] + code[:, None] * atom
                direction = code @ target
                atom = _unit(direction[None])[0]
                code = target @ atom
                residual[rows] = target - code[:, None] * atom
                self.atoms[number], codes[mine] = atom, code
        return uses

    def _replace(self, errors: Tensor, uses: Tensor) -> None:
        """Put the signals with the largest `errors` (N,) in place of atoms that are hardly used or nearly doubled."""
        doubled = ((self.atoms @ self.atoms.T).abs().triu(1) > COHERENCE).any(0)
        worthless = (doubled | (uses < LEAST_USES)).nonzero()[:, 0]
        worst = errors.topk(min(len(worthless), len(errors))).indices
        self.atoms[worthless[: len(worst)]] = _unit(self.signals[worst])


def _unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)
