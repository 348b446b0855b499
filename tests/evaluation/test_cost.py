"""Costs against what is known of a network, a loop of known length and an allocation of known size."""

import time

import pytest
import torch
from torch import Tensor, nn

from srlab.evaluation import cost
from srlab.evaluation.cost import REFERENCE, SIDE, count_multiply_adds, measure
from srlab.models.network import Network
from srlab.models.srcnn import SRCNN

CPU = torch.device("cpu")


class Method:
    """Does something and gives zeros."""

    label, num_parameters = "Method", 7

    def __init__(self, work=lambda: None) -> None:
        self.work = work

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        self.work()
        return lr.new_zeros(1, 1, lr.shape[2] * scale, lr.shape[3] * scale)


class Strided(Network):
    """A convolution on the LR grid and one on the HR grid."""

    def __init__(self, scale: int) -> None:
        super().__init__(scale, channels=1)
        self.low = nn.Conv2d(1, 3, 5, padding=2)
        self.high = nn.ConvTranspose2d(3, 1, scale, stride=scale)

    def forward(self, lr: Tensor) -> Tensor:
        return self.high(self.low(lr))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_multiply_adds_are_those_of_the_layers_at_1280x720(scale: int) -> None:
    lr = torch.rand(1, 1, SIDE // scale, SIDE // scale)
    per_lr_pixel = 5 * 5 * 3 + 3 * scale * scale
    # rounded to whole ones: 1280x720 is no multiple of 3 x 3
    assert count_multiply_adds(Strided(scale), lr, scale) == round(per_lr_pixel * REFERENCE / scale**2)


def test_multiply_adds_of_srcnn_are_the_published_ones() -> None:
    net = SRCNN(4, kernels="9-5-5", init="default")
    found = count_multiply_adds(net, torch.rand(1, 1, SIDE // 4, SIDE // 4), 4)
    assert f"{found / 1e9:.1f}" == "52.7"  # Ahn et al. 2018, table 2


def test_a_method_that_learns_nothing_has_no_multiply_adds() -> None:
    method = Method(lambda: torch.ones(64, 64) @ torch.ones(64, 64))
    assert measure(method, 4, CPU)["multiply_adds"] == round(64**3 * REFERENCE / SIDE**2)
    method.num_parameters = 0
    assert measure(method, 4, CPU)["multiply_adds"] is None


def test_time_is_per_million_output_pixels() -> None:
    found = measure(Method(lambda: time.sleep(0.05)), 4, CPU)
    # a sleep never ends early; how late it ends is the scheduler's affair
    assert found["ms_per_megapixel"] >= 50 / (SIDE * SIDE / 1e6)
    assert found["num_parameters"] == 7
    assert "thread" in found["device"]


def test_the_median_is_of_several_runs_unless_one_is_long() -> None:
    assert len(cost._seconds(lambda: time.sleep(0.01))) > cost.FEWEST
    clock = iter(range(0, 1000, 10))  # every run takes ten seconds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost.time, "perf_counter", lambda: next(clock))
        assert cost._seconds(lambda: None) == [10]


def test_peak_memory_is_that_of_the_call_alone() -> None:
    ballast = torch.ones(10_000_000)  # 40 MB that were there before
    freed = [torch.ones(100_000) for _ in range(200)]  # 80 MB that the allocator keeps, in pieces, and would use again
    del freed
    if (found := measure(Method(lambda: [torch.ones(100_000) for _ in range(150)]), 4, CPU)["peak_bytes"]) is None:
        pytest.skip("this system keeps no record of peak memory")
    # 60 MB; the output is 0.6 MB, and the allocator may round up by some pages
    assert found == pytest.approx(60e6, rel=0.1)
    assert ballast.sum() > 0


def test_where_the_system_keeps_no_record_of_the_peak_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(cost, "RESET", tmp_path_factory.mktemp("no") / "proc" / "clear_refs")
    assert measure(Method(), 4, CPU)["peak_bytes"] is None
