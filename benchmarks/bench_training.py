"""The training loop against its parts, in one run: what feeding and Lightning cost beside the bare step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from srlab.data.augmentation import build_index, transform_batch
from srlab.data.colour import luma
from srlab.data.datamodule import EpochPlan, TrainBatches
from srlab.data.degradation import Bicubic
from srlab.data.images import write_png
from srlab.data.packing import pack
from srlab.data.pairs import PairStore
from srlab.data.sources import Folder, fetch_images
from srlab.files import read_json
from srlab.models.espcn import ESPCN

BATCH, PATCH, STEPS = 16, 96, 10


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> TrainBatches:
    """Patches of noise images: what they show does not matter for speed."""
    folder = tmp_path_factory.mktemp("store")
    generator = np.random.default_rng(0)
    for number in range(8):
        write_png(folder / "files" / f"{number}.png", generator.integers(0, 256, (480, 320, 3), dtype=np.uint8))
    fetch_images(Folder(str(folder / "files"), None), folder / "images", PATCH)
    manifest = read_json(folder / "images" / "manifest.json")
    index = build_index(manifest, "train", num_val=1, operations=8, seed=0)
    pack(folder / "images", index, Bicubic(4), folder / "pairs", PATCH)
    store = PairStore(Path(folder / "pairs"))
    return TrainBatches(store, EpochPlan(len(store.train), BATCH * STEPS, seed=0), PATCH)


def feed(batches: TrainBatches) -> list[tuple[Tensor, Tensor]]:
    """STEPS batches as a training step gets them: cropped, turned, float, luma."""
    fed = []
    for start in range(0, BATCH * STEPS, BATCH):
        lr, hr, operations = batches[0, np.arange(start, start + BATCH)]
        fed.append(tuple(luma(transform_batch(x, operations).float() / 255) for x in (lr, hr)))
    return fed


def step(net: ESPCN, optimizer: torch.optim.Optimizer, fed: list[tuple[Tensor, Tensor]]) -> None:
    """One optimizer step a batch."""
    for lr, hr in fed:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(lr), hr).backward()
        optimizer.step()


@pytest.mark.benchmark(group="10 steps of ESPCN, batch 16, 96x96")
def test_feeding_alone(benchmark, batches: TrainBatches) -> None:
    benchmark(feed, batches)


@pytest.mark.benchmark(group="10 steps of ESPCN, batch 16, 96x96")
def test_bare_steps(benchmark, batches: TrainBatches) -> None:
    net = ESPCN(4)
    benchmark(step, net, torch.optim.Adam(net.parameters()), feed(batches))


@pytest.mark.benchmark(group="10 steps of ESPCN, batch 16, 96x96")
def test_fed_steps(benchmark, batches: TrainBatches) -> None:
    net = ESPCN(4)
    optimizer = torch.optim.Adam(net.parameters())
    benchmark(lambda: step(net, optimizer, feed(batches)))
