"""What a training gives back, and when it ends: also if it is killed in an awkward moment."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinds import gan, regression, same
from kinds import plateau as impatient
from tiny import Recorder, fitted
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from srlab.errors import SrlabError
from srlab.patches.datamodule import PairData
from srlab.training.fit import Fitted
from srlab.training.regression import Regression

EPOCHS = 5
STILL = 1e-30  # a learning rate that moves no weight of float32


def module(schedule: Any = impatient, lr: float = 1e-2) -> Any:
    made = regression(schedule=schedule)
    made.lr = lr
    return made


def run(module: Any, data: Any, work: Path, watcher: Recorder | None = None, patience: int = EPOCHS) -> Fitted:
    return fitted(module, data, work, watcher or Recorder(), EPOCHS, patience=patience)


class Killer(Recorder):
    """Fails at one event of an epoch: when its row is told, which no checkpoint holds yet, or amid its validation."""

    def __init__(self, event: str, epoch: int, error: type[BaseException] = ConnectionError) -> None:
        super().__init__()
        self.killing, self.error = (event, epoch), error

    def metrics(self, row: dict[str, float], step: int) -> None:
        super().metrics(row, step)
        self._note("row", step)

    def image(self, image: np.ndarray, key: str, step: int) -> None:
        super().image(image, key, step)
        self._note("image", step)

    def _note(self, event: str, step: int) -> None:
        if (event, step) == self.killing:
            raise self.error("killed")


@pytest.mark.parametrize(("event", "epoch", "lr"), [("row", 2, 1e-2), ("row", EPOCHS - 1, 0.3), ("image", 1, 1e-2)])
def test_a_resumed_training_equals_the_uninterrupted_one(
    event: str, epoch: int, lr: float, data: Callable[..., PairData], tmp_path: Path
) -> None:
    with pytest.raises(ConnectionError):
        run(module(lr=lr), data(), tmp_path / "killed", Killer(event, epoch))
    seen = Recorder()
    resumed = run(module(lr=lr), data(), tmp_path / "killed", seen)
    assert same(resumed, run(module(lr=lr), data(), tmp_path / "whole"))
    assert 0 < len(seen.rows) < EPOCHS  # it did not start from scratch
    if lr == 0.3:  # so high that the best weights are those of an epoch before the kill
        assert resumed.best_epoch < epoch


def test_ctrl_c_is_what_ends_a_training_and_a_second_one_is_heard(
    data: Callable[..., PairData], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(module(), data(), tmp_path, Killer("row", 1, KeyboardInterrupt))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    seen = Recorder()
    run(module(), data(), tmp_path, seen)
    assert len(seen.rows) < EPOCHS


@pytest.mark.parametrize(("lr", "patience", "epochs"), [(STILL, 2, [0, 1, 2]), (1e-2, EPOCHS, [0, 1, 2, 3, 4])])
def test_a_training_that_ended_and_was_killed_then_does_not_train_again(
    lr: float, patience: int, epochs: list[int], data: Callable[..., PairData], tmp_path: Path
) -> None:
    """Whether it ended early, here after two epochs that were not better than the first, or with the last epoch."""
    seen, again = Recorder(), Recorder()
    first = run(module(lr=lr), data(), tmp_path, seen, patience)
    assert list(seen.rows) == epochs
    assert same(run(module(lr=lr), data(), tmp_path, again, patience), first)
    assert again.rows == {}


def test_the_rate_of_a_row_is_the_one_its_epoch_learned_with(data: Callable[..., PairData], tmp_path: Path) -> None:
    cosine = partial(CosineAnnealingLR, T_max=EPOCHS, eta_min=1e-6)
    rows = run(module(cosine, 3e-2), data(), tmp_path).rows
    expected = 1e-6 + (3e-2 - 1e-6) * (1 + np.cos(np.pi * np.arange(EPOCHS) / EPOCHS)) / 2
    np.testing.assert_allclose([row["lr"] for row in rows], expected, rtol=1e-9)


def test_plateau_halves_the_rate_after_its_patience(data: Callable[..., PairData], tmp_path: Path) -> None:
    schedule = partial(ReduceLROnPlateau, mode="max", factor=0.5, patience=1, eps=0.0)
    rows = run(module(schedule, STILL), data(), tmp_path).rows
    assert [row["lr"] / STILL for row in rows] == [1, 1, 1, 0.5, 0.5]


def test_the_best_epoch_is_kept_and_not_the_last(data: Callable[..., PairData], tmp_path: Path) -> None:
    pairs = data()
    fitted = run(module(lr=0.3), pairs, tmp_path)
    scores = [row["val/psnr"] for row in fitted.rows]
    assert fitted.best_epoch == int(np.argmax(scores)) < EPOCHS - 1
    kept: Any = Regression(fitted.network, 0.0, impatient)
    lr, hr = pairs.on_after_batch_transfer(next(iter(pairs.val_dataloader())), 0)
    kept.validation_step((lr, hr), 0)
    assert kept.means.take(lambda sums: sums)["val/psnr"] == pytest.approx(max(scores))


def test_images_and_progress_are_shown(
    data: Callable[..., PairData], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images at powers of two and at the end: in epochs 1, 2, 4 and 5."""
    seen = Recorder()
    run(module(), data(), tmp_path, seen)
    assert list(seen.images) == [0, 1, 3, 4]
    assert {(image.shape, image.dtype) for image in seen.images.values()} == {((40, 40, 3), np.dtype(np.uint8))}
    out = capsys.readouterr().out
    assert f"train test: epoch 1/{EPOCHS}, val " in out
    assert ", data wait " in out


def test_a_loss_that_explodes_names_the_first_bad_tensor_and_the_cure(
    data: Callable[..., PairData], tmp_path: Path
) -> None:
    """With that rate the first step makes weights so large that the second overflows."""
    expected = r"^train/loss became (nan|inf) in step 2 \((output of body\.\d in the network|the loss itself) first\): "
    for _ in range(2):  # and again, when it is started a second time
        with pytest.raises(SrlabError, match=expected):
            run(module(lr=1e30), data(), tmp_path)


def test_a_loss_network_does_not_go_into_checkpoints(data: Callable[..., PairData], tmp_path: Path) -> None:
    class Content(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(3, 2, 3).requires_grad_(False)

        def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
            return (self.features(sr) - self.features(hr)).square().mean()

    def with_content() -> Any:
        made = gan()
        made.content = Content()
        return made

    with pytest.raises(ConnectionError):
        run(with_content(), data(), tmp_path, Killer("row", 1))
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in state} == {"generator", "discriminator"}
    assert len(run(with_content(), data(), tmp_path).rows) == EPOCHS  # and is resumed without
