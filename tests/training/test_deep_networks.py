"""Every network of the profiles is trained by the rule of its line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from profiles import PROFILES
from trainings import Train

from srlab.training.optimizers import ClippedSGD

ROOT = Path(__file__).parents[2]
OPTIMIZER = ("optimizer", "lr", "momentum", "weight_decay", "clip")
LINES = {  # one of those that differ in it
    (model, *(line.get(key) for key in OPTIMIZER)): (profile, model)
    for profile, params in PROFILES.items()
    for model, line in params["models"].items()
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with profile `smoke`, as the current one and that of Hydra."""
    folder = tmp_path_factory.mktemp("bench")
    lay(folder, PROFILES["smoke"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            yield folder


def lay(folder: Path, params: dict[str, Any]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.mark.parametrize(("profile", "model"), LINES.values())
def test_a_line_makes_the_optimizer_and_the_schedule_that_it_names(bench: Path, profile: str, model: str) -> None:
    lay(bench, PROFILES[profile])
    config, line = compose("train", [f"model={model}"]), PROFILES[profile]["models"][model]
    lay(bench, PROFILES["smoke"])
    (optimizer,), (schedule,) = instantiate(config.model.module).configure_optimizers()
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "clipped_sgd": ClippedSGD}
    assert type(optimizer) is kinds[line["optimizer"]]
    assert schedule.optimizer is optimizer
    for name in ("lr", "momentum", "weight_decay"):
        assert optimizer.param_groups[0][name] == line[name] if name in line else True
    assert getattr(optimizer, "clip", None) == line.get("clip")


@pytest.mark.parametrize("model", PROFILES["smoke"]["models"])
def test_a_small_training_halves_the_loss(bench: Path, model: str, train: Train) -> None:
    """At the size and by the rule of `smoke`, in 10 epochs of 16 steps."""
    cfg = compose("train", [f"model={model}", "scale=2"])
    torch.manual_seed(0)
    rows = train(instantiate(cfg.model.module), 10, feed={"patches_per_epoch": 64}).rows
    assert rows[-1]["train/loss"] < rows[0]["train/loss"] / 2
    assert rows[-1]["val/psnr"] > rows[0]["val/psnr"]
