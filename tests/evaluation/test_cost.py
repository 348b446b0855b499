"""Costs against what is known of a network, and an allocation of known size."""

import multiprocessing
from multiprocessing.queues import SimpleQueue

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from srlab.evaluation import cost
from srlab.evaluation.cost import REFERENCE, SIDE, MultiplyAdds, count_multiply_adds, measure
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


def test_multiply_adds_of_srcnn_are_the_published_ones() -> None:
    net = SRCNN(4, kernels="9-5-5", init="default")
    found = count_multiply_adds(net, torch.rand(1, 1, SIDE // 4, SIDE // 4), 4)
    assert f"{found / 1e9:.1f}" == "52.7"  # Ahn et al. 2018, table 2


def test_a_method_that_learns_nothing_has_no_multiply_adds() -> None:
    method = Method(lambda: torch.ones(64, 64) @ torch.ones(64, 64))
    assert measure(method, 4, CPU)["multiply_adds"] == round(64**3 * REFERENCE / SIDE**2)
    method.num_parameters = 0
    assert measure(method, 4, CPU)["multiply_adds"] is None


@pytest.mark.parametrize(("is_disturbed", "remark"), [(False, ""), (True, "machine busy")])
def test_time_is_per_million_output_pixels(monkeypatch: pytest.MonkeyPatch, is_disturbed: bool, remark: str) -> None:
    monkeypatch.setattr(cost, "fastest", lambda *parts, **clocks: (0.05, is_disturbed))
    found = measure(Method(), 4, CPU)
    assert found["ms_per_megapixel"] == pytest.approx(50 / (SIDE * SIDE / 1e6))
    assert (found["remark"], found["num_parameters"]) == (remark, 7)
    assert f", {torch.get_num_threads()} thread" in found["device"]
    assert f"torch {torch.__version__}" in found["libraries"]


def test_a_method_is_moved_to_the_device_before_it_is_measured() -> None:
    order: list[str] = []
    method = Method(lambda: order.append("upscale"))
    setattr(method, "to", lambda device: order.append(f"to {device}"))  # noqa: B010
    measure(method, 4, CPU)
    assert order[:2] == ["to cpu", "upscale"]


@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5)), ((3, 4), (4,))])
def test_a_product_has_a_multiply_add_for_each_of_its_terms(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x, other = (torch.ones(shape) for shape in shapes)
    with MultiplyAdds() as counter:
        total = (x @ other).sum()  # of ones: as many as there are terms
    assert counter.total == total


@pytest.mark.parametrize("groups", [1, 2])
def test_multiply_adds_are_those_that_torch_itself_counts(groups: int) -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, groups=groups), nn.ConvTranspose2d(6, 4, 3, groups=groups), nn.Linear(9, 7)
    )
    x = torch.rand(2, 4, 15, 15)
    with FlopCounterMode(display=False) as torchs, torch.no_grad():
        net(x)
    with MultiplyAdds() as counter, torch.no_grad():
        net(x)
    assert counter.total == torchs.get_total_flops() / 2


def _peak_beside_ballast(told: SimpleQueue) -> None:
    ballast = torch.ones(10_000_000)  # 40 MB that were there before
    freed = [torch.ones(100_000) for _ in range(200)]  # 80 MB that the allocator keeps, in pieces, and would use again
    del freed
    told.put(measure(Method(lambda: [torch.ones(100_000) for _ in range(150)]), 4, CPU)["peak_bytes"])
    assert ballast.sum() > 0


def test_peak_memory_is_that_of_the_call_alone() -> None:
    # A process of its own, as an evaluation has: after thousands of tests the heap has holes that no system call shows.
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    child = context.Process(target=_peak_beside_ballast, args=(told,))
    child.start()
    child.join()
    assert child.exitcode == 0
    if (found := told.get()) is None:
        pytest.skip("this system keeps no record of peak memory")
    # 60 MB; the output is 0.6 MB, and the allocator may round up by some pages
    assert found == pytest.approx(60e6, rel=0.1)


def test_where_the_system_keeps_no_record_of_the_peak_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(cost, "RESET", tmp_path_factory.mktemp("no") / "proc" / "clear_refs")
    assert measure(Method(), 4, CPU)["peak_bytes"] is None
