"""Means are weighted means over the epoch, whatever interrupts it, and what is not finite is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kinds import gan, regression
from tiny import Recorder, fitted
from torch import Tensor, nn

from srlab.adversarial.alarms import Alarms
from srlab.errors import SrlabError
from srlab.patches.datamodule import PairData
from srlab.training.ledger import STEPS_BETWEEN_LOOKS, Ledger, Means, require_finite


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


def test_the_next_epoch_begins_anew() -> None:
    means = Means()
    means.add({"a": torch.tensor(5.0)}, 3)
    means.take(alone)
    means.add({"a": torch.tensor(1.0)}, 1)
    assert means.take(alone) == {"a": 1.0}


def test_the_sums_of_all_processes_are_divided_once() -> None:
    """Two processes, of which the other has seen a weight of 1 and a value of 4."""
    means = Means()
    means.add({"a": torch.tensor(1.0)}, 2)
    assert means.take(lambda sums: sums + torch.tensor([4.0, 1.0], dtype=torch.float64)) == {"a": 2.0}


def test_what_is_discounted_counts_for_nothing() -> None:
    """What a process scored that has no validation image of its own."""
    means = Means()
    means.add({"train/loss": torch.tensor(1.0)}, 2)
    means.add({"val/psnr": torch.tensor(9.0)}, 1)
    means.discount("val/")
    assert {name: sums.tolist() for name, sums in means.state_dict(alone).items()} == {
        "train/loss": [2.0, 2.0],
        "val/psnr": [0.0, 0.0],
    }


def test_a_mean_holds_no_graph() -> None:
    means, parameter = Means(), nn.Parameter(torch.ones(()))
    means.add({"a": parameter * 2}, 1)
    assert not next(iter(means.state_dict(alone).values())).requires_grad


# What is not finite.

NAN = torch.tensor(float("nan"))


def test_a_finite_loss_passes() -> None:
    require_finite(torch.tensor(1e30), "train/loss", Ledger())


def test_the_message_names_loss_step_tensor_and_cure() -> None:
    net, ledger = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), Ledger()
    ledger.num_steps = 6
    net[1].bias.data.fill_(float("inf"))  # pyright: ignore[reportCallIssue,reportAttributeAccessIssue]
    with pytest.raises(
        SrlabError,
        match=r"^train/loss became nan in step 7 \(weights of 1 in the network first\): lower lr in params\.yaml$",
    ):
        require_finite(NAN, "train/loss", ledger, network=(net, torch.ones(1, 1)))


def test_a_loss_that_is_itself_the_first_is_called_so() -> None:
    with pytest.raises(SrlabError, match=r"\(the loss itself first\)"):
        require_finite(NAN, "train/loss", Ledger(), network=(nn.Linear(1, 1), torch.ones(1, 1)))


class OnGPU:
    """A loss that is not finite and lies on a GPU."""

    is_cuda = True

    def isfinite(self) -> bool:
        return False

    def item(self) -> float:
        return float("nan")


def test_a_gpu_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, seen, loss = Ledger(), [], OnGPU()
    for ledger.num_steps in range(2 * STEPS_BETWEEN_LOOKS + 1):
        try:
            require_finite(loss, "train/loss", ledger)  # pyright: ignore[reportArgumentType]
        except SrlabError:
            seen.append(ledger.num_steps)
    assert seen == [0, STEPS_BETWEEN_LOOKS, 2 * STEPS_BETWEEN_LOOKS]


def poisoned(module: Any, name: str) -> Any:
    dict(module.named_parameters())[name].data.view(-1)[0] = float("nan")
    return module


@pytest.mark.parametrize(
    ("module", "tensor", "loss", "place"),
    [
        (regression, "net.body.2.weight", "train/loss", r"weights of body\.2 in the network"),
        # the discriminator's loss is the first to be computed
        (gan, "generator.head.0.weight", "train/discriminator", r"weights of head\.0 in the generator"),
        (
            gan,
            "discriminator.classifier.1.bias",
            "train/discriminator",
            r"weights of classifier\.1 in the discriminator",
        ),
    ],
)
def test_the_first_bad_tensor_of_each_network_is_named(
    module: Callable[[], Any], tensor: str, loss: str, place: str, data: Callable[..., PairData], tmp_path: Path
) -> None:
    names = dict(module().named_parameters())
    assert tensor in names, sorted(names)
    expected = rf"^{loss} became nan in step 1 \({place} first\): lower lr in params\.yaml$"
    with pytest.raises(SrlabError, match=expected):
        fitted(poisoned(module(), tensor), data(), tmp_path, Recorder(), 1)


def test_alarms_are_printed_with_their_epoch(
    data: Callable[..., PairData], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After two epochs of any drift above none."""
    module = gan()
    module.alarms = Alarms(certainty=1.0, drift=0.0, epochs=2)
    fitted(module, data(), tmp_path, Recorder(), 3)
    lines = [line for line in capsys.readouterr().out.splitlines() if "colours drift" in line]
    assert len(lines) == 1
    assert lines[0].startswith("epoch 2: the colours drift (")


def test_an_alarm_survives_an_interruption(
    data: Callable[..., PairData], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def module() -> Any:
        made = gan()
        made.alarms = Alarms(certainty=1.0, drift=0.0, epochs=2)
        return made

    fitted(module(), data(), tmp_path, Recorder(), 1)
    fitted(module(), data(), tmp_path, Recorder(), 2)
    assert "epoch 2: the colours drift (" in capsys.readouterr().out
