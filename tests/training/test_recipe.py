"""What lies between a backward pass and the next batch is what the literature and torch say it is."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kinds import regression, smooth_gan
from tiny import attach
from torch import Tensor, nn
from trainings import Train

from srlab.errors import SrlabError
from srlab.models.srresnet import SRResNet
from srlab.patches.datamodule import PairData
from srlab.training.recipe import Recipe


def recipe(**changes: Any) -> Recipe:
    return Recipe(**({"warmup": 0, "clip_norm": 0.0, "accumulate": 1, "ema": 0.0} | changes))


def weight() -> nn.Parameter:
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    parameter.grad = torch.ones_like(parameter)
    return parameter


# Warm-up.


@given(warmup=st.integers(0, 12), lr=st.floats(1e-6, 1))
def test_the_rate_grows_linearly_and_is_then_the_schedule_s(warmup: int, lr: float) -> None:
    """SGD on a gradient of 1 moves a weight by the rate: by lr/n, 2 lr/n ... lr, lr; each group by its own."""
    parameter, twice_as_fast = weight(), weight()
    optimizer = torch.optim.SGD([{"params": [parameter]}, {"params": [twice_as_fast], "lr": 2 * lr}], lr=lr)
    places = []
    for step in range(warmup + 3):
        with recipe(warmup=warmup).warming_up([optimizer], step):
            optimizer.step()
        places.append(-parameter.item())
        assert twice_as_fast.item() == 2 * parameter.item()
        assert optimizer.param_groups[0]["lr"] == lr  # a schedule would find its own number
    factors = np.minimum(np.arange(1, warmup + 4) / max(warmup, 1), 1)
    # sums of up to 15 float64 numbers
    np.testing.assert_allclose(places, lr * np.cumsum(factors), rtol=1e-13)


# Clipping.


@pytest.mark.parametrize(("clip_norm", "factor"), [(6.5, 0.5), (13.1, 1.0), (0.0, 1.0)])
def test_the_norm_over_all_tensors_of_an_optimizer_is_cut(clip_norm: float, factor: float) -> None:
    """Gradients (3, 4, 12) have norm 13; SGD with rate 1 moves by them."""
    first, second = (nn.Parameter(torch.zeros(n, dtype=torch.float64)) for n in (2, 1))
    first.grad, second.grad = torch.tensor([3.0, 4.0]).double(), torch.tensor([12.0]).double()
    recipe(clip_norm=clip_norm).step(torch.optim.SGD([{"params": [first]}, {"params": [second]}], lr=1.0))
    # torch adds 1e-6 to the norm before it divides by it
    assert [*first.tolist(), *second.tolist()] == pytest.approx([-3 * factor, -4 * factor, -12 * factor], rel=1e-6)


# Averaging.


def test_the_average_is_the_sum_of_the_weights_of_all_steps() -> None:
    """After n steps: d^n w_0 + (1 - d) (d^(n-1) w_1 + ... + w_n), w_0 the first weights."""
    decay, weights = 0.9, np.random.default_rng(0).normal(size=8)
    net: Any = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(net.weight, weights[0])
    average: Any = recipe(ema=decay).averaged(net)
    for value in weights[1:]:
        nn.init.constant_(net.weight, value)
        average.update(net)
    n = len(weights) - 1
    expected = decay**n * weights[0] + (1 - decay) * sum(decay ** (n - k) * weights[k] for k in range(1, n + 1))
    # the multi-tensor average interpolates in float64
    assert average.network.weight.item() == pytest.approx(expected, rel=1e-12)


def test_the_average_of_a_batch_normalisation_has_its_statistics() -> None:
    torch.manual_seed(0)
    net = SRResNet(2, 1, 4)
    average: Any = recipe(ema=0.9).averaged(net)
    net(torch.rand(2, 3, 8, 8))
    average.update(net)
    assert all(one.equal(other) for one, other in zip(net.buffers(), average.network.buffers(), strict=True))
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_the_average_is_what_is_validated_and_kept(train: Train) -> None:
    """With a decay near 1 it stays what it was at first, while the network learns."""
    module = regression(recipe=recipe(ema=1 - 1e-12))
    first = {name: tensor.clone() for name, tensor in module.net.state_dict().items()}
    result = train(module, 2)
    for name, tensor in result.network.state_dict().items():
        torch.testing.assert_close(tensor, first[name], rtol=0, atol=1e-9)
    assert result.rows[0]["val/psnr"] == pytest.approx(result.rows[1]["val/psnr"], abs=1e-6)
    assert not module.net.state_dict()["body.0.weight"].equal(first["body.0.weight"])


# Accumulation.


@given(size=st.integers(1, 9), accumulate=st.integers(1, 12))
def test_the_parts_are_the_batch(size: int, accumulate: int) -> None:
    lr, hr = torch.arange(size), torch.arange(size) + 100
    parts = list(recipe(accumulate=accumulate).micro_batches(lr, hr))
    assert torch.cat([lr for lr, _ in parts]).equal(lr)
    assert torch.cat([hr for _, hr in parts]).equal(hr)
    assert len(parts) <= accumulate
    assert len({len(lr) for lr, _ in parts[:-1]}) <= 1


def gradients(module: Any, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Of every parameter as its optimizer sees it, in float64, in one training step."""
    module.double()
    found: dict[str, Tensor] = {}
    optimizers = module.configure_optimizers()[0]
    names = {parameter: name for name, parameter in module.named_parameters()}
    for optimizer in optimizers:
        optimizer.register_step_pre_hook(
            lambda stepped, *_: found.update(
                {names[p]: p.grad.clone() for group in stepped.param_groups for p in group["params"]}
            )
        )
    module.optimizers = lambda use_pl_optimizer: optimizers if len(optimizers) > 1 else optimizers[0]
    module.manual_backward = lambda loss, **arguments: loss.backward(**arguments)
    module.training_step([batch], 0)
    return found


@pytest.mark.parametrize("accumulate", [2, 5])
@pytest.mark.parametrize(
    "make", [regression, smooth_gan, partial(smooth_gan, flat_patches=4)], ids=["regression", "gan", "flat"]
)
def test_in_micro_batches_the_gradient_is_that_of_the_whole_batch(
    make: Callable[..., Any], accumulate: int, data: Callable[..., PairData]
) -> None:
    """Of networks without batch normalisation; 5 patches come in parts of 3 and 2, or of one each."""
    pairs = data(batch_size=5, patches_per_epoch=5)
    attach(pairs, channels=make().network.channels)
    ((pair,),) = [pairs.on_after_batch_transfer(chunk, 0) for chunk in pairs.train_dataloader()]  # pyright: ignore[reportAssignmentType]
    batch = pair[0].double(), pair[1].double()
    whole, parts = (gradients(make(recipe=recipe(accumulate=n)), batch) for n in (1, accumulate))
    assert whole.keys() == parts.keys()
    assert len(whole) >= 6
    for name, gradient in whole.items():
        # The loss casts to float32, whatever the weights are (`Network.training_loss`): 2^-24 = 6e-8 a value.
        torch.testing.assert_close(parts[name], gradient, rtol=0, atol=1e-7 * float(gradient.abs().max()))


# Settings that make no sense.


@pytest.mark.parametrize(
    "changes", [{"warmup": -1}, {"clip_norm": -0.1}, {"accumulate": 0}, {"ema": 1.0}, {"ema": -0.5}], ids=str
)
def test_settings_that_make_no_sense_are_refused_by_name(changes: dict[str, float]) -> None:
    ((name, number),) = changes.items()
    with pytest.raises(SrlabError, match=f"{name} {number}.*: set values from 0 on, accumulate from 1 on, ema below 1"):
        recipe(**changes)
