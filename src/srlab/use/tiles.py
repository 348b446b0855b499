"""Large images in windows: which, how much they overlap, and how large they may be."""

import math
import re
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from srlab.models.base.network import Upscaler

FARTHEST = 256  # LR px: what sees farther is taken to see the whole image
SHARE = 0.5  # of what is free
# Bytes of the whole process, and what of it torch, the libraries and a photo of 12 MPix take: 12 MPix with alpha, which
# become 0.8 GB by x4, leave 0.6 GB for a window.
TOTAL, OTHERS, LEAST = 2_000_000_000, 600_000_000, 300_000_000
SIDE = 32  # LR px of the image that memory is measured on
MARGIN = 1.25  # over what tensors take: kernels copy into layouts of their own; measured 0.9 to 1.15
SMALLEST = 16  # LR px that a window keeps at least
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Window:
    """A part of an LR image: the rows and columns that are `seen`, and those that are `kept` of the output."""

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]

    def target(self, scale: int) -> tuple[slice, ...]:
        """Where in the SR image the kept pixels belong."""
        return tuple(slice(kept.start * scale, kept.stop * scale) for kept in self.kept)

    def inside(self, scale: int) -> tuple[slice, ...]:
        """Where in the enlarged window the kept pixels are."""
        starts = [seen.start for seen in self.seen]
        return tuple(
            slice((kept.start - start) * scale, (kept.stop - start) * scale)
            for kept, start in zip(self.kept, starts, strict=True)
        )


def windows(sides: Sequence[int], tile: int, overlap: int) -> list[Window]:
    """Windows of an LR image (h, w) that keep every pixel once; all `tile` long or as long as the image; 0: one."""
    rows, columns = (list(_along(side, tile, overlap)) for side in sides)
    return [Window((r, c), (kept_r, kept_c)) for r, kept_r in rows for c, kept_c in columns]


def _along(side: int, tile: int, overlap: int) -> Iterator[tuple[slice, slice]]:
    if tile == 0 or side <= tile:
        yield slice(0, side), slice(0, side)
        return
    kept = 0
    while kept < side:
        start = min(max(kept - overlap, 0), side - tile)
        end = side if start + tile == side else start + tile - overlap
        yield slice(start, start + tile), slice(kept, end)
        kept = end


def reach(method: Upscaler, scale: int, device: torch.device) -> int | None:
    """LR px over which an output pixel sees the input, at most of both axes; None if it sees everything.

    Measured: NaN in one LR pixel goes wherever that pixel has a say, also with a weight of 0. Windows that overlap by
    so much give what the whole image gives, up to the rounding of kernels that differ from size to size.
    """
    found = []
    for shape in ((1, 1, 2 * FARTHEST + 1, 1), (1, 1, 1, 2 * FARTHEST + 1)):
        lr = torch.zeros(shape, device=device)
        lr.view(-1)[FARTHEST] = math.nan
        line = method.upscale(lr, scale).isnan().any(3 if shape[3] == 1 else 2).flatten().nonzero() // scale
        found.append(max(FARTHEST - int(line.min()), int(line.max()) - FARTHEST))
    return max(found) if max(found) < FARTHEST else None


def bytes_per_pixel(method: Upscaler, scale: int, device: torch.device) -> float:
    """Memory that a method needs per LR px of RGB."""
    with _Footprint() as footprint:
        method.upscale(torch.zeros(1, 3, SIDE, SIDE, device=device), scale)
    return MARGIN * footprint.peak / SIDE**2


def tile_side(bytes_per_pixel: float, output: int, overlap: int, device: torch.device) -> int:
    """LR px of the side of a window for which there is memory now, beside `output` bytes; it keeps SMALLEST px."""
    free = SHARE * free_memory(device)
    budget = free if device.type == "cuda" else min(free, max(TOTAL - OTHERS - output, LEAST))
    return max(math.isqrt(int(budget / bytes_per_pixel)), 2 * overlap + SMALLEST)


def free_memory(device: torch.device) -> int:
    """Bytes that a process may still take, on Linux within its control group; on a system that does not tell, 1 GiB."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    info = Path("/proc/meminfo")
    free = _number(r"^MemAvailable:\s+(\d+) kB", info.read_text(encoding="utf-8")) * 1024 if info.exists() else 2**30
    try:
        limit, used, parts = ((CGROUP / f"memory.{name}").read_text() for name in ("max", "current", "stat"))
        return min(free, int(limit) - int(used) + _number(r"^inactive_file (\d+)", parts))
    except (OSError, ValueError):  # no control groups, or "max": no limit
        return free


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None
    return int(found[1])


class _Footprint(TorchFunctionMode):
    """The most bytes in tensors, made while it is entered, that live at once: `peak`."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            size = result.numel() * result.element_size()
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(result, self._freed, size)
        return result

    def _freed(self, size: int) -> None:
        self.live -= size
