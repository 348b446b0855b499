"""What is compiled, what is not, and in what precision each is computed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from kinds import Colours, gan, regression, same, smooth_gan
from pytorch_lightning.plugins import MixedPrecision
from test_speed import alike, plainly_and, speed, srresnet, still_gan
from torch import Tensor
from trainings import Train

from srlab.errors import SrlabError
from srlab.models.drcn import DRCN
from srlab.models.srresnet import SRResNet
from srlab.models.vdsr import VDSR
from srlab.training.recipe import Recipe


def test_what_compiled_graphs_and_synchronized_statistics_do_not_allow_is_refused() -> None:
    module = regression(recipe=Recipe(warmup=0, clip_norm=0.0, accumulate=2, ema=0.0))
    with pytest.raises(SrlabError, match=r"recipes\.\*\.accumulate 2 does not allow: set it to 1, or"):
        speed(compile="max-autotune").apply(module)
    module = gan(r1=1.0)
    module.discriminator = torch.nn.SyncBatchNorm.convert_sync_batchnorm(module.discriminator)
    with pytest.raises(SrlabError, match=r"set trainer\.lightning\.sync_batchnorm=false, or gans\.\*\.r1 to 0"):
        module.on_train_start()


def test_the_penalty_works_with_a_compiled_discriminator(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code has no gradients of gradients."""
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, mode: compile_module(module, backend="aot_eager"))

    def module() -> Any:
        made = still_gan()
        made.r1 = 1.0
        return made

    alike(*plainly_and(speed(compile="default"), module, train, 1))


def refusing(graph: Any, inputs: Any) -> Any:
    """A compiler."""
    raise ConnectionError("compiled")


def test_a_network_is_validated_as_it_is_written_whatever_was_compiled() -> None:
    net = SRResNet(2, 1, 4)
    net.compile(backend=refusing)
    assert net.upscale(torch.rand(1, 3, 8, 8), 2).shape == (1, 3, 16, 16)
    with pytest.raises(torch._dynamo.exc.BackendCompilerFailed):
        net(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("make", [lambda: DRCN(2, 2, 4, 2), lambda: VDSR(2, 3, 4)], ids=["drcn", "vdsr"])
def test_the_loss_of_a_network_s_own_is_of_what_was_compiled(make: Callable[[], Any]) -> None:
    net = make()
    net.compile(backend=refusing)
    with pytest.raises(torch._dynamo.exc.BackendCompilerFailed):
        net.training_loss(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 16, 16), 0)


class Flags(Colours):
    """Notes how float32 is computed in its forward."""

    def forward(self, lr: Tensor) -> Tensor:
        self.seen = flags()
        return super().forward(lr)


def flags() -> tuple[bool, ...]:
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, torch.is_autocast_enabled("cpu")


@pytest.fixture
def rounding() -> Iterator[None]:
    """float32 as `trainer=gpu` has it."""
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    matmul.allow_tf32 = cudnn.allow_tf32 = cudnn.benchmark = True
    yield
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


@pytest.mark.usefixtures("rounding")
def test_validation_is_in_full_precision_and_measures_no_kernels() -> None:
    net = Flags(2)
    with torch.autocast("cpu", torch.bfloat16):
        net.upscale(torch.rand(1, 3, 8, 8), 2)
        assert net.seen == (False,) * 4
        assert flags() == (True,) * 4


@pytest.mark.parametrize("make", [srresnet, smooth_gan], ids=["regression", "gan"])
def test_a_chunk_in_bf16_is_its_steps_also_if_weights_that_were_cast_are_kept(
    make: Callable[[], Any], train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Lightning may have it: its context is that of a whole chunk."""
    kept = lambda plugin: torch.autocast("cpu", torch.bfloat16, cache_enabled=True)  # noqa: E731
    monkeypatch.setattr(MixedPrecision, "autocast_context_manager", kept)
    feeds = ({"patches_per_epoch": 32, "chunk": chunk} for chunk in (1, 8))
    assert same(*(train(make(), feed=feed, precision="bf16-mixed") for feed in feeds))
