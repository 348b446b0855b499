"""Exported files give srlab's own pixels, for every size, and say so."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import srlab
from srlab.cli import main
from srlab.errors import SrlabError
from srlab.images.resample import imresize
from srlab.models.base.weights import save_network
from srlab.models.srcnn import SRCNN
from srlab.use.export import SUFFIXES, WRITERS, Enlargement, export
from srlab.use.exported import READERS

RGB = torch.rand(1, 3, 29, 17, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_plain_enlargement_is_imresize(scale: int) -> None:
    x = torch.rand(1, 2, 7, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Enlargement(scale)(x), imresize(x, scale=scale), rtol=0, atol=2e-6)


def run_torch(path: Path) -> tuple[torch.Tensor, str]:
    facts = {"srlab.json": ""}
    program = torch.export.load(path, extra_files=facts)
    return program.module()(RGB), facts["srlab.json"]


def run_here(path: Path) -> tuple[torch.Tensor, str]:
    """In windows that the size of RGB is no multiple of, and with another image after it in the batch."""
    said, _ = READERS[path.suffix](path)
    assert said is not None
    return srlab.load(path, precision="float32", tile=11).upscale(torch.cat([RGB, 1 - RGB]))[:1], said


@pytest.mark.parametrize("format", SUFFIXES)
def test_a_file_gives_our_pixels_at_a_size_it_was_not_made_with(format: str, tmp_path: Path) -> None:
    """A network on luma; a compiler is started, hence seconds."""
    for package in {"torch": [], "onnx": ["onnxscript", "onnxruntime"], "openvino": ["onnxscript", "openvino"]}[format]:
        pytest.importorskip(package)
    path, facts = export("espcn", format, tmp_path)
    found, stored = run_torch(path) if format == "torch" else run_here(path)
    assert (found - srlab.load("espcn", precision="float32").upscale(RGB)).abs().max() <= 1e-5
    assert json.loads(stored) == facts
    assert (facts["scale"], facts["sees_px"], len(facts["parity"])) == (4, 4, 3)
    assert facts["colour"] == "luma by the network, chroma by bicubic interpolation"
    assert {one.suffix for one in tmp_path.iterdir()} == {path.suffix} | ({".bin"} if format == "openvino" else set())


def test_a_network_that_begins_with_imresize_is_exported_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"_target_": "srlab.models.srcnn.SRCNN", "scale": 2, "kernels": "9-1-5", "init": "default"}
    file = tmp_path / "models/small/best.safetensors"
    save_network(file, SRCNN(2, "9-1-5", "default"), {"method": "small", "network": settings})
    main(["export", str(file), "--format", "torch", "-o", str(tmp_path / "out")])
    assert capsys.readouterr().out.startswith(f"{tmp_path}/out/small.pt2: small x2, RGB (1, 3, height, width)")
    found, _ = run_torch(tmp_path / "out/small.pt2")
    torch.testing.assert_close(found, srlab.load(file, precision="float32").upscale(RGB), rtol=0, atol=1 / 255)


def test_a_file_that_gives_other_pixels_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def black(program: Any) -> tuple[Any, Any]:
        return program, lambda rgb: torch.zeros(1, 3, *(4 * side for side in rgb.shape[2:]))

    monkeypatch.setitem(WRITERS, "torch", black)
    with pytest.raises(SrlabError, match=r"espcn.pt2 is not written: on 32x24 px it is [\d.e+]+ grey levels off"):
        export("espcn", "torch", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SrlabError, match=r"openvino needs openvino: pip install 'srlab\[export\]'"):
        export("espcn", "openvino", tmp_path)
