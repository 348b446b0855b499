"""`upscale` against ONNX Runtime and OpenVINO on its own exports: `pytest benchmarks/bench_upscale.py`.

Every case of a group enlarges the same RGB image on torch's number of threads and in the precision that the group
names, so that the ratios of one run can be read off.
"""

from pathlib import Path

import pytest
import torch

import srlab
from srlab.training.devices import cpu_has_bf16
from srlab.use.export import export

RGB = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
THREADS = torch.get_num_threads()
PRECISIONS = {"float32": "f32"} | ({"bfloat16": "bf16"} if cpu_has_bf16() else {})  # and OpenVINO's words for them
TOLERANCES = {"float32": 1 / 255, "bfloat16": 0.02}  # what an export is refused for; a few grey levels


def ours(name: str, precision: str, folder: Path):
    model = srlab.load(name, tile=0, precision=precision)
    return lambda: model.upscale(RGB)


def onnxruntime(name: str, precision: str, folder: Path):
    runtime = pytest.importorskip("onnxruntime", reason="pip install 'srlab[export]'")
    if precision != "float32":
        pytest.skip("ONNX Runtime computes in float32 on a CPU")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = runtime.InferenceSession(export(name, "onnx", folder)[0], options, providers=["CPUExecutionProvider"])
    return lambda: torch.from_numpy(session.run(None, {"rgb": RGB.numpy()})[0])


def openvino(name: str, precision: str, folder: Path):
    runtime = pytest.importorskip("openvino", reason="pip install 'srlab[export]'")
    file = export(name, "openvino", folder)[0]
    options = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    options["INFERENCE_PRECISION_HINT"] = PRECISIONS[precision]  # by itself it takes bf16 where the CPU has it
    compiled = runtime.compile_model(file, "CPU", options)
    return lambda: torch.from_numpy(compiled(RGB.numpy())[0])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["espcn", "fsrcnn", "srresnet"])
@pytest.mark.parametrize("runtime", [ours, onnxruntime, openvino])
def test_upscale(benchmark, tmp_path, runtime, name: str, precision: str) -> None:
    benchmark.group = f"{name} x4 of 96x96, {precision}"
    found = benchmark(runtime(name, precision, tmp_path))
    expected = srlab.load(name, precision="float32").upscale(RGB)
    assert (found - expected).abs().max() < TOLERANCES[precision]
