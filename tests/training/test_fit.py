"""A training that is killed, whenever that is, and started again ends as if nothing had happened."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import Recorder, fitted
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from srlab.adversarial.alarms import Alarms
from srlab.adversarial.losses import MSEContent
from srlab.adversarial.module import Adversarial
from srlab.errors import SrlabError
from srlab.models.espcn import ESPCN
from srlab.models.srgan import Discriminator
from srlab.models.srresnet import SRResNet
from srlab.patches.datamodule import PairData
from srlab.patches.feeders import Patches
from srlab.training.fit import Fitted
from srlab.training.regression import Regression

EPOCHS = 5
QUIET = Alarms(certainty=1.0, drift=255.0, epochs=EPOCHS)
STILL = 1e-30  # a learning rate that moves no weight of float32
plateau = partial(ReduceLROnPlateau, mode="max", factor=0.5, patience=0)  # so impatient that it moves within 5 epochs
cosine = partial(CosineAnnealingLR, T_max=EPOCHS, eta_min=1e-6)


def regression(schedule: Any = plateau, lr: float = 3e-2) -> Regression:
    torch.manual_seed(0)
    return Regression(ESPCN(2), lr, schedule)


def adversarial() -> Adversarial:
    torch.manual_seed(0)
    return Adversarial(SRResNet(2, 1, 4), Discriminator(16, 2), MSEContent(), 1e-3, 1e-2, 1e-2, plateau, QUIET)


MODULES: dict[str, Callable[[], Any]] = {
    "plateau": regression,
    "cosine": partial(regression, cosine),
    "adversarial": adversarial,
}


class Killer(Recorder):
    """Fails when it is shown the rows of epoch `after`, which no checkpoint holds yet."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def metrics(self, row: dict[str, float], step: int) -> None:
        super().metrics(row, step)
        if step == self.after:
            raise ConnectionError("killed")


class KilledInValidation(Recorder):
    """Fails amid the validation of epoch 1."""

    def image(self, image: np.ndarray, key: str, step: int) -> None:
        if step == 1:
            raise ConnectionError("killed")


def run(module: Any, data: Any, work: Path, watcher: Recorder, patience: int = EPOCHS, epochs: int = EPOCHS) -> Fitted:
    return fitted(module, data, work, watcher, epochs, patience=patience)


def equal(one: Fitted, other: Fitted) -> bool:
    states = one.network.state_dict(), other.network.state_dict()
    same_weights = all(states[0][name].equal(states[1][name]) for name in states[0])
    return same_weights and one.rows == other.rows and one.best_epoch == other.best_epoch


@pytest.fixture(scope="module", params=MODULES)
def whole(request: pytest.FixtureRequest, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(name, result of the uninterrupted training)."""
    pairs = PairData(str(store), 2, 7, 16, 4, 8)
    work = tmp_path_factory.mktemp("whole")
    return request.param, run(MODULES[request.param](), pairs, work, Recorder())


@pytest.mark.parametrize("watcher", [Killer(2), Killer(EPOCHS - 1), KilledInValidation()], ids=["row", "end", "val"])
def test_a_resumed_training_equals_the_uninterrupted_one(
    whole: tuple[str, Fitted], data: Callable[..., PairData], tmp_path: Path, watcher: Recorder
) -> None:
    name, expected = whole
    with pytest.raises(ConnectionError):
        run(MODULES[name](), data(), tmp_path, watcher)
    seen = Recorder()
    assert equal(run(MODULES[name](), data(), tmp_path, seen), expected)
    assert 0 < len(seen.rows) < EPOCHS  # it did go on, and not from the start


@pytest.mark.parametrize("whole", ["cosine"], indirect=True)
def test_the_rate_of_a_row_is_the_one_its_epoch_learned_with(whole: tuple[str, Fitted]) -> None:
    expected = 1e-6 + (3e-2 - 1e-6) * (1 + np.cos(np.pi * np.arange(EPOCHS) / EPOCHS)) / 2
    np.testing.assert_allclose([row["lr"] for row in whole[1].rows], expected, rtol=1e-9)


def test_plateau_halves_the_rate_after_its_patience(data: Callable[..., PairData], tmp_path: Path) -> None:
    schedule = partial(ReduceLROnPlateau, mode="max", factor=0.5, patience=1, eps=0.0)
    rows = run(regression(schedule, STILL), data(), tmp_path, Recorder(), patience=9, epochs=6).rows
    assert [row["lr"] / STILL for row in rows] == [1, 1, 1, 0.5, 0.5, 0.25]


class Suicidal(PairData):
    """Ends its process in the last batch of epoch 2, as the kernel does when memory runs out."""

    num_batches = 0

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        self.num_batches += isinstance(batch, Patches)  # of training, not of validation
        if self.num_batches == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().on_after_batch_transfer(batch, dataloader_idx)


def until_killed(store: Path, work: Path) -> None:
    run(regression(), Suicidal(str(store), 2, 7, 16, 4, 8), work, Recorder())


@pytest.mark.parametrize("whole", ["plateau"], indirect=True)
def test_a_training_survives_sigkill(
    whole: tuple[str, Fitted], data: Callable[..., PairData], store: Path, tmp_path: Path
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=until_killed, args=(store, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    seen = Recorder()
    assert equal(run(regression(), data(), tmp_path, seen), whole[1])
    assert list(seen.rows) == [2, 3, 4]


def test_a_training_that_stopped_early_and_was_killed_then_does_not_train_again(
    data: Callable[..., PairData], tmp_path: Path
) -> None:
    seen = Recorder()
    first = run(regression(lr=STILL), data(), tmp_path, seen, patience=2)
    assert list(seen.rows) == [0, 1, 2]  # the first is the best, and patience is 2
    again = Recorder()
    assert equal(run(regression(lr=STILL), data(), tmp_path, again, patience=2), first)
    assert again.rows == {}


@pytest.mark.parametrize("whole", ["plateau"], indirect=True)
def test_a_training_that_ended_and_was_killed_then_does_not_train_again(
    whole: tuple[str, Fitted], data: Callable[..., PairData], tmp_path: Path
) -> None:
    run(regression(), data(), tmp_path, Recorder())
    again = Recorder()
    assert equal(run(regression(), data(), tmp_path, again), whole[1])
    assert again.rows == {}


def test_the_best_epoch_is_kept_and_not_the_last(data: Callable[..., PairData], tmp_path: Path) -> None:
    pairs = data()
    fitted = run(regression(lr=0.3), pairs, tmp_path, Recorder())
    scores = [row["val/psnr"] for row in fitted.rows]
    assert fitted.best_epoch == int(np.argmax(scores)) < EPOCHS - 1
    module: Any = Regression(fitted.network, 0.0, plateau)
    lr, hr = pairs.on_after_batch_transfer(next(iter(pairs.val_dataloader())), 0)
    module.validation_step((lr, hr), 0)
    assert module.means.take(lambda sums: sums)["val/psnr"] == pytest.approx(max(scores))


def test_images_are_shown_at_powers_of_two_and_at_the_end(data: Callable[..., PairData], tmp_path: Path) -> None:
    seen = Recorder()
    run(regression(), data(), tmp_path, seen)
    assert list(seen.images) == [0, 1, 3, 4]  # epochs 1, 2, 4 and 5
    assert {(image.shape, image.dtype) for image in seen.images.values()} == {((40, 40, 3), np.dtype(np.uint8))}


def test_a_loss_that_explodes_names_the_first_bad_tensor_and_the_cure(
    data: Callable[..., PairData], tmp_path: Path
) -> None:
    """With that rate the first step makes weights so large that the second overflows."""
    expected = r"^train/loss became (nan|inf) in step 2 \((output of body\.\d in the network|the loss itself) first\): "
    for _ in range(2):  # and again, when it is started a second time
        with pytest.raises(SrlabError, match=expected):
            run(regression(lr=1e30), data(), tmp_path, Recorder())


def test_progress_is_printed_where_there_is_no_terminal(
    data: Callable[..., PairData], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(regression(), data(), tmp_path, Recorder())
    assert f"train test: epoch 1/{EPOCHS}, val " in capsys.readouterr().out


def test_a_loss_network_does_not_go_into_checkpoints(data: Callable[..., PairData], tmp_path: Path) -> None:
    class Content(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(3, 2, 3).requires_grad_(False)

        def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
            return (self.features(sr) - self.features(hr)).square().mean()

    def module() -> Adversarial:
        torch.manual_seed(0)
        return Adversarial(SRResNet(2, 1, 4), Discriminator(16, 2), Content(), 1e-3, 1e-3, 1e-3, plateau, QUIET)

    with pytest.raises(ConnectionError):
        run(module(), data(), tmp_path, Killer(1))
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in state} == {"generator", "discriminator"}
    assert len(run(module(), data(), tmp_path, Recorder(), epochs=3).rows) == 3  # and is resumed without
