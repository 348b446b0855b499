"""A probe runs the real training on made-up data, and times the right steps."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from srlab.adversarial.vgg import VGGFeatures
from srlab.degradation.imaging import Bicubic
from srlab.degradation.pairs import PairStore
from srlab.planning import probe as probing
from srlab.planning.configs import configs, training_of
from srlab.planning.probe import Stopwatch, probe
from srlab.planning.probed import Training
from srlab.planning.stand_ins import made_up_store, made_up_vgg, with_stand_ins

DESCRIBED = {
    "generator": {
        "_target_": "srlab.models.base.weights.load_network",
        "net": {"_target_": "srlab.models.espcn.ESPCN", "scale": 2},
        "path": "models/espcn/best.safetensors",
    },
    "content": {"_target_": "srlab.adversarial.losses.VGGContent", "layer": "vgg22"},
    "lr": 0.1,
}


def training(name: str, num_steps: int, **changes: Any) -> Training:
    """A line of `smoke` on this process's threads."""
    cfg = configs("smoke", [name], [f"{key}={value}" for key, value in changes.items()])[1][name]
    return dataclasses.replace(training_of(cfg, num_steps), num_threads=0)


class Clock:
    """Stands still between the steps of a test."""

    def __init__(self) -> None:
        self.time = 100.0

    def perf_counter(self) -> float:
        return self.time


def watched(
    monkeypatch: pytest.MonkeyPatch, num_steps: int, durations: list[float], chunk: int = 1, compiles: bool = False
) -> tuple[Stopwatch, list[int]]:
    """A stopwatch after a training whose steps last `durations`, and how many steps each turn of the loop made."""
    clock, watch, turns = Clock(), Stopwatch(num_steps, 30.0, compiles=compiles), []
    monkeypatch.setattr(probing, "time", clock)
    trainer: Any = SimpleNamespace(world_size=1, should_stop=False)
    module: Any = SimpleNamespace(device=torch.device("cpu"))
    watch.on_train_start(trainer, module)
    while not trainer.should_stop:
        batch, done = [None] * chunk, sum(turns)
        watch.on_train_batch_start(trainer, module, batch, len(turns))
        clock.time += sum(durations[done : done + len(batch)])
        watch.on_train_batch_end(trainer, module, None, batch, len(turns))
        turns.append(len(batch))
        assert sum(turns) <= len(durations), "it never stopped"
    return watch, turns


FEW = [5.0, 1.0, 1.0, 0.5, 0.75, 0.25, 0.5, 9.0]
MANY = [0.25, *[0.5] * 8, *[0.25] * 24, *[9.0] * 8]


@pytest.mark.parametrize(
    ("num_steps", "durations", "options", "turns", "measured"),
    [
        (4, FEW, {}, [1] * 7, (4, 0.5)),  # those after the first three
        (20, MANY, {"chunk": 8}, [1, 8, 8, 8, 8], (24, 0.25)),  # in chunks as in the training, all but the first
        (20, [8.0] * 20, {"chunk": 8}, [1] * 6, (4, 8.0)),  # 16 s of warming up exceed 10, then 32 exceed 30
        (20, [130.0, 120.0, 120.0], {"chunk": 8}, [1, 1], (1, 120.0)),
        # 9 s are slow too, but the clock starts after the 90 of compiling
        (8, [90.0, 9.0, *[0.25] * 16], {"chunk": 8, "compiles": True}, [1, 1, 1, 8], (8, 0.25)),
    ],
    ids=["few", "fast", "slow", "minutes", "compiled"],
)
def test_steps_are_warmed_up_measured_and_few_where_they_are_slow(
    num_steps: int,
    durations: list[float],
    options: dict[str, Any],
    turns: list[int],
    measured: tuple[int, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch, made = watched(monkeypatch, num_steps, durations, **options)
    assert made == turns
    assert (watch.measured, watch.step_seconds) == measured


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody names VGG-19's weights or a mirror that may hold them."""
    monkeypatch.delenv("SRLAB_VGG19", raising=False)
    monkeypatch.delenv("SRLAB_DATASETS", raising=False)


def test_a_gan_is_probed_without_anything_that_comes_before_it(tmp_path: Path) -> None:
    """No data, no pre-trained generator, no weights of VGG-19."""
    seen = probe(training("srgan", 2, **{"gans.srgan.content": "vgg22", "trainer.chunk": 1}), tmp_path)
    assert seen.remarks == ["generator untrained", "VGG-19 of random weights"]
    # SRResNet of 8 features: 9x9 of 3, a block of two 3x3 with batch norm, one 3x3 with batch norm, two 3x3 to 4 times
    # as many, 9x9 to 3, each with a bias; a PReLU after the first, in the block and after each enlargement
    conv = 8 * 8 * 9 + 8
    generator = (3 * 8 * 81 + 8) + 3 * (conv + 16) + 2 * (8 * 32 * 9 + 32) + (8 * 3 * 81 + 3) + 4
    assert seen.num_parameters[0] == generator
    assert len(seen.num_parameters) == 2  # VGG-19 learns nothing
    assert seen.num_steps == 2
    assert seen.image_seconds > 0 < seen.step_seconds


def test_a_chunk_is_measured_whole(tmp_path: Path) -> None:
    assert probe(training("espcn", 5, **{"trainer.chunk": 4}), tmp_path, limit=1e6).num_steps == 8


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_made_up_images_are_pairs_of_every_scale(scale: int, tmp_path: Path) -> None:
    made_up_store(tmp_path / "pairs", scale, 97)
    store = PairStore(tmp_path / "pairs")
    assert store.scale == scale
    assert {store.hr(name).shape for name in store.names} == {(-(-97 // scale) * scale,) * 2 + (3,)}
    assert len(store.val) == 2 < len(store.train)
    assert np.array_equal(store.lr("image0"), Bicubic(scale)(store.hr("image0"))[1])


def test_what_is_missing_is_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described, remarks = with_stand_ins(DESCRIBED, tmp_path)
    assert described["generator"] == DESCRIBED["generator"]["net"]
    assert described["content"] == DESCRIBED["content"] | {"path": str(tmp_path / "vgg19-made-up.npz")}
    assert described["lr"] == 0.1
    assert remarks == ["generator untrained", "VGG-19 of random weights"]
    (tmp_path / "mine.pth").touch()
    monkeypatch.setenv("SRLAB_VGG19", str(tmp_path / "mine.pth"))
    assert with_stand_ins({"content": DESCRIBED["content"]}, tmp_path) == ({"content": DESCRIBED["content"]}, [])


def test_made_up_features_neither_vanish_nor_explode(tmp_path: Path) -> None:
    """Zeros and infinities may take another time than numbers. By He et al. 2015, sec. 2.2, the mean square stays."""
    made_up_vgg(tmp_path / "vgg19.npz")
    features = VGGFeatures(str(tmp_path / "vgg19.npz"), "vgg54")
    assert sum(isinstance(layer, nn.Conv2d) for layer in features.body) == 16
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    first = features.body[0]((image - features.mean) / features.std)
    # pooling takes the larger values, and the border's zeros the others: within a factor of ten over 16 layers
    assert 0.1 < features(image).square().mean() / first.square().mean() < 10
