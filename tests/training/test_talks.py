"""How often the processes of a training wait for each other to hear whether it is to be saved or ended."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from srlab.training import checkpoints
from srlab.training.checkpoints import Checkpoints


@pytest.mark.parametrize(("minutes", "seconds"), [(99.0, 10.0), (0.05, 3.0), (0.0, 0.5)])
def test_processes_talk_every_ten_seconds_or_as_often_as_is_saved(
    minutes: float, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in chunks, here of 0.5 s: after the first, which shows how long one takes, and every 20th from there."""
    now, talks = [0.0], []

    def reduce(wanted: Tensor, reduce_op: str) -> Tensor:
        talks.append(now[0])
        return wanted

    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(checkpoints.signal, "signal", lambda *_: None)
    trainer: Any = SimpleNamespace(
        world_size=2,
        strategy=SimpleNamespace(reduce=reduce, root_device=torch.device("cpu")),
        num_training_batches=101,
        received_sigterm=False,
        save_checkpoint=lambda path: None,
    )
    saving, module = Checkpoints(tmp_path, {}, minutes, "test"), SimpleNamespace()
    saving.on_train_start(trainer, module)  # pyright: ignore[reportArgumentType]
    for chunk in range(100):
        now[0] += 0.5
        saving.on_train_batch_end(trainer, module, None, None, chunk)  # pyright: ignore[reportArgumentType]
    assert talks == [0.5 + seconds * number for number in range(len(talks))]
    assert len(talks) == 1 + int(49.5 / seconds)
