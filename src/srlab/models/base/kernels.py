"""How many CPU threads a stage computes on, and with which kernels. Imported before torch."""

import ctypes
import os
import sys

from srlab.errors import SrlabError

# What oneDNN and MKL read when torch is imported. AVX2 and MKL's compatible mode are on every x86 processor of the last
# ten years, and round alike on all of them: docs/performance.md says what they cost.
PORTABLE = {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
KERNELS: dict[str, dict[str, str]] = {"portable": PORTABLE, "native": {}}


def use_kernels(kernels: str, precision: str = "32-true") -> None:
    """Compute with the `portable` kernels or with the fastest that a CPU has, `native`.

    Another `precision` than 32 bits is always native: bf16 lives by instructions that portable kernels forgo.

    Raises:
        SrlabError: there are no such kernels; or torch is loaded with others, as in a sweep over them.
    """
    if kernels not in KERNELS:
        raise SrlabError(f"kernels is {kernels}: choose one of {', '.join(KERNELS)}")
    wanted = KERNELS[kernels] if precision.startswith("32") else {}
    if wanted == {name: value for name, value in PORTABLE.items() if os.environ.get(name) == value}:
        return
    if "torch" in sys.modules:
        loaded = "portable" if wanted == {} else "native"
        raise SrlabError(f"torch is loaded with {loaded} kernels: set kernels in params.yaml, once for a whole process")
    for name in PORTABLE:
        os.environ.pop(name, None)
    os.environ.update(wanted)


def keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next buffer; with another C library nothing changes.

    By itself it hands large buffers back to the kernel, which has to clear the same pages again for the next layer:
    docs/performance.md says what that costs.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-4, 0)  # M_MMAP_MAX: large buffers lie in the heap, too
        libc.mallopt(-1, -1)  # M_TRIM_THRESHOLD: the heap never shrinks


def use_threads(num_threads: int) -> None:
    """Compute on so many CPU threads; 0 leaves torch's choice, all cores.

    A fixed number makes weights and scores independent of how many cores there are, and small networks lose little by
    one: two threads that other processes keep from running together spend most of their time waiting for each other.
    """
    import torch

    if num_threads:
        torch.set_num_threads(num_threads)
