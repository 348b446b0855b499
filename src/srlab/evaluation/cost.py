"""What a method costs: learned numbers, multiply-adds, time and memory per output pixel, on the machine at hand.

Multiply-adds follow the literature (Ahn et al. 2018, "CARN", table 2): those of convolutions and matrix products for an
output of 1280x720 pixels. Interpolation, activations, sorting and norms are not counted. A method that learns nothing
is made of those, however they are computed: it has none to show.
"""

import ctypes
import platform
import re
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from srlab.models.network import Upscaler

SIDE = 384  # px of the measured output: a multiple of every scale (2, 3, 4, 8), seconds for the slowest network
REFERENCE = 1280 * 720  # px of the output that multiply-adds are stated for
ENOUGH = 0.5  # seconds of runs after which the median is stable
FEWEST, MOST = 3, 50  # runs

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): "writing 5 resets the peak resident set size"


def measure(method: Upscaler, scale: int, device: torch.device) -> dict[str, Any]:
    """Cost of `method` on a grey image that gives SIDE x SIDE pixels, the case that the scores on luma are made of.

    {"num_parameters": learned numbers, "multiply_adds": for 1280x720, None of a method that learns nothing,
    "ms_per_megapixel": median milliseconds per million output pixels, "peak_bytes": memory above what was in use
    before the call, or None where the system does not tell, "device": what ran it}.
    """
    lr = torch.rand(1, 1, SIDE // scale, SIDE // scale, generator=torch.Generator().manual_seed(0)).to(device)

    def run() -> None:
        method.upscale(lr, scale)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    counted = count_multiply_adds(method, lr, scale)  # the first run also warms caches and libraries up
    peak = _peak_memory(run, device)
    seconds = _seconds(run)
    return {
        "num_parameters": method.num_parameters,
        "multiply_adds": counted if method.num_parameters else None,
        "ms_per_megapixel": median(seconds) * 1e3 / (SIDE * SIDE / 1e6),
        "peak_bytes": peak,
        "device": _name(device),
    }


def count_multiply_adds(method: Upscaler, lr: Tensor, scale: int) -> int:
    """Multiply-adds of one call on `lr` (1, C, h, w), carried over to an output of 1280x720 pixels."""
    with FlopCounterMode(display=False) as counter:
        method.upscale(lr, scale)
    height, width = lr.shape[-2:]
    return round(counter.get_total_flops() / 2 * REFERENCE / (height * width * scale * scale))


def _seconds(run: Callable[[], None]) -> list[float]:
    """Seconds of each of several runs; of one run where that takes long enough to be exact by itself."""
    seconds: list[float] = []
    while len(seconds) < MOST and (sum(seconds) < ENOUGH or (len(seconds) < FEWEST and sum(seconds) < 10 * ENOUGH)):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


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
        RESET.write_text(RESET_PEAK)
    except (OSError, AttributeError):  # no Linux, or no glibc
        return None
    before = _status("VmRSS")
    run()
    return max(_status("VmHWM") - before, 0)


def _status(key: str) -> int:
    """Bytes of a line of /proc/self/status."""
    found = re.search(rf"^{key}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()
