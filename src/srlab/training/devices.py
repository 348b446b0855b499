"""What there is to compute on, and whether a trainer of conf/trainer can use it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError

CPU_INFO = Path("/proc/cpuinfo")
BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux calls the instructions; the last one is ARM's
WITHOUT_BF16 = ("SSE", "AVX2", "AVX_", "AVX512_CORE_VNNI")  # of ONEDNN_MAX_CPU_ISA, which takes instructions away


def device_type(lightning: Mapping[str, Any]) -> str:
    """ "cuda" or "cpu": what a Trainer of these arguments ("accelerator", "precision") computes on here.

    SrlabError if a GPU is asked for and there is none, or bf16 and this CPU would have to emulate it.
    """
    import torch  # not above: `srlab plan` asks only for the CPU's instructions

    accelerator, precision = lightning["accelerator"], str(lightning["precision"])
    found = None if accelerator == "cpu" else torch.accelerator.current_accelerator(check_available=True)
    if found is None and accelerator not in ("cpu", "auto"):
        raise SrlabError(
            f"trainer.lightning.accelerator is {accelerator}, and torch finds none here: take trainer=default (run_on: "
            "default in params.yaml), or trainer.lightning.accelerator=cpu with trainer.lightning.precision=32-true"
        )
    if found is None and precision.startswith("bf16") and not cpu_has_bf16():
        raise SrlabError(
            f"precision {precision} on a CPU without bf16 instructions is ten times as slow as none: take "
            "trainer=default (run_on: default in params.yaml), or trainer.lightning.precision=32-true"
        )
    return "cpu" if found is None else found.type


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 numbers, and oneDNN, which torch computes with, may let it."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if allowed in ("AVX", "AVX512_CORE") or allowed.startswith(WITHOUT_BF16) or not CPU_INFO.exists():
        return False
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", CPU_INFO.read_text(encoding="utf-8"), re.MULTILINE)
    return flags is not None and bool(BF16 & set(flags[1].split()))
