"""Every network of the profiles is trained by the rule of its line."""

from contextlib import chdir
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from profiles import PROFILES, TEXTS
from trainings import Train

from srlab.planning.configs import configs
from srlab.training.optimizers import ClippedSGD

OPTIMIZER = ("optimizer", "lr", "momentum", "weight_decay", "clip")
LINES = {  # one of those that differ in it
    (model, *(line.get(key) for key in OPTIMIZER)): (profile, model)
    for profile, params in PROFILES.items()
    for model, line in params["models"].items()
}


def composed(profile: str, model: str, folder: Path, *words: str) -> DictConfig:
    """The config of a training, by the profile as it is in the working tree."""
    (folder / "params.yaml").write_text(TEXTS[profile])
    with chdir(folder):
        return configs(None, [model], words)[1][model]


@pytest.mark.parametrize(("profile", "model"), LINES.values())
def test_a_line_makes_the_optimizer_and_the_schedule_that_it_names(profile: str, model: str, tmp_path: Path) -> None:
    cfg, line = composed(profile, model, tmp_path), PROFILES[profile]["models"][model]
    (optimizer,), (schedule,) = instantiate(cfg.model.module).configure_optimizers()
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "clipped_sgd": ClippedSGD}
    assert type(optimizer) is kinds[line["optimizer"]]
    assert schedule.optimizer is optimizer
    for name in ("lr", "momentum", "weight_decay"):
        assert optimizer.param_groups[0][name] == line[name] if name in line else True
    assert getattr(optimizer, "clip", None) == line.get("clip")


@pytest.mark.parametrize("model", PROFILES["smoke"]["models"])
def test_a_small_training_halves_the_loss(model: str, train: Train, tmp_path: Path) -> None:
    """At the size and by the rule of `smoke`, in 10 epochs of 16 steps."""
    torch.manual_seed(0)
    module = instantiate(composed("smoke", model, tmp_path, "scale=2").model.module)
    rows = train(module, 10, feed={"patches_per_epoch": 64}).rows
    assert rows[-1]["train/loss"] < rows[0]["train/loss"] / 2
    assert rows[-1]["val/psnr"] > rows[0]["val/psnr"]
