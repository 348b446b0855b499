"""Every network of the profiles is trained by the rule of its line, and a new one needs three touches."""

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig
from profiles import PROFILES
from tiny import Recorder, fitted

from srlab.patches.datamodule import PairData
from srlab.training.fit import Fitted
from srlab.training.optimizers import ClippedSGD

ROOT = Path(__file__).parents[2]
LINES = [(profile, model) for profile, params in PROFILES.items() for model in params["models"]]
every_smoke_line = pytest.mark.parametrize("model", PROFILES["smoke"]["models"])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with conf/, dvc.yaml and profile `smoke`, as the current one and that of Hydra."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    lay(tmp_path, PROFILES["smoke"])
    monkeypatch.chdir(tmp_path)
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        yield tmp_path
    GlobalHydra.instance().clear()


def lay(folder: Path, params: dict[str, Any]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def trained(cfg: DictConfig, data: PairData, work: Path, epochs: int) -> Fitted:
    torch.manual_seed(0)
    module = instantiate(cfg.model.module)
    return fitted(module, data, work, Recorder(), epochs)


@pytest.mark.parametrize(("profile", "model"), LINES)
def test_a_line_makes_the_optimizer_and_the_schedule_that_it_names(bench: Path, profile: str, model: str) -> None:
    lay(bench, PROFILES[profile])
    line = PROFILES[profile]["models"][model]
    configured = instantiate(compose("train", [f"model={model}"]).model.module).configure_optimizers()
    (optimizer,), (schedule,) = configured
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "clipped_sgd": ClippedSGD}
    assert type(optimizer) is kinds[line["optimizer"]]
    assert schedule.optimizer is optimizer
    for name in ("lr", "momentum", "weight_decay"):
        assert optimizer.param_groups[0][name] == line[name] if name in line else True
    assert getattr(optimizer, "clip", None) == line.get("clip")


@every_smoke_line
def test_a_small_training_halves_the_loss(
    bench: Path, model: str, data: Callable[..., PairData], tmp_path: Path
) -> None:
    """At the size and by the rule of `smoke`, in 10 epochs of 16 steps."""
    cfg = compose("train", [f"model={model}", "scale=2"])
    rows = trained(cfg, data(patches_per_epoch=64), tmp_path / "work", 10).rows
    assert rows[-1]["train/loss"] < rows[0]["train/loss"] / 2
    assert rows[-1]["val/psnr"] > rows[0]["val/psnr"]


def test_drcn_s_loss_is_told_the_epoch(bench: Path, data: Callable[..., PairData], tmp_path: Path) -> None:
    """Or alpha would stay 1 and the weights of the recursions would stay a mean for ever."""
    cfg = compose("train", ["model=drcn", "scale=2", "models.drcn.alpha_epochs=2"])
    torch.manual_seed(0)
    module = instantiate(cfg.model.module)
    before = copy.deepcopy(module.net.shares.tolist())
    shares = []
    watcher = Recorder()
    watcher.metrics = lambda row, step: shares.append(module.net.shares.tolist())
    fitted(module, data(), tmp_path / "work", watcher, 2)
    # first weight decay alone: 0.0001 * lr (0.01) a step, by momentum less than 10 times that; then the loss, which
    # moves a weight by its `clip` of 0.0001 a step
    assert shares[0] == pytest.approx(before, rel=2e-5)
    assert shares[1] != pytest.approx(before, rel=2e-5)


# A new network is its file, its yaml and its line.

YAML = """
defaults: [/base/network@_here_, _self_]
name: invented
label: Invented
branch: Deep learning / Convolutional networks
net: {_target_: srlab.models.invented.Invented, scale: "${scale}", kernels: "${models.invented.kernels}"}
"""
LINE = {"kernels": "9-1-5", "loss": "own", "optimizer": "adam", "lr": 0.001, "schedule": "cosine", "recipe": "plain"}
SIZES = {"max_epochs": 2, "patience": 2, "batch_size": 4, "patch_size": 16, "patches_per_epoch": 8}
