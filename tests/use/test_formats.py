"""One small network as ONNX file, as TorchScript and as class with weights: the same pixels from each."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.use.external import External
from srlab.use.formats import OnnxFile, python_class, torchscript_file

SOURCE = """
from torch import nn

class Small(nn.Sequential):
    def __init__(self, scale, widths):
        layers = [nn.Conv2d(*pair, 3, padding=1) for pair in zip(widths[:-1], widths[1:])]
        super().__init__(*layers, nn.ReLU(), nn.Conv2d(widths[-1], 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
"""
MODULE = "small_network_of_somebody"
TARGET = f"{MODULE}.Small"
ARGUMENTS = {"scale": 2, "widths": "[3, 8, 6]"}
FORMATS = (
    "onnx",
    "torchscript",
    "python",
    "python, nn.DataParallel",
    "python, one entry of a checkpoint",
    "safetensors",
)


def small() -> nn.Module:
    torch.manual_seed(0)
    first, second, last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 12, 3, padding=1)
    return nn.Sequential(first, second, nn.ReLU(), last, nn.PixelShuffle(2)).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network in every format, and the source of its class."""
    folder = tmp_path_factory.mktemp("somebody")
    net, state = small(), small().state_dict()
    (folder / f"{MODULE}.py").write_text(SOURCE)
    torch.jit.save(torch.jit.script(net), folder / "small.pt")
    torch.save(state, folder / "small.pth")
    torch.save({f"module.{key}": value for key, value in state.items()}, folder / "parallel.pth")
    torch.save({"epoch": 3, "params": {}, "params_ema": state}, folder / "checkpoint.pth")
    save_file(state, folder / "small.safetensors")
    return folder


def with_onnx(folder: Path) -> Path:
    pytest.importorskip("onnx", reason="pip install 'srlab[onnx]'")
    pytest.importorskip("onnxruntime", reason="pip install 'srlab[onnx]'")
    if not (folder / "small.onnx").exists():
        axes = {"x": {0: "b", 2: "h", 3: "w"}}
        lr = torch.rand(1, 3, 8, 8)
        torch.onnx.export(
            small(), (lr,), str(folder / "small.onnx"), input_names=["x"], dynamic_axes=axes, dynamo=False
        )
    return folder


def of_class(folder: Path, file: str = "small.pth", state: str | None = None, **changes: Any) -> nn.Module:
    return python_class(str(folder), file, changes.get("target", TARGET), changes.get("arguments", ARGUMENTS), state)


def loaded(kind: str, folder: Path) -> nn.Module:
    match kind:
        case "onnx":
            return OnnxFile(str(with_onnx(folder)), "small.onnx")
        case "torchscript":
            return torchscript_file(str(folder), "small.pt")
        case "python":
            return of_class(folder)
        case "python, nn.DataParallel":
            return of_class(folder, "parallel.pth")
        case "python, one entry of a checkpoint":
            return of_class(folder, "checkpoint.pth", "params_ema")
        case _:
            return of_class(folder, "small.safetensors")


def picture(height: int = 21, width: int = 17) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def by_itself() -> Tensor:
    with torch.no_grad():
        output = small()(picture() - 0.5) + 0.5
    assert output.std() > 0.05
    return output.clamp(0, 1)


@pytest.mark.parametrize("tile", [0, 12])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_pixels(folder: Path, kind: str, tile: int) -> None:
    method = External("small", "Small", 2, loaded(kind, folder), "rgb", 1, 0.5, tile, 3)
    expected = by_itself()
    # float32 sums in another order
    assert torch.allclose(method.upscale(picture(), 2), expected, rtol=0, atol=1e-6)
    assert method.num_parameters == sum(one.numel() for one in small().parameters())


def test_an_onnx_file_of_one_size_takes_tiles_of_that_size(folder: Path) -> None:
    with_onnx(folder)
    torch.onnx.export(small(), (torch.rand(1, 3, 12, 12),), str(folder / "fixed.onnx"), dynamo=False)
    net = OnnxFile(str(folder), "fixed.onnx")
    expected = by_itself()
    tiled = External("small", "Small", 2, net, "rgb", 1, 0.5, 12, 3).upscale(picture(), 2)
    assert torch.allclose(tiled, expected, rtol=0, atol=1e-6)  # float32 sums in another order
    with pytest.raises(SrlabError, match=r"^external\.small fails on an input of \(1, 3, 21, 17\) .*`tile`"):
        External("small", "Small", 2, net, "rgb", 1, 0, 0, 0).upscale(picture(), 2)


def test_without_onnxruntime_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "any.onnx").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(SrlabError, match=r"any\.onnx needs onnxruntime and onnx: pip install 'srlab\[onnx\]'"):
        OnnxFile(str(folder), "any.onnx")


@pytest.mark.parametrize("kind", ["onnx", "torchscript", "python", "safetensors"])
def test_a_file_of_another_format_is_refused(folder: Path, kind: str) -> None:
    names = {"onnx": "bad.onnx", "torchscript": "bad.pt", "python": "bad.pth", "safetensors": "bad.safetensors"}
    (folder / names[kind]).write_bytes(b"no weights at all")
    readers = {
        "onnx": lambda: OnnxFile(str(with_onnx(folder)), "bad.onnx"),
        "torchscript": lambda: torchscript_file(str(folder), "bad.pt"),
        "python": lambda: of_class(folder, "bad.pth"),
        "safetensors": lambda: of_class(folder, "bad.safetensors"),
    }
    with pytest.raises(SrlabError, match=rf"{names[kind]} (cannot be read as|holds more than weights)") as caught:
        readers[kind]()
    assert "\n" not in str(caught.value)


class Harmful:
    def __reduce__(self) -> Any:
        return print, ("code of the file ran",)


def test_code_in_a_weights_file_does_not_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weight": Harmful()}, folder / "harmful.pth")
    with pytest.raises(SrlabError, match=r"harmful\.pth holds more than weights"):
        of_class(folder, "harmful.pth")
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "none.pth"}, r"none\.pth is missing: put it there, or correct `weights` and `file`"),
        (
            {"target": f"{MODULE}.Large"},
            r"Large cannot be imported .*: put its source into \S+, or install its package",
        ),
        ({"target": "no_such_module.Net"}, r"no_such_module\.Net cannot be imported"),
        ({"target": "Net"}, r"Net cannot be imported"),
        (
            {"arguments": {"size": 2}},
            r"Small does not take these `arguments` \(.*size.*\): correct them in params\.yaml",
        ),
        ({"arguments": {"scale": 2, "widths": "[3, 8"}}, r"'\[3, 8' in `arguments` is no list"),
        (
            {"arguments": {"scale": 2, "widths": "[3, 6]"}},
            r"does not fit \S+Small: 2 missing \(.*\), 4 too many \(.*, \.\.\.\), 2 of another shape \(0",
        ),
        ({"file": "checkpoint.pth"}, r"is no state_dict: name in `state` which .*: epoch, params, params_ema"),
        (
            {"file": "checkpoint.pth", "state": "ema"},
            r"has no 'ema': correct `state` .*it has epoch, params, params_ema",
        ),
    ],
)
def test_a_line_that_does_not_fit_its_file_is_refused(folder: Path, changes: dict, message: str) -> None:
    with pytest.raises(SrlabError, match=message) as caught:
        of_class(folder, **changes)
    assert "\n" not in str(caught.value)
