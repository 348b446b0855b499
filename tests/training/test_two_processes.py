"""Two processes train what one does: of every batch each takes half, and an interruption of either costs nothing.

They talk by gloo, on the CPU. The children are started as torchrun starts its own; the whole script starts them itself.
"""

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from children import GIVE_UP, ended, started
from kinds import MODERN, MortalData, cosine, gan, regression, smooth_gan
from profiles import PROFILES
from tiny import Recorder, fitted
from trainings import small_store

from srlab.errors import SrlabError
from srlab.patches.datamodule import PairData
from srlab.training.recipe import Recipe
from srlab.training.regression import Regression

ROOT = Path(__file__).parents[2]
EPOCHS = 2  # of 3 steps
SETTINGS: dict[str, Any] = {
    "scale": 2,
    "seed": 7,
    "patch_size": 16,
    "batch_size": 4,
    "patches_per_epoch": 12,
}  # 3 steps
IN_PARTS = Recipe(warmup=0, clip_norm=1.0, accumulate=2, ema=0.0)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three validation images."""
    return small_store(tmp_path_factory.mktemp("three"), 3)


def process(
    rank: int,
    port: int,
    num_threads: int,
    make: Callable[[], Any],
    store: Path,
    work: Path,
    life: int,
    die: Any,
    **changes: Any,
) -> None:
    """One of two, as torchrun starts it; the first writes what came of it to work/result."""
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
    values = (rank, rank, 2, 2, 0, "127.0.0.1", port)
    os.environ.update({name: str(value) for name, value in zip(names, values, strict=True)}, TORCHELASTIC_RUN_ID="test")
    torch.set_num_threads(num_threads)
    module, data = make(), MortalData(str(store), **SETTINGS)
    data.life, data.die = life, die
    # as in conf/model/srgan.yaml: each half of a step leaves the other network out
    strategy = "ddp" if isinstance(module, Regression) else "ddp_find_unused_parameters_true"
    changes |= {"checkpoint_minutes": 0, "devices": 2, "strategy": strategy}
    result = fitted(module, data, work, Recorder(), EPOCHS, **changes)
    found = {"rows": result.rows, "weights": result.network.state_dict(), "best": result.best_epoch}
    torch.save(found, work / "result")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def do_nothing() -> None:
    """What `die` is for a process that is left alone."""


def two(
    make: Callable[[], Any],
    store: Path,
    work: Path,
    lives: tuple[int, int] = (0, 0),
    dies: tuple[Any, Any] = (do_nothing, do_nothing),
) -> list[int]:
    """The exit codes of two processes, each of which does what `dies` says before its so many-th chunk or image."""
    common = (free_port(), torch.get_num_threads(), make, store, work)
    return ended(*(started(process, rank, *common, lives[rank], dies[rank]) for rank in range(2)))


def result(work: Path) -> dict[str, Any]:
    return torch.load(work / "result", weights_only=True)


@pytest.mark.parametrize(
    ("make", "images"),
    [
        (partial(regression, schedule=cosine, recipe=MODERN), "store"),
        (partial(smooth_gan, IN_PARTS, r1=1.0), "three"),
    ],
)
def test_two_processes_learn_what_one_does(
    make: Callable[[], Any], images: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Of the one validation image of `store` the second process has none of its own."""
    folder = request.getfixturevalue(images)
    assert two(make, folder, tmp_path / "two") == [0, 0]
    one = fitted(make(), PairData(str(folder), **SETTINGS), tmp_path / "one", Recorder(), EPOCHS)
    other = result(tmp_path / "two")
    for left, right in zip(one.rows, other["rows"], strict=True):
        assert right == pytest.approx(left, rel=1e-5)  # float32 sums of two halves, through 6 steps of Adam
    assert other["best"] == one.best_epoch
    for name, tensor in one.network.state_dict().items():
        # a step of Adam is at most the rate, 0.01, and its direction is that of a gradient known to some 1e-6
        torch.testing.assert_close(other["weights"][name], tensor, rtol=0, atol=1e-5)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_two_processes_go_on_like_one(three: Path, tmp_path: Path) -> None:
    """A GAN with batch normalisation, whose statistics differ between the two.

    First the second process alone is told to end, in step 2; then both are killed, in the last epoch.
    """
    make = partial(gan, Recipe(warmup=3, clip_norm=1.0, accumulate=1, ema=0.9), r1=1.0)
    work = tmp_path / "interrupted"
    assert two(make, three, work, (2, 2), (do_nothing, terminate)) == [143, 0]
    assert torch.load(work / "last.ckpt", weights_only=True)["progress"]["num_steps"] == 2
    # the first process feeds 2 images and the other 1 before both come to step 5
    assert set(two(make, three, work, (5, 4), (kill, kill))) <= {-signal.SIGKILL, 1}  # 1: was told of the other's end
    assert torch.load(work / "last.ckpt", weights_only=True)["progress"]["num_steps"] == 4
    assert two(make, three, work) == [0, 0]
    assert two(make, three, tmp_path / "whole") == [0, 0]
    found, expected = result(work), result(tmp_path / "whole")
    assert found["best"] == expected["best"]
    for one, other in zip(found["rows"], expected["rows"], strict=True):
        assert one == pytest.approx(other, rel=1e-6)  # means of float64 sums in another order, rounded to float32
    assert all(tensor.equal(expected["weights"][name]) for name, tensor in found["weights"].items())
    validated_is_kept(found, three)


def validated_is_kept(found: dict[str, Any], store: Path) -> None:
    """The best row's scores are those of the network that came out, on all three images, though two scored them."""
    module = gan()
    module.network.load_state_dict(found["weights"])
    module.lr = module.discriminator_lr = 1e-30  # moves no weight; but statistics would, if they were not put back
    batches = PairData(str(store), **SETTINGS).val_images
    for lr, hr in (batches[index] for index in range(len(batches))):
        module.validation_step((lr / 255, hr / 255), 0)
    scores = module.means.take(lambda sums: sums)
    for name, score in scores.items():
        assert found["rows"][found["best"]][name] == pytest.approx(score, rel=1e-5)  # float32


def until_refused(told: Path, *arguments: Any) -> None:
    try:
        process(*arguments, sync_batchnorm=True)
    except SrlabError as error:
        told.write_text(str(error))


def test_statistics_that_a_cpu_cannot_synchronize_are_refused_with_the_cure(three: Path, tmp_path: Path) -> None:
    common = (free_port(), torch.get_num_threads(), gan, three, tmp_path / "work", 0, do_nothing)
    ended(*(started(until_refused, tmp_path / str(rank), rank, *common) for rank in range(2)))
    message = (tmp_path / "0").read_text()
    assert message.endswith("cannot be synchronized on a CPU: set trainer.lightning.sync_batchnorm=false")


def test_the_script_starts_its_processes_itself(store: Path, tmp_path: Path) -> None:
    """`python pipelines/train.py trainer=ddp`, as a user types it: one result, one run, nothing left to resume."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PROFILES["smoke"] | {"scale": 2}))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    words = f"model=espcn trainer=ddp trainer.lightning.accelerator=cpu trainer.lightning.devices=2 data.folder={store}"
    words += " trainer.lightning.precision=32-true"  # a CPU may lack bf16
    command = [sys.executable, str(ROOT / "pipelines/train.py"), *words.split(), "tracking.live=false"]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    done = subprocess.run(
        [*command, "hydra.run.dir=out"],
        cwd=tmp_path,
        env=own,
        capture_output=True,
        text=True,
        timeout=GIVE_UP,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out/history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == PROFILES["smoke"]["models"]["espcn"]["max_epochs"]
    assert (tmp_path / "out/best.safetensors").exists()
    assert list((tmp_path / "work").iterdir()) == []
    assert len(list((tmp_path / "mlflow-outbox").glob("*.jsonl"))) == 1, list(tmp_path.rglob("*"))
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert len(lines) == len(set(lines)), lines  # nothing is said twice
