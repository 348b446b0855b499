"""What a trainer would compute on, and which one cannot be used here."""

from pathlib import Path
from typing import Any

import pytest
import torch

from srlab.errors import SrlabError
from srlab.planning.configs import configs
from srlab.training import devices
from srlab.training.devices import cpu_has_bf16, device_type


def found(monkeypatch: pytest.MonkeyPatch, device: str | None, has_bf16: bool) -> None:
    """torch finds this accelerator, or none, beside a CPU that has bf16 or not."""
    there = None if device is None else torch.device(device)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: there)
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: has_bf16)


@pytest.mark.parametrize(
    ("accelerator", "precision", "there", "has_bf16", "expected"),
    [
        ("auto", "32-true", "cuda", False, "cuda"),
        ("auto", "32-true", None, False, "cpu"),
        ("cpu", "32-true", "cuda", False, "cpu"),
        ("gpu", "32-true", "cuda", False, "cuda"),
        ("auto", "bf16-mixed", None, True, "cpu"),
        ("auto", "bf16-mixed", "cuda", False, "cuda"),
    ],
)
def test_the_device_is_the_one_that_lightning_takes(
    accelerator: str, precision: str, there: str | None, has_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(monkeypatch, there, has_bf16)
    assert device_type({"accelerator": accelerator, "precision": precision}) == expected


@pytest.mark.parametrize(
    ("accelerator", "line"),
    [
        ("gpu", r"^trainer\.lightning\.accelerator is gpu, .*: take trainer=default"),
        ("auto", "take trainer=default"),
    ],
    ids=["no gpu", "bf16 that a CPU would imitate"],
)
def test_what_is_not_there_is_one_line(accelerator: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, None, has_bf16=False)
    with pytest.raises(SrlabError, match=line):
        device_type({"accelerator": accelerator, "precision": "bf16-mixed"})


@pytest.mark.parametrize(
    ("line", "allowed", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16", None, True),
        ("flags\t\t: fpu amx_bf16 amx_tile", "ALL", True),
        ("flags\t\t: fpu amx_bf16", "avx512_core_bf16", True),
        ("flags\t\t: fpu amx_bf16", "AVX2", False),
        ("flags\t\t: fpu amx_bf16", "AVX512_CORE", False),
        ("flags\t\t: fpu avx2 avx512f", None, False),
        ("Features\t: fp asimd bf16", None, True),
        ("", None, False),
    ],
)
def test_what_the_cpu_has_and_onednn_may_use(
    line: str, allowed: str | None, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if allowed:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", allowed)
    assert cpu_has_bf16() is expected


def trainer(*words: str) -> Any:
    return configs("smoke", ["srgan"], words)[1]["srgan"].trainer


def test_several_gpus_are_used_like_one() -> None:
    one, several = trainer("trainer=gpu"), trainer("trainer=ddp")
    for key in ("accelerator", "precision", "benchmark"):
        assert several.lightning[key] == one.lightning[key]
    assert (several.speed, several.fused) == (one.speed, one.fused)


@pytest.mark.parametrize(("words", "fused"), [((), None), (("trainer=gpu",), True)])
def test_both_optimizers_of_a_gan_are_made_as_the_trainer_says(words: tuple[str, ...], fused: bool | None) -> None:
    """None leaves the choice to torch: False would mean a loop over the weights on a GPU, too."""
    assert configs("smoke", ["srgan"], words)[1]["srgan"].model.module.optimizer.fused is fused
