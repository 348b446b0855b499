"""The candidates of a selection as columns: what was measured on each, its verdict and its score."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from srlab.datasets.selection_criteria import BEYOND, CHOSEN, DUPLICATE, VERDICTS, exposure


class Candidates:
    """`files` (name, file), MEASURES (n,), verdicts (n,) and scores (n,) of the pool, in its order (places 0, 1, ...).

    `verdicts` are those of `judge`; what it does not drop is BEYOND until `choose`. A score is NaN until `rank`, and of
    dropped candidates. About 60 bytes each, beside the names and paths of the pool itself.
    """

    def __init__(
        self, files: Sequence[tuple[str, Path]], measures: np.ndarray, verdicts: np.ndarray, seed: int
    ) -> None:
        self.files, self.measures, self.seed = files, measures, seed
        self.verdicts = np.where(verdicts == CHOSEN, BEYOND, verdicts)
        self.scores = np.full(len(files), np.nan)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> tuple[str, Path]:
        return self.files[place]

    def column(self, name: str) -> np.ndarray:
        """(n,) of one of MEASURES, or of "exposure", "score", "verdict", "place"."""
        if name == "exposure":
            return exposure(self.measures)
        others = {"score": self.scores, "verdict": self.verdicts, "place": np.arange(len(self))}
        return others[name] if name in others else self.measures[name]

    def rank(self, shares: Mapping[str, float]) -> None:
        """Score those that no criterion dropped: the sum of their ranks by each column, times its share.

        A rank, in (0, 1), is the share of candidates below, half of the equal ones (itself among them) added.
        """
        good = np.flatnonzero(self.verdicts == BEYOND)
        self.scores[good] = 0
        for column, share in shares.items():
            _, which, counts = np.unique(self.column(column)[good], return_inverse=True, return_counts=True)
            self.scores[good] += share * ((np.cumsum(counts) - counts / 2) / len(good))[which]

    def choose(self, wanted: int, bits: int) -> list[int]:
        """The first `wanted` places by falling score whose hash is more than `bits` from all better ones.

        Writes the verdicts, of those that are too near too. A tie is broken by seed and name, not by the place.
        """
        good = np.flatnonzero(self.verdicts == BEYOND)
        ties = [self._tie(self.files[place][0]) for place in good.tolist()]
        ranked = good[np.lexsort((np.array(ties, np.uint64), -self.scores[good]))]
        chosen: list[int] = []
        kept = np.zeros(min(wanted, len(ranked)), np.uint64)  # hashes of the chosen
        for place in ranked.tolist():
            if len(chosen) == wanted:
                break
            own = self.measures["hash"][place]
            # Compared with the chosen only, all at once: 3000 take 2 us a candidate, so that no index is needed.
            if (np.bitwise_count(kept[: len(chosen)] ^ own) <= bits).any():
                self.verdicts[place] = DUPLICATE
                continue
            kept[len(chosen)] = own
            chosen.append(place)
            self.verdicts[place] = CHOSEN
        return chosen

    def counts(self) -> dict[str, int]:
        """How many there are of each of VERDICTS; they add up to the pool."""
        return dict(zip(VERDICTS, np.bincount(self.verdicts, minlength=len(VERDICTS)).tolist(), strict=True))

    def ordered(self, column: str, verdict: int, which: slice, *, highest: bool) -> list[int]:
        """Places `which` of the candidates of a verdict, those with the lowest or highest value first, NaN last."""
        places = np.flatnonzero(self.verdicts == verdict)
        values = self.column(column)[places].astype(np.float64)
        return places[np.argsort(-values if highest else values, kind="stable")][which].tolist()

    def _tie(self, name: str) -> int:
        return int.from_bytes(hashlib.blake2b(f"{self.seed}:{name}".encode(), digest_size=8).digest(), "big")
