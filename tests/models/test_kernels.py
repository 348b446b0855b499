"""Kernels are chosen in processes of their own, since torch looks at the environment once."""

import os
import subprocess
import sys
from functools import cache

import pytest

from srlab.errors import SrlabError
from srlab.models.base.kernels import PORTABLE, use_kernels

# Large enough that torch leaves it to oneDNN.
CONVOLUTION = "import torch; torch.conv2d(torch.ones(8, 32, 96, 96), torch.ones(32, 32, 3, 3))"


@cache
def verbose(*words: str, **environment: str) -> str:
    """What oneDNN prints in a process that first calls use_kernels(*words)."""
    code = f"from srlab.models.base.kernels import use_kernels; use_kernels(*{words!r}); {CONVOLUTION}"
    own = {name: value for name, value in os.environ.items() if name not in PORTABLE}
    own |= {"ONEDNN_VERBOSE": "1"} | environment
    return subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True).stdout


def instructions(printed: str) -> str:
    return next(line for line in printed.splitlines() if "cpu,isa:" in line)


def test_portable_kernels_take_no_more_than_avx2() -> None:
    assert instructions(verbose("portable")).endswith("Intel AVX2")


@pytest.mark.parametrize("words", [("native",), ("portable", "bf16-mixed")])
def test_native_kernels_and_bf16_take_what_there_is(words: tuple[str, ...]) -> None:
    assert instructions(verbose(*words, **PORTABLE)) == instructions(verbose("native"))


def test_kernels_are_one_of_a_map() -> None:
    with pytest.raises(SrlabError, match="kernels is fast: choose one of portable, native"):
        use_kernels("fast")


def test_it_is_said_when_torch_has_begun_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PORTABLE:
        monkeypatch.delenv(name, raising=False)
    use_kernels("native")
    with pytest.raises(SrlabError, match="torch is loaded with native kernels: set kernels in"):
        use_kernels("portable")
