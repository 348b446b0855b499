"""Means are weighted means over the epoch, whatever interrupts it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kinds import gan
from torch import Tensor
from trainings import Train

from srlab.adversarial.alarms import Alarms
from srlab.training.trainable import Means


def alone(sums: Tensor) -> Tensor:
    """The sum over the processes, of which there is one."""
    return sums


values = st.floats(-1e6, 1e6, width=32)
entries = st.lists(st.tuples(values, values, st.integers(1, 64)), min_size=1, max_size=30)


@given(entries=entries, cut=st.integers(0, 30))
def test_means_are_weighted_means_also_across_a_checkpoint(entries: list[tuple[float, float, int]], cut: int) -> None:
    means = Means()
    for number, (loss, score, weight) in enumerate(entries):
        if number == cut:
            state, means = means.state_dict(alone), Means()
            means.load_state_dict(state)
        means.add({"train/loss": torch.tensor(loss)}, weight)
        means.add({"val/psnr": torch.tensor(score), "val/ssim": torch.tensor(-score)}, 1)
    losses, scores, weights = np.array(entries).T
    expected = np.average(losses, weights=weights), scores.mean(), -scores.mean()
    # float64 sums of numbers up to 1e6, which may cancel
    assert means.take(alone) == pytest.approx(
        dict(zip(["train/loss", "val/psnr", "val/ssim"], expected, strict=True)), rel=1e-12, abs=1e-8
    )


def test_the_next_epoch_starts_from_zero() -> None:
    means = Means()
    means.add({"a": torch.tensor(5.0)}, 3)
    means.take(alone)
    means.add({"a": torch.tensor(1.0)}, 1)
    assert means.take(alone) == {"a": 1.0}


@pytest.mark.parametrize("epochs", [[3], [1, 3]], ids=["whole", "interrupted"])
def test_alarms_are_printed_with_their_epoch_across_an_interruption(
    epochs: list[int], train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, after two epochs of any drift above none."""
    for last in epochs:
        module = gan()
        module.alarms = Alarms(certainty=1.0, drift=0.0, epochs=2)
        train(module, last, name="interrupted")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "colours drift" in line]
    assert line.startswith("epoch 2: the colours drift (")
