"""The first number that is not finite is found and named."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kinds import gan, regression
from torch import Tensor, nn
from trainings import Train

from srlab.errors import SrlabError
from srlab.models.drcn import DRCN
from srlab.models.srresnet import SRResNet
from srlab.training.finite import STEPS_BETWEEN_CHECKS, first_bad, require_finite

NAN, INFINITY = float("nan"), float("inf")
LOSS = torch.tensor(NAN)


def net() -> SRResNet:
    torch.manual_seed(0)
    return SRResNet(2, num_blocks=2, num_features=4)


def picture(first: float = 0.5) -> Tensor:
    image = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    image[0, 0, 0, 0] = first
    return image


def poisoned(module: Any, *names: str, value: float = NAN) -> Any:
    tensors = dict([*module.named_parameters(), *module.named_buffers()])
    for name in names:
        tensors[name].data.view(-1)[-1] = value
    return module


def overflowing(module: Any, name: str) -> Any:
    """`module`, whose layer `name` makes infinities of finite weights."""
    nn.init.constant_(module.get_submodule(name).weight, 3e38)
    return module


class Overflow(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) * 1e38 * 1e38


SEVERAL = ("last.weight", "blocks.1.body.3.bias", "blocks.0.body.1.running_var")


@pytest.mark.parametrize(
    ("module", "inputs", "expected"),
    [
        (net(), [picture()], ""),
        (net(), [], ""),
        (poisoned(net(), *SEVERAL), [picture()], "weights of blocks.1.body.3"),
        (poisoned(net(), *SEVERAL, value=-INFINITY), [], "weights of blocks.1.body.3"),
        (poisoned(DRCN(2, 2, 2, 1), "shares"), [], "weights of shares"),
        (poisoned(net(), "tail.1.running_var"), [picture()], "buffer tail.1.running_var"),
        (overflowing(net(), "blocks.0.body.1"), [picture()], "output of blocks.0.body.1"),
        (Overflow(), [picture()], "output of Overflow"),  # what no inner module does
        (net(), [picture(NAN)], "input 0"),
    ],
)
def test_the_first_bad_tensor_is_named(module: nn.Module, inputs: list[Tensor], expected: str) -> None:
    assert first_bad(module, *inputs) == expected


def test_looking_changes_nothing() -> None:
    module = overflowing(net(), "last")
    before = copy.deepcopy(module.state_dict())
    assert first_bad(module, picture()) == "output of last"
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert not any(one._forward_hooks for one in module.modules())


@pytest.mark.parametrize(
    ("net", "place"),
    [
        (poisoned(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), "1.bias"), "weights of 1 in the network"),
        (nn.Linear(1, 1), "the loss itself"),
    ],
)
def test_the_message_names_loss_step_tensor_and_cure(net: nn.Module, place: str) -> None:
    require_finite(torch.tensor(1e30), "train/loss", 6)
    expected = rf"^train/loss became nan in step 7 \({place} first\): lower lr in params\.yaml$"
    with pytest.raises(SrlabError, match=expected):
        require_finite(LOSS, "train/loss", 6, network=(net, torch.ones(1, 1)))


class OnGPU:
    """A loss that is not finite and lies on a GPU."""

    is_cuda = True

    def isfinite(self) -> bool:
        return False

    def item(self) -> float:
        return NAN


def test_a_gpu_is_checked_now_and_then() -> None:
    seen, loss = [], OnGPU()
    for num_steps in range(2 * STEPS_BETWEEN_CHECKS + 1):
        try:
            require_finite(loss, "train/loss", num_steps)  # pyright: ignore[reportArgumentType]
        except SrlabError:
            seen.append(num_steps)
    assert seen == [0, STEPS_BETWEEN_CHECKS, 2 * STEPS_BETWEEN_CHECKS]


@pytest.mark.parametrize(
    ("module", "tensor", "loss", "place"),
    [
        (regression, "net.body.2.weight", "train/loss", r"weights of body\.2 in the network"),
        # the discriminator's loss is the first to be computed
        (gan, "generator.head.0.weight", "train/discriminator", r"weights of head\.0 in the generator"),
        (gan, "discriminator.classifier.1.bias", "train/discriminator", r"weights of classifier\.1 in the discrim"),
    ],
)
def test_a_training_names_the_tensor_and_its_network(
    module: Callable[[], Any], tensor: str, loss: str, place: str, train: Train
) -> None:
    with pytest.raises(SrlabError, match=rf"^{loss} became nan in step 1 \({place}"):
        train(poisoned(module(), tensor))
