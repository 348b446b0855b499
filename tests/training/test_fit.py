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
from tiny import Recorder
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau
from trainings import Train

from srlab.errors import SrlabError
from srlab.patches.datamodule import PairData
from srlab.training.regression import Regression

EPOCHS = 5
STILL = 1e-30  # a learning rate that moves no weight of float32


def module(schedule: Any = impatient, lr: float = 1e-2) -> Any:
    made = regression(schedule=schedule)
    made.lr = lr
    return made


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


@pytest.mark.parametrize(("event", "epoch", "lr"), [("row", 2, 1e-2), ("row", EPOCHS - 1, 1.0), ("image", 1, 1e-2)])
def test_a_resumed_training_equals_the_uninterrupted_one(event: str, epoch: int, lr: float, train: Train) -> None:
    with pytest.raises(ConnectionError):
        train(module(lr=lr), EPOCHS, Killer(event, epoch), "killed")
    seen = Recorder()
    resumed = train(module(lr=lr), EPOCHS, seen, "killed")
    assert same(resumed, train(module(lr=lr), EPOCHS))
    assert 0 < len(seen.rows) < EPOCHS  # it did not start from scratch
    if lr == 1.0:  # so high that the best weights are those of an epoch before the kill
        assert resumed.best_epoch < epoch


def test_ctrl_c_is_what_ends_a_training_and_a_second_one_is_heard(train: Train) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(module(), EPOCHS, Killer("row", 1, KeyboardInterrupt), "killed")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    seen = Recorder()
    train(module(), EPOCHS, seen, "killed")
    assert len(seen.rows) < EPOCHS


@pytest.mark.parametrize(("lr", "patience", "epochs"), [(STILL, 2, [0, 1, 2]), (1e-2, EPOCHS, [0, 1, 2, 3, 4])])
def test_a_training_that_ended_and_was_killed_then_does_not_train_again(
    lr: float, patience: int, epochs: list[int], train: Train
) -> None:
    """Whether it ended early, here after two epochs that were not better than the first, or with the last epoch."""
    seen, again = Recorder(), Recorder()
    first = train(module(lr=lr), EPOCHS, seen, "ended", patience=patience)
    assert list(seen.rows) == epochs
    assert same(train(module(lr=lr), EPOCHS, again, "ended", patience=patience), first)
    assert again.rows == {}


def test_the_rate_of_a_row_is_the_one_its_epoch_learned_with(train: Train) -> None:
    cosine = partial(CosineAnnealingLR, T_max=EPOCHS, eta_min=1e-6)
    rows = train(module(cosine, 3e-2), EPOCHS).rows
    expected = 1e-6 + (3e-2 - 1e-6) * (1 + np.cos(np.pi * np.arange(EPOCHS) / EPOCHS)) / 2
    np.testing.assert_allclose([row["lr"] for row in rows], expected, rtol=1e-9)


def test_plateau_halves_the_rate_after_its_patience(train: Train) -> None:
    schedule = partial(ReduceLROnPlateau, mode="max", factor=0.5, patience=1, eps=0.0)
    rows = train(module(schedule, STILL), EPOCHS).rows
    assert [row["lr"] / STILL for row in rows] == [1, 1, 1, 0.5, 0.5]


def test_a_gan_with_mse_content_keeps_the_last_epoch(train: Train) -> None:
    """By that content the best would be the first, whatever the adversary taught it afterwards."""
    adversarial = gan()
    adversarial.keeps_last = False
    best, last = train(adversarial, EPOCHS, patience=1), train(gan(), EPOCHS, patience=1)
    assert (last.best_epoch, len(last.rows)) == (EPOCHS - 1, EPOCHS)
    assert best.best_epoch < EPOCHS - 1


def test_the_best_epoch_is_kept_and_not_the_last(train: Train, data: Callable[..., PairData]) -> None:
    result = train(module(lr=1.0), EPOCHS)
    scores = [row["val/psnr"] for row in result.rows]
    assert result.best_epoch == int(np.argmax(scores)) < EPOCHS - 1
    kept: Any = Regression(result.network, 0.0, impatient)
    lr, hr = data().val_images[0]
    kept.validation_step((lr / 255, hr / 255), 0)
    assert kept.means.take(lambda sums: sums)["val/psnr"] == pytest.approx(max(scores))


def test_images_and_progress_are_shown(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    """Images at powers of two and at the end: in epochs 1, 2, 4 and 5."""
    seen = Recorder()
    train(module(), EPOCHS, seen)
    assert list(seen.images) == [0, 1, 3, 4]
    assert {(image.shape, image.dtype) for image in seen.images.values()} == {((40, 40, 3), np.dtype(np.uint8))}
    out = capsys.readouterr().out
    assert f"train test: epoch 1/{EPOCHS}, val " in out
    assert ", data wait " in out


def test_a_loss_that_explodes_names_the_first_bad_tensor_and_the_cure(train: Train) -> None:
    """With that rate the first step makes weights so large that the second overflows."""
    expected = r"^train/loss became (nan|inf) in step 2 \((output of body\.\d in the network|the loss itself) first\): "
    for _ in range(2):  # and again, when it is started a second time
        with pytest.raises(SrlabError, match=expected):
            train(module(lr=1e30), EPOCHS, name="exploded")


def test_a_loss_network_does_not_go_into_checkpoints(train: Train, tmp_path: Path) -> None:
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
        train(with_content(), EPOCHS, Killer("row", 1), "killed")
    state = torch.load(tmp_path / "killed/last.ckpt", weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in state} == {"generator", "discriminator"}
    assert len(train(with_content(), EPOCHS, name="killed").rows) == EPOCHS  # and is resumed without
