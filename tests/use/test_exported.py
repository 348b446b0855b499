"""How a file of `srlab export` is used: in windows, in which precision, on grey, and what it cannot."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import smooth

import srlab
from srlab.cli import main
from srlab.errors import SrlabError
from srlab.use import exported
from srlab.use.exported import Exported, Reading

ESPCN = srlab.load("espcn", precision="float32", tile=0)
FACTS: dict[str, Any] = {"label": "ESPCN", "scale": 4, "num_parameters": 7, "sees_px": 4, "bytes_per_px": 9e3}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[tuple[bool, tuple[int, ...]]]]:
    """(in bf16, shape of the input) of all that a made-up runtime, which has ESPCN for every file, is asked for."""
    found = []

    def reader(path: Path) -> Reading:
        def network(is_bf16: bool) -> exported.Run:
            def run(rgb: torch.Tensor) -> torch.Tensor:
                found.append((is_bf16, tuple(rgb.shape)))
                return ESPCN.upscale(rgb)

            return run

        return path.read_text(), network

    for suffix in exported.READERS:
        monkeypatch.setitem(exported.READERS, suffix, reader)
        (tmp_path / f"x{suffix}").write_text(json.dumps(FACTS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("srlab.use.model.cpu_has_bf16", lambda: True)
    return found


@pytest.mark.parametrize("back_project", [False, True])
def test_windows_give_what_the_weights_give(calls: list[Any], back_project: bool) -> None:
    image = torch.rand(2, 3, 40, 90, generator=torch.Generator().manual_seed(0))
    model = srlab.load("x.xml", tile=60, back_project=back_project)
    expected = srlab.load("espcn", precision="float32", tile=0, back_project=back_project).upscale(image)
    torch.testing.assert_close(model.upscale(image), expected, rtol=0, atol=1e-5)
    assert {shape for _, shape in calls} == {(1, 3, 40, 60)}  # one at a time, all of one size


def test_grey_stays_grey(calls: list[Any]) -> None:
    grey = np.ascontiguousarray(smooth(0)[..., 0])
    found, expected = srlab.load("x.onnx").upscale(grey), ESPCN.upscale(np.stack([grey] * 3, axis=2))
    assert found.shape == (160, 160)
    assert np.abs(found[..., None].astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("file", "precision", "in_bf16"),
    [("x.xml", "auto", True), ("x.xml", "bfloat16", True), ("x.xml", "float32", False), ("x.onnx", "auto", False)],
)
def test_the_precision_is_the_one_that_is_named(calls: list[Any], file: str, precision: str, in_bf16: bool) -> None:
    srlab.load(file, precision=precision).upscale(smooth(0)[:8, :8])
    srlab.load(file, precision=precision).upscale(smooth(0)[:8, :8].astype(np.uint16))
    assert [one for one, _ in calls] == [in_bf16, in_bf16 and precision != "auto"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (json.dumps(FACTS), {"precision": "bfloat16"}, "x.onnx is computed in float32 alone: leave out --precision"),
        (json.dumps(FACTS), {"towards": "espcn"}, "x.onnx is computed as it is: interpolate the weights"),
        (json.dumps(FACTS | {"sees_px": None}), {"tile": 8}, None),
        ("{}", {}, "x.onnx was not written by this `srlab export`: export it again"),
        ("", {}, "a network from elsewhere is a line of `pretrained`"),
    ],
)
def test_what_a_file_does_not_do(calls: list[Any], content: str, options: dict[str, Any], message: str | None) -> None:
    Path("x.onnx").write_text(content)
    if message is None:  # what sees everything gets the whole image
        assert srlab.load("x.onnx", **options).upscale(smooth(0)).shape == (160, 160, 3)
        assert [shape for _, shape in calls] == [(1, 3, 40, 40)]
        return
    with pytest.raises(SrlabError, match=message):
        srlab.load("x.onnx", **options)


def test_the_command_takes_it_and_names_what_is_too_small(
    calls: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(smooth(0)).save("a.png")
    Image.fromarray(smooth(0)[:1]).save("line.png")
    with pytest.raises(SystemExit, match=r"error: line.png: x.xml takes sides from 2 px: use the weights"):
        main(["upscale", "a.png", "line.png", "-o", "out", "--model", "x.xml", "--precision", "float32"])
    assert capsys.readouterr().out.endswith("1 photos enlarged x4 by ESPCN: out\n")
    assert np.array_equal(np.asarray(Image.open("out/a.png")), ESPCN.upscale(smooth(0)))


@pytest.mark.parametrize(("file", "package"), [("x.onnx", "onnxruntime"), ("x.xml", "openvino")])
def test_a_missing_package_or_a_damaged_file_is_named(
    file: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file).write_bytes(b"<net")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, package, None)
        with pytest.raises(SrlabError, match=rf"{file} needs {package}: pip install 'srlab\[export\]'"):
            Exported(tmp_path / file)
    pytest.importorskip(package)
    with pytest.raises(SrlabError, match=f"{file} cannot be read .*: export it again"):
        Exported(tmp_path / file)
