"""`upscale` against ONNX Runtime and OpenVINO on its own exports: `pytest benchmarks/bench_upscale.py`.

Every case enlarges the same RGB image on torch's number of threads, so that the ratios of one run can be read off.
"""

from pathlib import Path

import pytest
import torch

import srlab
from srlab.use.export import export

RGB = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
THREADS = torch.get_num_threads()


def ours(name: str, folder: Path):
    model = srlab.load(name, tile=0)
    return lambda: model.upscale(RGB)


def onnxruntime(name: str, folder: Path):
    runtime = pytest.importorskip("onnxruntime", reason="pip install 'srlab[export]'")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = runtime.InferenceSession(export(name, "onnx", folder)[0], options, providers=["CPUExecutionProvider"])
    return lambda: torch.from_numpy(session.run(None, {"rgb": RGB.numpy()})[0])


def openvino(name: str, folder: Path):
    runtime = pytest.importorskip("openvino", reason="pip install 'srlab[export]'")
    file = export(name, "openvino", folder)[0]
    compiled = runtime.compile_model(file, "CPU", {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"})
    return lambda: torch.from_numpy(compiled(RGB.numpy())[0])


@pytest.mark.benchmark(group="x4 of 96x96")
@pytest.mark.parametrize("name", ["espcn", "fsrcnn", "srresnet"])
@pytest.mark.parametrize("runtime", [ours, onnxruntime, openvino])
def test_upscale(benchmark, tmp_path, runtime, name: str) -> None:
    benchmark.group = f"{name} x4 of 96x96"
    found = benchmark(runtime(name, tmp_path))
    assert (found - srlab.load(name, precision="float32").upscale(RGB)).abs().max() < 0.02  # bf16: a few grey levels
