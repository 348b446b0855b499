"""`srlab export`: a network as a file for ONNX Runtime, OpenVINO or torch alone, RGB in and RGB out."""

import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_shuffle

from srlab.errors import SrlabError
from srlab.files import replacing
from srlab.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from srlab.images.resample import imresize
from srlab.models.base.network import Network
from srlab.models.base.trained import Trained
from srlab.use.exported import Run, onnx_run, openvino_run
from srlab.use.load import trained
from srlab.use.tiles import bytes_per_pixel, reach

OPSET = 20  # of ONNX; torch's exporter writes 18 and more, and OpenVINO and ONNX Runtime of 2024 read it
SIZES = ((24, 32), (37, 53), (70, 41))  # (h, w) on which a file has to give what srlab gives
TOLERANCE = 1 / 255  # on every pixel
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
REACH = 2  # LR px of bicubic enlargement


class Enlargement(nn.Module):
    """(B, C, h, w) to (B, C, h*scale, w*scale), h, w >= 2: bicubic as `imresize`, of what every runtime has."""

    kernel: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        impulse = torch.zeros(1, 1, 2 * REACH + 1, 2 * REACH + 1)
        impulse[..., REACH, REACH] = 1
        response = imresize(impulse, scale=scale).view(2 * REACH + 1, scale, 2 * REACH + 1, scale)
        phases = response.permute(1, 3, 0, 2).flip(2, 3).flatten(0, 1)[:, None]
        self.register_buffer("kernel", phases.contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[..., :REACH, :].flip(-2), x, x[..., -REACH:, :].flip(-2)], -2)
        x = torch.cat([x[..., :REACH].flip(-1), x, x[..., -REACH:].flip(-1)], -1)
        planes = [pixel_shuffle(conv2d(plane, self.kernel), self.scale) for plane in x.split(1, 1)]
        return torch.cat(planes, 1)


class Graph(nn.Module):
    """RGB (1, 3, h, w) in [0, 1] to (1, 3, h*scale, w*scale) in [0, 1], as `Network.upscale`, with all that it does."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net, self.enlarge = net.eval(), Enlargement(net.scale)

    def forward(self, rgb: Tensor) -> Tensor:
        if self.net.channels == 3:
            return self.net(rgb).clamp(0.0, 1.0)
        ycbcr = rgb_to_ycbcr(rgb)
        return ycbcr_to_rgb(torch.cat([self.net(ycbcr[:, :1]), self.enlarge(ycbcr[:, 1:])], 1)).clamp(0.0, 1.0)


def export(name: str, format: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write the network `name` (as of `srlab.load`) in a format of SUFFIXES; the file, and what it says of itself.

    Height and width are free from 2 px on. The file is tried on SIZES before it is written.

    Raises:
        SrlabError: a package of the extra `export` is missing, or the file gives other pixels than srlab.
    """
    method = trained(name)[0]
    program = _program(method.net)
    stem = Path(name).stem if Path(name).stem != "best" else Path(name).parent.name
    path = folder / f"{stem}{SUFFIXES[format]}"
    try:
        content, run = WRITERS[format](program)
    except ImportError as error:
        raise SrlabError(f"{format} needs {error.name}: pip install 'srlab[export]'") from error
    scale, cpu = method.net.scale, torch.device("cpu")
    facts = {
        "label": method.label,
        "scale": scale,
        "num_parameters": method.num_parameters,
        "input": "RGB (1, 3, height, width), float32 in [0, 1], sides from 2 px",
        "colour": "RGB" if method.net.channels == 3 else "luma by the network, chroma by bicubic interpolation",
        "sees_px": reach(method, scale, cpu),
        "bytes_per_px": bytes_per_pixel(method, scale, cpu),
        "opset": OPSET if format != "torch" else None,
        "parity": _parity(method, run, path),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    SAVERS[format](content, path, json.dumps(facts))
    return path, facts


def _program(net: Network) -> Any:
    """The traced graph, with free height and width."""
    free = torch.export.Dim.DYNAMIC
    with _enlarging_plainly(net), torch.no_grad():
        return torch.export.export(Graph(net), (torch.rand(1, 3, *SIZES[0]),), dynamic_shapes=({2: free, 3: free},))


@contextmanager
def _enlarging_plainly(net: Network) -> Iterator[None]:
    """Networks that begin with a bicubic enlargement call `imresize`, whose operator no runtime has."""
    module: Any = sys.modules[type(net).__module__]
    if not hasattr(module, "imresize"):
        yield
        return
    before, plain = module.imresize, Enlargement(net.scale)
    module.imresize = lambda lr, scale: plain(lr)
    try:
        yield
    finally:
        module.imresize = before


def _parity(method: Trained, run: Run, path: Path) -> dict[str, float]:
    """{"32x24": the largest difference from our own output, white being 1}; SrlabError if one is over TOLERANCE."""
    found = {}
    for height, width in SIZES:
        rgb = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))
        difference = float((run(rgb) - method.upscale(rgb, method.net.scale)).abs().max())
        if not difference <= TOLERANCE:
            raise SrlabError(
                f"{path} is not written: on {width}x{height} px it is {difference * 255:.3g} grey levels off: another "
                "version of the packages of 'srlab[export]' may do better"
            )
        found[f"{width}x{height}"] = difference
    return found


def _onnx(program: Any) -> tuple[Any, Run]:
    import onnxruntime  # noqa: F401 # pyright: ignore[reportMissingImports]: named before seconds are spent
    import onnxscript  # noqa: F401 # pyright: ignore[reportMissingImports]: torch's exporter is made of it

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which nothing here needs
    model = torch.onnx.export(program, opset_version=OPSET, input_names=["rgb"], output_names=["sr"], verbose=False)
    assert model is not None
    proto = model.model_proto
    return proto, onnx_run(proto.SerializeToString())[1]


def _save_onnx(proto: Any, path: Path, facts: str) -> None:
    proto.metadata_props.add(key="srlab", value=facts)
    with replacing(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())


def _openvino(program: Any) -> tuple[Any, Run]:
    import openvino  # pyright: ignore[reportMissingImports]

    with TemporaryDirectory() as folder:
        _save_onnx(_onnx(program)[0], Path(folder, "x.onnx"), "")
        model = openvino.convert_model(Path(folder, "x.onnx"))
    return model, openvino_run(model, is_bf16=False)


def _save_openvino(model: Any, path: Path, facts: str) -> None:
    import openvino  # pyright: ignore[reportMissingImports]

    model.set_rt_info(facts, "srlab")
    with TemporaryDirectory(dir=path.parent) as folder:
        openvino.save_model(model, Path(folder, path.name), compress_to_fp16=False)
        for suffix in (".bin", ".xml"):  # the one that is opened comes last
            with replacing(path.with_suffix(suffix)) as temporary:
                shutil.move(Path(folder, path.with_suffix(suffix).name), temporary)


def _torch(program: Any) -> tuple[Any, Run]:
    return program, program.module()


def _save_torch(program: Any, path: Path, facts: str) -> None:
    with replacing(path) as temporary:
        torch.export.save(program, temporary, extra_files={"srlab.json": facts})


WRITERS: dict[str, Callable[[Any], tuple[Any, Run]]] = {"onnx": _onnx, "openvino": _openvino, "torch": _torch}
SAVERS: dict[str, Callable[[Any, Path, str], None]] = {
    "onnx": _save_onnx,
    "openvino": _save_openvino,
    "torch": _save_torch,
}
