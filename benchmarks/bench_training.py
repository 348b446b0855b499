"""The training loop against its parts, as ratios within one run: feeding, Lightning, and each switch of conf/trainer.

Everything that is compared alternates within a round, so that whatever else the machine does befalls both sides alike.
On a GPU if there is one.
"""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim.lr_scheduler import StepLR

from srlab.datasets.augmentation import build_index
from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import pack
from srlab.files import read_json
from srlab.images.files import write_png
from srlab.models.base.activation import PReLU
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.patches.datamodule import PairData
from srlab.training.fit import fit
from srlab.training.regression import Regression

PATCH, BATCH = 96, 16
ROOT = Path(__file__).parents[1]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NETWORKS: dict[str, Callable[[], Any]] = {"ESPCN": lambda: ESPCN(4), "SRResNet": lambda: SRResNet(4, 16, 64)}
STEPS = {"ESPCN": 40, "SRResNet": 2} if DEVICE.type == "cpu" else {"ESPCN": 400, "SRResNet": 200}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed store of noise images: what they show does not matter for speed."""
    folder = tmp_path_factory.mktemp("store")
    generator = np.random.default_rng(0)
    for number in range(8):
        write_png(folder / "files" / f"{number}.png", generator.integers(0, 256, (480, 320, 3), dtype=np.uint8))
    fetch_images(Folder(str(folder / "files"), None), folder / "images", PATCH)
    manifest = read_json(folder / "images" / "manifest.json")
    index = build_index(manifest, "train", num_val=1, operations=8, seed=0)
    pack(folder / "images", index, Bicubic(4), folder / "pairs", PATCH)
    return folder / "pairs"


class Alternating(Callback):
    """At the end of each epoch's steps, as many bare steps; collects the seconds of both."""

    def __init__(self, bare: Callable[[], None]) -> None:
        self.bare = bare
        self.start, self.lightning, self.alone = 0.0, [], []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.start = now()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.lightning.append(now() - self.start)
        start = now()
        with torch.enable_grad(), torch.inference_mode(False):
            self.bare()
        self.alone.append(now() - start)


def now() -> float:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def bare_steps(net: nn.Module, batches: list[tuple[Tensor, Tensor]], optimizer: torch.optim.Optimizer) -> None:
    for lr, hr in batches:
        optimizer.zero_grad()
        mse_loss(net(lr), hr).backward()
        optimizer.step()


@pytest.mark.parametrize(("name", "chunk"), [("ESPCN", 1), ("ESPCN", 8), ("SRResNet", 1)])
def test_lightning_against_the_bare_step(
    folder: Path, name: str, chunk: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Throughput of the whole loop (feeding, augmentation, callbacks) as a share of that of the bare step."""
    data = PairData(str(folder), 4, 0, PATCH, BATCH, BATCH * STEPS[name], chunk=chunk)
    channels = NETWORKS[name]().channels
    low, high = (BATCH, channels, PATCH // 4, PATCH // 4), (BATCH, channels, PATCH, PATCH)
    batches = [(torch.rand(low).to(DEVICE), torch.rand(high).to(DEVICE)) for _ in range(STEPS[name])]
    net = NETWORKS[name]().to(DEVICE, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters())
    pairs = Alternating(lambda: bare_steps(net, batches, optimizer))

    def make_trainer(callbacks: list[Callback], **arguments: Any) -> pl.Trainer:
        return pl.Trainer(
            max_epochs=7, callbacks=[*callbacks, pairs], accelerator=DEVICE.type, devices=1, num_sanity_val_steps=0,
            use_distributed_sampler=False, enable_model_summary=False, **arguments,
        )  # fmt: skip

    module = Regression(NETWORKS[name](), 1e-4, lambda optimizer: StepLR(optimizer, 100))
    module.to(memory_format=torch.channels_last)

    class Silent:
        def metrics(self, row: dict[str, float], step: int) -> None: ...
        def image(self, image: Any, key: str, step: int) -> None: ...

    fit(module, data, make_trainer, tmp_path, name, 99, Silent(), {}, 99.0)
    ratios = [alone / lightning for alone, lightning in zip(pairs.alone[1:], pairs.lightning[1:], strict=True)]
    with capsys.disabled():
        milliseconds = 1e3 * median(pairs.alone[1:]) / STEPS[name]
        print(
            f"\n{name}, chunk {chunk}: {median(ratios):.3f} of the bare step's throughput "
            f"({min(ratios):.3f} to {max(ratios):.3f} in {len(ratios)} rounds; bare step {milliseconds:.2f} ms)"
        )


SWITCHES: dict[str, dict[str, Any]] = {
    "float32": {},
    "channels_last": {"channels_last": True},
    "bf16": {"bf16": True},
    "bf16 + channels_last": {"bf16": True, "channels_last": True},
    "compile": {"compile": "default"},
    "compile + channels_last": {"compile": "default", "channels_last": True},
    "fused Adam": {"fused": True},
    **({"tf32": {"tf32": True}, "CUDA graphs": {"compile": "reduce-overhead"}} if DEVICE.type == "cuda" else {}),
}


def stepper(name: str, channels_last: bool = False, bf16: bool = False, compile: str | None = None,
            fused: bool = False, tf32: bool = False) -> Callable[[], None]:  # fmt: skip
    """A function that makes one bare step with some switches on."""
    torch.manual_seed(0)
    net: Any = NETWORKS[name]().to(DEVICE)
    lr = torch.rand(BATCH, net.channels, PATCH // 4, PATCH // 4).to(DEVICE)
    hr = torch.rand(BATCH, net.channels, PATCH, PATCH).to(DEVICE)
    if channels_last:
        net, lr = (x.to(memory_format=torch.channels_last) for x in (net, lr))
    optimizer = torch.optim.Adam(net.parameters(), fused=fused)
    if compile:
        net.compile(mode=compile)

    def step() -> None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        optimizer.zero_grad()
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=bf16):
            loss = mse_loss(net(lr).float(), hr)
        loss.backward()
        optimizer.step()

    return step


@pytest.mark.parametrize("name", NETWORKS)
def test_switches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """How many times as fast a bare step is with each switch as in float32 with none."""
    steps = {switch: stepper(name, **arguments) for switch, arguments in SWITCHES.items()}
    num = max(STEPS[name] // 4, 1)
    for step in steps.values():
        step()
    seconds: dict[str, list[float]] = {switch: [] for switch in steps}
    num_rounds = 7 if name == "ESPCN" or DEVICE.type == "cuda" else 3
    for _, (switch, step) in itertools.product(range(num_rounds), steps.items()):
        start = now()
        for _ in range(num):
            step()
        seconds[switch].append(now() - start)
    with capsys.disabled():
        print(f"\n{name}, batch {BATCH} of {PATCH}x{PATCH}, {DEVICE.type}, {torch.get_num_threads()} threads")
        for switch, times in seconds.items():
            ratios = [base / other for base, other in zip(seconds["float32"], times, strict=True)]
            print(f"  {switch:24} {median(ratios):.2f} times as fast ({1e3 * median(times) / num:.2f} ms a step)")


def test_prelu(capsys: pytest.CaptureFixture[str]) -> None:
    """How many times as fast SRResNet's PReLUs are as torch's own, there and back, where it has most pixels."""
    for bf16, size in itertools.product((True, False), (PATCH, PATCH // 4)):
        x = torch.randn(BATCH, 64, size, size, dtype=torch.bfloat16 if bf16 else torch.float32)
        x = x.to(DEVICE, memory_format=torch.channels_last).requires_grad_()
        layers = [kind().to(DEVICE) for kind in (PReLU, nn.PReLU)]
        seconds: list[list[float]] = [[], []]
        for _ in range(12):
            for layer, times in zip(layers, seconds, strict=True):
                start = now()
                with torch.autocast(DEVICE.type, torch.bfloat16, enabled=bf16):
                    layer(x).backward(x.detach())
                times.append(now() - start)
        ratios = [theirs / ours for ours, theirs in zip(*seconds, strict=True)][2:]
        with capsys.disabled():
            print(f"  PReLU, {x.dtype}, {BATCH} x 64 x {size} x {size}: {median(ratios):.2f} times as fast as torch's")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("feeder", ["stored", "resident"])
def test_feeding(folder: Path, feeder: Any, channels: int, capsys: pytest.CaptureFixture[str]) -> None:
    """CPU milliseconds a patch of feeding alone, one thread: crops, turns, float, luma."""

    class Stand:
        """What PairData asks of a trainer."""

        global_rank, world_size = 0, 1

        class strategy:
            root_device = DEVICE

        class lightning_module:
            num_steps = 0

            class network:
                pass

    Stand.lightning_module.network.channels = channels  # pyright: ignore[reportAttributeAccessIssue]
    num_batches, threads = 100, torch.get_num_threads()
    data: Any = PairData(str(folder), 4, 0, PATCH, BATCH, BATCH * num_batches, feeder=feeder)
    data.trainer = Stand
    torch.set_num_threads(1)
    loader, costs = data.train_dataloader(), []
    for epoch in range(6):
        loader.sampler.set_epoch(epoch)
        start = time.process_time()
        for chunk in loader:
            data.on_after_batch_transfer(data.transfer_batch_to_device(chunk, DEVICE, 0), 0)
        now()
        costs.append((time.process_time() - start) * 1e3 / (BATCH * num_batches))
    torch.set_num_threads(threads)
    with capsys.disabled():
        print(f"\nfeeding {feeder}, {channels} channels: {min(costs):.3f} to {max(costs):.3f} CPU-ms a patch")


FIRST_STEP = """
import time, runpy, sys
from pytorch_lightning.callbacks import Callback
import srlab.training.history as history
def first(self, trainer, module, *rest):
    print("first step after", time.time() - {start})
    raise SystemExit(0)
history.Waiting.on_train_batch_end = first
sys.argv = ["train.py"] + {arguments}
runpy.run_path("pipelines/train.py", run_name="__main__")
"""


def test_start(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Seconds from starting Python to the end of the first step of `pipelines/train.py model=espcn`."""
    arguments = ["model=espcn", f"data.folder={folder}", f"hydra.run.dir={tmp_path}", f"root={tmp_path}"]
    arguments += [
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db",
        f"tracking.artifacts={tmp_path}/artifacts",
        f"tracking.outbox={tmp_path}/outbox",
    ]
    seconds = []
    for _ in range(4):  # the first one creates MLflow's store
        code = FIRST_STEP.format(start=time.time(), arguments=arguments)
        output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        seconds.append(float(output.stdout.split("first step after")[1].split()[0]))
    with capsys.disabled():
        print(f"\nfirst step after {seconds[0]:.1f} s with a new MLflow store, then {median(seconds[1:]):.1f} s")
