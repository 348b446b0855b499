"""What is wrong with a training is found, named and said once."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from srlab.adversarial.alarms import Alarms, colour_drift, first_bad
from srlab.errors import SrlabError
from srlab.images.resample import imresize
from srlab.models.drcn import DRCN
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet

NAN, INFINITY = float("nan"), float("inf")


def net() -> SRResNet:
    torch.manual_seed(0)
    return SRResNet(2, num_blocks=2, num_features=4)


def picture() -> Tensor:
    return torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def poisoned(module: nn.Module, name: str, value: float = NAN) -> None:
    dict([*module.named_parameters(), *module.named_buffers()])[name].data.view(-1)[-1] = value


@pytest.mark.parametrize("inputs", [(), (picture(),)])
def test_a_sound_network_has_nothing_bad(inputs: tuple[Tensor, ...]) -> None:
    assert first_bad(net(), *inputs) == ""


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_the_first_bad_parameter_is_named(value: float) -> None:
    bad = net()
    poisoned(bad, "last.weight", value)
    poisoned(bad, "blocks.1.body.3.bias", value)
    poisoned(bad, "blocks.0.body.1.running_var", value)
    assert first_bad(bad, picture()) == "weights of blocks.1.body.3"


def test_a_parameter_of_the_network_itself_is_named() -> None:
    bad = DRCN(2, num_recursions=2, num_features=2, alpha_epochs=1)
    poisoned(bad, "shares")
    assert first_bad(bad) == "weights of shares"


def test_a_bad_statistic_is_found_where_all_weights_are_sound() -> None:
    bad = net()
    poisoned(bad, "tail.1.running_var")
    assert first_bad(bad, picture()) == "buffer tail.1.running_var"


def test_the_first_module_with_a_bad_output_is_named() -> None:
    bad = net()
    nn.init.constant_(bad.blocks[0].body[1].weight, 3e38)  # pyright: ignore[reportAttributeAccessIssue,reportIndexIssue]
    assert first_bad(bad, picture()) == "output of blocks.0.body.1"


def test_what_no_inner_module_does_is_the_network_s_output() -> None:
    class Overflow(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x + 1) * 1e38 * 1e38

    assert first_bad(Overflow(), picture()) == "output of Overflow"


def test_a_bad_input_is_not_blamed_on_the_first_module() -> None:
    bad = picture()
    bad[0, 0, 0, 0] = NAN
    assert first_bad(net(), bad) == "input 0"


@pytest.mark.parametrize("training", [True, False])
def test_looking_changes_nothing(training: bool) -> None:
    module = net().train(training)
    module.blocks[1].eval()
    nn.init.constant_(module.last.bias, 3e38)  # pyright: ignore[reportArgumentType]
    nn.init.constant_(module.last.weight, 3e38)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    modes = [one.training for one in module.modules()]
    assert first_bad(module, picture()) == "output of last"
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert [one.training for one in module.modules()] == modes
    assert not any(one._forward_hooks for one in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_forward_that_fails_leaves_no_hooks() -> None:
    module = ESPCN(2)
    with pytest.raises(RuntimeError):
        first_bad(module, picture())  # RGB into a luma network
    assert not any(one._forward_hooks for one in module.modules())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_has_no_colour_drift(scale: int) -> None:
    lr = picture()
    drift = colour_drift(imresize(lr, scale=scale), lr, scale)
    assert drift.tolist() == pytest.approx([0, 0], abs=1e-4)  # grey levels; float32 means of numbers below 1


def test_the_colour_drift_is_the_largest_shift_of_a_channel_in_grey_levels() -> None:
    lr = picture()
    shifts = torch.tensor([[2.0, -7.0, 0.0], [0.5, 0.25, 3.0]])  # grey levels of R, G, B
    sr = imresize(lr, scale=2) + shifts[:, :, None, None] / 255
    sr += 0.1 * torch.tensor([1.0, -1.0]).repeat(5)  # a texture, of mean 0
    assert colour_drift(sr, lr, 2).tolist() == pytest.approx([7, 3], abs=1e-4)  # as above


def row(real: float = 0.6, fake: float = 0.4, drift: float = 1.0) -> dict[str, float]:
    return {"train/d_real": real, "train/d_fake": fake, "val/colour_drift": drift}


def rung(alarms: Alarms, rows: list[dict[str, float]]) -> list[int]:
    """How many alarms each epoch gave."""
    return [len(alarms.check(one)) for one in rows]


CERTAIN = {"real": 0.99, "fake": 0.01}
kinds = pytest.mark.parametrize("wrong", [CERTAIN, {"drift": 9.0}], ids=["certainty", "drift"])


@kinds
def test_an_alarm_comes_once_and_again_after_it_has_gone(wrong: dict[str, Any]) -> None:
    alarms = Alarms(certainty=0.9, drift=5.0, epochs=3)
    epochs = [wrong] * 5 + [{}] + [wrong] * 2 + [{}] + [wrong] * 4
    assert rung(alarms, [row(**one) for one in epochs]) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_both_alarms_may_come_at_once() -> None:
    assert rung(Alarms(0.9, 5.0, 1), [row(**CERTAIN, drift=9.0)]) == [2]


def test_the_bounds_themselves_are_no_alarm() -> None:
    assert rung(Alarms(certainty=0.5, drift=5.0, epochs=1), [row(0.75, 0.25, 5.0)]) == [0]


def test_an_alarm_says_how_bad_it_is_and_what_helps() -> None:
    certain, drifting = Alarms(0.9, 5.0, 1).check(row(**CERTAIN, drift=9.04))
    assert "HR 0.99, SR 0.01 for 1 epochs" in certain
    assert all(key in certain for key in ("gans.*.label_smoothing", "gans.*.r1", "gans.*.discriminator_lr"))
    assert "9.0 grey levels" in drifting
    assert "gans.*.adversarial_weight" in drifting
    assert "\n" not in certain + drifting


@kinds
@pytest.mark.parametrize("cut", range(6))
def test_a_resumed_training_rings_as_an_uncut_one(wrong: dict[str, Any], cut: int) -> None:
    rows = [row(**one) for one in [wrong, {}, wrong, wrong, wrong, wrong]]
    uncut = rung(Alarms(0.9, 5.0, 2), rows)
    first, second = Alarms(0.9, 5.0, 2), Alarms(0.9, 5.0, 2)
    before = rung(first, rows[:cut])
    state = first.state_dict()
    assert all(type(value) is int for value in state.values())
    second.load_state_dict(state)
    assert before + rung(second, rows[cut:]) == uncut == [0, 0, 0, 1, 0, 0]


def test_an_alarm_that_could_never_ring_is_refused() -> None:
    with pytest.raises(SrlabError, match="set `epochs` to 1 or more"):
        Alarms(0.9, 5.0, 0)
