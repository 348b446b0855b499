"""Files that `srlab export` wrote, as methods: ONNX by ONNX Runtime, OpenVINO by itself; on the CPU."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.images.colour import luma

Run = Callable[[Tensor], Tensor]
Reading = tuple[str | None, Callable[[bool], Run]]  # what the file says of itself; its network, in bf16 or in float32


class Exported:
    """An Upscaler: the network of the file `path`, on torch's number of threads, in float32 or bf16.

    `sees`: LR px that an output pixel sees; `bytes_per_pixel`: memory for an LR px. SrlabError if there is no such
    file, the package that computes it is missing, or `srlab export` of this version did not write it.
    """

    def __init__(self, path: Path, is_bf16: bool = False) -> None:
        self.path, self.has_bf16 = path, path.suffix in IN_BF16
        try:
            said, network = READERS[path.suffix](path)
        except ImportError as error:
            raise SrlabError(f"{path} needs {error.name}: pip install 'srlab[export]'") from error
        except Exception as error:  # of the runtimes, whose exceptions share no other class
            reason = " ".join(str(error).split())[:200]
            raise SrlabError(f"{path} cannot be read ({reason}): export it again") from error
        try:
            facts = json.loads(said or "")
            self.label, self.scale, self.num_parameters = facts["label"], facts["scale"], facts["num_parameters"]
            self.sees, self.bytes_per_pixel = facts["sees_px"], facts["bytes_per_px"]
        except (ValueError, KeyError, TypeError) as error:
            raise SrlabError(
                f"{path} was not written by this `srlab export`: export it again; "
                "a network from elsewhere is a line of `pretrained` in params.yaml"
            ) from error
        self._run = network(is_bf16)

    def in_bf16(self) -> Self:
        """The same network in bf16; SrlabError of an ONNX file, which has no such kernels on a CPU."""
        if not self.has_bf16:
            raise SrlabError(f"{self.path} is computed in float32 alone: leave out --precision, or export openvino")
        return type(self)(self.path, is_bf16=True)

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1], C = 1 or 3; grey goes in as R = G = B."""
        if min(lr.shape[2:]) < 2:
            raise SrlabError(f"{self.path} takes sides from 2 px: use the weights that it was made of")
        outputs = [self._run(one) for one in lr.expand(-1, 3, -1, -1).split(1)]
        sr = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return sr if lr.shape[1] == 3 else ((luma(sr) * 255.0 - 16.0) / 219.0).clamp(0.0, 1.0)


def openvino_run(model: Any, is_bf16: bool) -> Run:
    """A model of OpenVINO in the precision that is named: by itself it takes bf16 wherever the CPU has it."""
    import openvino  # pyright: ignore[reportMissingImports]

    compiled = openvino.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "bf16" if is_bf16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        },
    )

    def run(rgb: Tensor) -> Tensor:
        request = compiled.create_infer_request()  # of this call alone: so the output can be kept without a copy
        return torch.from_numpy(request.infer(rgb.numpy(), share_outputs=True)[0])

    return run


def onnx_run(file: Path | bytes) -> tuple[Any, Run]:
    """A session of ONNX Runtime on a file or its content, and how to compute with it."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return session, lambda rgb: torch.from_numpy(session.run(None, {"rgb": rgb.numpy()})[0])


def _openvino(path: Path) -> Reading:
    import openvino  # pyright: ignore[reportMissingImports]

    model = openvino.Core().read_model(path)
    said = model.get_rt_info("srlab").value if model.has_rt_info("srlab") else None
    return said, lambda is_bf16: openvino_run(model, is_bf16)


def _onnx(path: Path) -> Reading:
    session, run = onnx_run(path)
    return session.get_modelmeta().custom_metadata_map.get("srlab"), lambda _: run


READERS: dict[str, Callable[[Path], Reading]] = {".onnx": _onnx, ".xml": _openvino}
IN_BF16 = (".xml",)
