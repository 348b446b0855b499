"""Which patch comes when is a pure function of seed, epoch and index."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srlab.patches.plan import EpochPlan, EpochSampler

sizes = st.integers(1, 40)
epochs = st.integers(0, 1000)


@given(sizes, sizes, st.integers(0, 9), epochs)
def test_every_entry_is_used_once_before_any_again(entries: int, patches: int, seed: int, epoch: int) -> None:
    plan = EpochPlan(entries, patches, seed)
    plan.draw(7)  # it does not remember what was drawn before
    drawn, us, vs = plan.draw(epoch)
    for column, fresh in zip((drawn, us, vs), EpochPlan(entries, patches, seed).draw(epoch), strict=True):
        np.testing.assert_array_equal(column, fresh)
    assert len(drawn) == len(us) == len(vs) == patches
    for start in range(0, patches, entries):
        assert max(Counter(drawn[start : start + entries].tolist()).values()) == 1
    assert set(drawn.tolist()) <= set(range(entries))
    assert ((us >= 0) & (us < 1) & (vs >= 0) & (vs < 1)).all()


@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (1, 0)])
def test_another_epoch_or_seed_draws_otherwise(seed: int, epoch: int) -> None:
    first, other = EpochPlan(30, 30, 0).draw(0), EpochPlan(30, 30, seed).draw(epoch)
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 8))
def test_ranks_partition_every_batch(patches: int, batch_size: int, world_size: int) -> None:
    ranks = [EpochSampler(patches, batch_size, rank=rank, world_size=world_size) for rank in range(world_size)]
    starts = range(0, patches, batch_size)
    assert {len(rank) for rank in ranks} == {len(starts)}
    for start, *parts in zip(starts, *ranks, strict=True):
        together = sorted(int(index) for _, part in parts for index in part)
        assert together == list(range(start, min(start + batch_size, patches)))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 5))
def test_chunks_are_steps_in_a_row(patches: int, batch_size: int, chunk: int) -> None:
    steps = [indices.tolist() for _, indices in EpochSampler(patches, batch_size)]
    chunks = [indices.tolist() for _, indices in EpochSampler(patches, batch_size, chunk)]
    assert chunks == [[*chain(*steps[first : first + chunk])] for first in range(0, len(steps), chunk)]


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 5), st.data())
def test_an_epoch_is_entered_where_it_was_left(patches: int, batch_size: int, chunk: int, draw: st.DataObject) -> None:
    whole = EpochSampler(patches, batch_size, chunk)
    done = draw.draw(st.integers(0, len(whole) - 1))
    entered = EpochSampler(patches, batch_size, chunk, start=(2, done * chunk))
    assert len(entered) == len(whole)
    for epoch, rest in ((2, whole.chunks[done:]), (3, whole.chunks)):
        entered.set_epoch(epoch)
        assert [(number, chunk.tolist()) for number, chunk in entered] == [(epoch, chunk.tolist()) for chunk in rest]
