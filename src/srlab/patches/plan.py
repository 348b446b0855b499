"""Which patches an epoch consists of, in which order, and which process gets which of them.

All of it is a pure function of (seed, epoch, index): a run that is killed and resumed in the middle of an epoch, that
has another number of loader processes or of devices, sees the same data. A shuffling DataLoader cannot promise that.
"""

from collections.abc import Iterator, Sized

import numpy as np
from torch.utils.data import Sampler


class EpochPlan:
    """The patches of every epoch: which index entry and which position each of them has."""

    def __init__(self, num_entries: int, patches_per_epoch: int, seed: int) -> None:
        self.num_entries, self.patches_per_epoch, self.seed = num_entries, patches_per_epoch, seed
        self._drawn: tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None

    def draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(entries, us, vs) of one epoch, each (patches_per_epoch,); u and v in [0, 1) place the crop.

        Every entry is used once before any is used again: the entries are shuffled round by round.
        """
        generator = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        num_rounds = -(-self.patches_per_epoch // self.num_entries)
        rounds = [generator.permutation(self.num_entries) for _ in range(num_rounds)]
        entries = np.concatenate(rounds)[: self.patches_per_epoch]
        us, vs = generator.random((2, self.patches_per_epoch))
        return entries, us, vs

    def drawn(self, epoch: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(entries, us, vs) of some patches (B,) of an epoch; the epoch of the last call is remembered."""
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = (epoch, self.draw(epoch))
        entries, us, vs = self._drawn[1]
        return entries[indices], us[indices], vs[indices]


class EpochSampler(Sampler[tuple[int, np.ndarray]], Sized):
    """Keys (epoch, indices) of the current epoch, one for `chunk` consecutive steps; the last one may hold fewer.

    Rank r of w takes every w-th patch of each step's batch.

    Args:
        start: (epoch, steps of it that are done): that epoch is entered there, every other at its beginning.
    """

    def __init__(
        self,
        patches_per_epoch: int,
        batch_size: int,
        chunk: int = 1,
        rank: int = 0,
        world_size: int = 1,
        start: tuple[int, int] = (0, 0),
    ) -> None:
        steps = [
            np.arange(first + rank, min(first + batch_size, patches_per_epoch), world_size)
            for first in range(0, patches_per_epoch, batch_size)
        ]
        self.chunks = [np.concatenate(steps[first : first + chunk]) for first in range(0, len(steps), chunk)]
        self.start = (start[0], start[1] // chunk)  # a state is saved between two chunks
        self.epoch = start[0]

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch, the resumed one included."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        epoch, done = self.start
        first = done if self.epoch == epoch else 0
        return ((self.epoch, chunk) for chunk in self.chunks[first:])

    def __len__(self) -> int:
        """Chunks of a whole epoch, also of one that is entered in the middle."""
        return len(self.chunks)
