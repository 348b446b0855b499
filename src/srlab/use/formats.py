"""Networks saved elsewhere, as a module from (B, C, h, w) to (B, C, h*scale, w*scale): ONNX, TorchScript, a class.

None of the readers runs code from the weights file: a class comes from an import path that the user names.
"""

import ast
import pickle
import sys
from collections.abc import Mapping
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.files import anchored

WRAPPER = "module."  # which nn.DataParallel puts before every key


class OnnxFile(nn.Module):
    """The network of an ONNX file, computed by onnxruntime on the CPU with torch's number of threads."""

    def __init__(self, folder: str, file: str) -> None:
        super().__init__()
        path = _existing(folder, file)
        try:
            import onnx  # pyright: ignore[reportMissingImports]
            import onnxruntime  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise SrlabError(f"{path} needs onnxruntime and onnx: pip install 'srlab[onnx]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            initializers = onnx.load(path, load_external_data=False).graph.initializer
        except Exception as error:  # onnxruntime's exceptions share no other class
            raise _damaged(path, "ONNX", error) from error
        floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)
        self.num_parameters = sum(prod(one.dims) for one in initializers if one.data_type in floats)
        self.input = self.session.get_inputs()[0]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C, h*scale, w*scale) on the device of `x`; RuntimeError if it takes no such input."""
        dtype = {"tensor(float16)": torch.float16, "tensor(double)": torch.float64}.get(self.input.type, torch.float32)
        try:
            output = self.session.run(None, {self.input.name: x.to("cpu", dtype).numpy()})[0]
        except Exception as error:
            raise RuntimeError(str(error)) from error
        return torch.from_numpy(output).to(x.device, x.dtype)


def torchscript_file(folder: str, file: str) -> nn.Module:
    """The network of a file that `torch.jit.save` wrote."""
    path = _existing(folder, file)
    try:
        return torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise _damaged(path, "TorchScript", error) from error


def python_class(folder: str, file: str, target: str, arguments: Mapping[str, Any], state: str | None) -> nn.Module:
    """`target`(**`arguments`) with the weights of `file`, which have to be exactly its own.

    Args:
        folder: where `file` lies, and the source of the class unless it is installed.
        file: safetensors, or what `torch.save` wrote; keys may begin with "module.".
        target: import path, as in "rlfn.RLFN".
        arguments: of the constructor; a text in brackets is a list or tuple: "[6, 6, 6]".
        state: key of `file` under which the weights lie; None if the file is the weights.
    """
    path = _existing(folder, file)
    given = {name: _literal(value) for name, value in arguments.items()}
    try:
        net = _imported(target, folder)(**given)
    except TypeError as error:
        raise SrlabError(f"{target} does not take these `arguments` ({error}): correct them in params.yaml") from error
    weights = _weights(path, state)
    _require_fit(path, target, net.state_dict(), weights)
    net.load_state_dict(weights)
    return net


def _existing(folder: str, file: str) -> Path:
    path = anchored(Path(folder, file))
    if not path.is_file():
        raise SrlabError(f"{path} is missing: put it there, or correct `weights` and `file` of its line in params.yaml")
    return path


def _damaged(path: Path, kind: str, error: Exception) -> SrlabError:
    return SrlabError(f"{path} cannot be read as {kind} ({_first_line(error)}): correct `format`, or export it again")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _literal(value: Any) -> Any:
    """params.yaml holds no lists: a text in brackets stands for one."""
    if not (isinstance(value, str) and value[:1] in {"[", "("}):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError) as error:
        raise SrlabError(f"{value!r} in `arguments` is no list: correct it in params.yaml") from error


def _imported(target: str, folder: str) -> Any:
    module, _, name = target.rpartition(".")
    if (place := str(anchored(folder).resolve())) not in sys.path:
        sys.path.append(place)  # last: no file there can take the place of a package
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SrlabError(
            f"{target} cannot be imported ({error}): put its source into {folder}, or install its package"
        ) from error


def _weights(path: Path, state: str | None) -> dict[str, Tensor]:
    try:
        content = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise SrlabError(
            f"{path} holds more than weights, or is damaged ({_first_line(error)}): save the state_dict alone"
        ) from error
    if state is not None and isinstance(content, dict) and state in content:
        content = content[state]
    elif state is not None:
        raise SrlabError(f"{path} has no {state!r}: correct `state` in params.yaml; it has {_some(content)}")
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise SrlabError(f"{path} is no state_dict: name in `state` which of its entries is: {_some(content)}")
    if content and all(key.startswith(WRAPPER) for key in content):
        content = {key.removeprefix(WRAPPER): value for key, value in content.items()}
    return content


def _require_fit(path: Path, target: str, own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    problems = {
        "missing": own.keys() - weights.keys(),
        "too many": weights.keys() - own.keys(),
        "of another shape": {key for key in own.keys() & weights.keys() if own[key].shape != weights[key].shape},
    }
    words = [f"{len(keys)} {what} ({_some(keys)})" for what, keys in problems.items() if keys]
    if words:
        raise SrlabError(f"{path} does not fit {target}: {', '.join(words)}; correct `target` or `arguments`")


def _some(keys: Any) -> str:
    """The first three of some keys; the type of what has none."""
    if not isinstance(keys, dict | set):
        return f"a {type(keys).__name__}"
    names = sorted(map(str, keys))
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
