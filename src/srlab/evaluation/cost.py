"""What a method costs: parameters, multiply-adds, time and memory per output pixel, on the machine at hand.

Multiply-adds follow the literature (Ahn et al. 2018, "CARN", table 2): those of convolutions and matrix products for an
output of 1280x720 pixels. Interpolation, activations, sorting and norms are not counted. A method that learns nothing
is made of those, however they are computed: it has none to show.
"""

import ctypes
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from srlab.evaluation.machine import MACHINE_BUSY, fastest, processor
from srlab.models.base.network import Upscaler, counted

SIDE = 384  # px of the measured output: a multiple of every scale (2, 3, 4, 8), seconds for the slowest network
REFERENCE = 1280 * 720  # px of the output that multiply-adds are stated for

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): "writing 5 resets the peak resident set size"


def measure(method: Upscaler, scale: int, device: torch.device) -> dict[str, Any]:
    """Cost of `method`, moved to `device`, on a grey image that gives SIDE x SIDE pixels: the case of scores on luma.

    {"num_parameters": of the weights, "multiply_adds": for 1280x720, None of a method that learns nothing,
    "ms_per_megapixel": milliseconds per million output pixels of the fastest run, "remark": MACHINE_BUSY if other
    programs slowed that down, else "", "peak_bytes": memory above what was in use before the call, or None where the
    system does not tell, "device": what ran it, of a CPU with its threads, "libraries": their versions}.
    """
    if hasattr(method, "to"):
        method.to(device)  # pyright: ignore[reportAttributeAccessIssue]: interpolations have no `to`
    lr = torch.rand(1, 1, SIDE // scale, SIDE // scale, generator=torch.Generator().manual_seed(0)).to(device)
    run = partial(_run, partial(method.upscale, lr, scale), device)
    counted = count_multiply_adds(method, lr, scale)  # the first run also warms caches and libraries up
    peak = _peak_memory(run, device)
    # A thread that waits for a GPU may sleep or not: what it computed says nothing there.
    cpu = time.perf_counter if device.type == "cuda" else time.thread_time
    seconds, is_disturbed = fastest(run, wall=time.perf_counter, cpu=cpu)
    return {
        "num_parameters": method.num_parameters,
        "multiply_adds": (counted or None) if method.num_parameters else None,  # 0: not made of torch functions
        "ms_per_megapixel": seconds * 1e3 / (SIDE * SIDE / 1e6),
        "remark": MACHINE_BUSY * is_disturbed,
        "peak_bytes": peak,
        "device": _name(device),
        "libraries": _libraries(device),
    }


def count_multiply_adds(method: Upscaler, lr: Tensor, scale: int) -> int:
    """Multiply-adds of one call on `lr` (1, C, h, w), carried over to an output of 1280x720 pixels."""
    with MultiplyAdds() as counter:
        method.upscale(lr, scale)
    height, width = lr.shape[-2:]
    return round(counter.total * REFERENCE / (height * width * scale * scale))


class MultiplyAdds(TorchFunctionMode):
    """Counts them while it is entered, in `total`. Compiled and scripted code is not seen.

    torch's own FlopCounterMode finds the same, and imports a compiler to do so: half a second of every evaluation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if per_value := COUNTED.get(getattr(func, "__name__", "")):
            self.total += per_value(result, *args[:2])
        return result


# Functions that a model can call: output, first and second operand -> multiply-adds.
KINDS: dict[tuple[str, ...], Callable[[Tensor, Tensor, Tensor], int]] = {
    ("conv1d", "conv2d", "conv3d"): lambda out, x, weight: out.numel() * weight[0].numel(),
    ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"): lambda out, x, weight: x.numel() * weight[0].numel(),
    ("matmul", "__matmul__", "mm", "bmm", "linear"): lambda out, x, other: out.numel() * x.shape[-1],
}
COUNTED = {name: count for names, count in KINDS.items() for name in names}


def _run(call: Callable[[], Any], device: torch.device) -> None:
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_memory(run: Callable[[], None], device: torch.device) -> int | None:
    """Bytes that one run needs at its peak beyond what is in use before; None on systems that keep no such record."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    try:
        # What earlier runs freed and the allocator kept would be used again unseen.
        ctypes.CDLL(None).malloc_trim(0)
        RESET.write_text(RESET_PEAK, encoding="utf-8")
    except (OSError, AttributeError):  # no Linux, or no glibc
        return None
    before = _status("VmRSS")
    run()
    return max(_status("VmHWM") - before, 0)


def _status(key: str) -> int:
    """Bytes of a line of /proc/self/status."""
    found = re.search(rf"^{key}:\s+(\d+) kB", STATUS.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {counted(thread=torch.get_num_threads())}"


def _libraries(device: torch.device) -> str:
    """Those that a time depends on, with their versions."""
    found = f"torch {torch.__version__}, numpy {version('numpy')}"
    return f"{found}, cuDNN {torch.backends.cudnn.version()}" if device.type == "cuda" else found
