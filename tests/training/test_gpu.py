"""What only a GPU shows: `pytest -m gpu`, about a minute on a card."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from kinds import Colours, MortalData, fail, regression, smooth_gan
from profiles import PROFILES, TEXTS
from test_speed import srresnet
from tiny import Recorder, fitted, smooth
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR

from srlab.evaluation.cost import measure
from srlab.evaluation.metrics.psnr import psnr
from srlab.models.srresnet import SRResNet
from srlab.patches.datamodule import PairData
from srlab.planning.configs import configs, training_of
from srlab.planning.probe import probe
from srlab.training.fit import Fitted
from srlab.training.recipe import Recipe
from srlab.training.speed import Speed

KIND = "cuda"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(KIND == "cuda" and not torch.cuda.is_available(), reason="no GPU")]
SMOKE = PROFILES["smoke"]
every_module = pytest.mark.parametrize("make", [srresnet, smooth_gan], ids=["regression", "gan"])


def name_of_device() -> str:
    return torch.cuda.get_device_name()


@pytest.mark.parametrize("capture", ["false", "true"])
@pytest.mark.parametrize("compile", ["null", "default"])
@pytest.mark.parametrize("name", [*SMOKE["models"], *SMOKE["gans"]])
def test_every_network_trains_ten_steps(
    name: str, compile: str, capture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `trainer=gpu` has it: bf16, TF32, fused Adam, kernels chosen by measuring."""
    speed = [f"trainer.speed.compile={compile}", f"trainer.speed.capture={capture}"]
    (tmp_path / "params.yaml").write_text(TEXTS["smoke"])
    monkeypatch.chdir(tmp_path)  # a machine with a GPU may have no Git, which knows the profiles
    cfg = configs(None, [name], ["trainer=gpu", *speed])[1][name]
    probed = probe(training_of(cfg, 10), tmp_path / "work")
    assert (probed.device, probed.precision) == (name_of_device(), "bf16-mixed")
    assert probed.num_steps >= 10
    assert probed.peak_bytes is not None


def trained(make: Callable[[], Any], data: PairData, work: Path) -> Fitted:
    return fitted(make(), data, work, Recorder(), 2, accelerator=KIND, checkpoint_minutes=0)


def alike(one: Fitted, other: Fitted) -> None:
    for left, right in zip(one.rows, other.rows, strict=True):
        # A GPU adds up in an order of its own from run to run: 1e-7 of a value, and more after every step.
        assert left == pytest.approx(right, rel=1e-3)
    for name, tensor in one.network.state_dict().items():
        # The weights lie around 0.1; a bias in front of a batch normalisation moves by rounding alone.
        torch.testing.assert_close(other.network.state_dict()[name], tensor, rtol=1e-2, atol=1e-3)


@every_module
@pytest.mark.parametrize(
    "changes", [({"chunk": 1}, {"chunk": 8}), ({"feeder": "stored"}, {"feeder": "resident"})], ids=["chunk", "feeder"]
)
def test_a_training_is_the_same_however_it_is_fed(
    make: Callable[[], Any], changes: tuple[dict[str, Any], ...], data: Callable[..., PairData], tmp_path: Path
) -> None:
    runs = [trained(make, data(patches_per_epoch=32, **c), tmp_path / str(n)) for n, c in enumerate(changes)]
    alike(*runs)


@every_module
def test_a_training_that_was_interrupted_ends_like_another(
    make: Callable[[], Any], store: Path, tmp_path: Path
) -> None:
    def run(work: Path, life: int = 0) -> Fitted:
        data = MortalData(str(store), 2, 7, 16, 4, 32)
        data.life, data.die = life, fail
        return trained(make, data, work)

    with pytest.raises(ConnectionError):
        run(tmp_path / "interrupted", life=5)
    alike(run(tmp_path / "interrupted"), run(tmp_path / "whole"))


@pytest.mark.parametrize("make", [partial(regression, partial(Colours, 2)), smooth_gan], ids=["regression", "gan"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_replayed_steps_are_the_steps(
    make: Callable[..., Any], precision: str, data: Callable[..., PairData], tmp_path: Path
) -> None:
    """With a schedule, warm-up, clipping, micro-batches, an average, and a short batch at the end of an epoch."""
    results, modules = [], []
    for capture in (False, True):
        module = make(recipe=Recipe(warmup=8, clip_norm=0.5, accumulate=2, ema=0.75))
        module.schedule, module.make_optimizer = partial(StepLR, step_size=1, gamma=0.5), partial(Adam, fused=True)
        Speed(channels_last=True, compile=None, tf32=False, capture=capture).apply(module)
        loaded, work = data(batch_size=6, patches_per_epoch=100, chunk=8), tmp_path / str(capture)
        results.append(fitted(module, loaded, work, Recorder(), 3, accelerator=KIND, precision=precision))
        modules.append(module)
    assert [bool(module._graphed and module._graphed.replay) for module in modules] == [False, True]
    alike(*results)


class Costed(SRResNet):
    """With what is asked of a method that is measured."""

    label, num_parameters = "SRResNet", 1


def net() -> Costed:
    torch.manual_seed(0)
    return Costed(2, 4, 16)


def test_scores_are_those_of_a_cpu() -> None:
    """Within 0.001 dB, though TF32 and the choice of kernels are switched on around it."""
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    matmul.allow_tf32 = cudnn.allow_tf32 = cudnn.benchmark = True
    try:
        lr, hr = (torch.from_numpy(smooth(n)).permute(2, 0, 1)[None] / 255 for n in (0, 1))
        scores = []
        for device in ("cpu", KIND):
            sr = net().to(device).upscale(lr[..., ::2, ::2].to(device), 2)
            scores.append(float(psnr(sr[:, :1].cpu(), hr[:, :1], 2)))
    finally:
        matmul.allow_tf32 = cudnn.allow_tf32 = cudnn.benchmark = False
    assert scores[1] == pytest.approx(scores[0], abs=1e-3)


def test_costs_are_those_of_the_gpu() -> None:
    device = torch.device(KIND)
    found = measure(net().to(device), 2, device)
    assert found["device"] == name_of_device()
    assert found["peak_bytes"] > 0
    assert found["ms_per_megapixel"] > 0
