"""Every schedule moves once per call; test_fit.py has the rules of their kinds."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from torch.optim.lr_scheduler import ReduceLROnPlateau

from srlab.planning.configs import configs
from srlab.training.schedules import step_schedules


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def rates(schedules: Any, metrics: list[float]) -> list[list[float]]:
    """The learning rates of all `schedules` after each of some epochs."""
    module: Any = SimpleNamespace(lr_schedulers=lambda: schedules)
    every = schedules if isinstance(schedules, list) else [schedules]
    result = []
    for metric in metrics:
        for schedule in every:
            schedule.optimizer.step()  # torch warns about a schedule that moves before its optimizer
        step_schedules(module, metric)
        result.append([schedule.optimizer.param_groups[0]["lr"] for schedule in every])
    return result


def test_every_schedule_of_a_module_moves() -> None:
    schedules = [ReduceLROnPlateau(optimizer(), mode="max", factor=0.1, patience=0) for _ in range(2)]
    assert rates(schedules, [1, 1])[-1] == [0.1, 0.1]


@pytest.mark.parametrize(("model", "flat"), [("srgan", -0.16), ("espcn", 28.0)])
@pytest.mark.parametrize("schedule", ["plateau", "steep_plateau"])
def test_a_flat_curve_lowers_the_rate(model: str, flat: float, schedule: str) -> None:
    """Also where the score is negative: minus the content loss of a GAN."""
    made = instantiate(configs("smoke", [model], [f"schedule=${{schedule_makers.{schedule}}}"])[1][model].schedule)
    first, *_, last = rates(made(optimizer()), [flat] * (made.keywords["patience"] + 2))
    assert last[0] < first[0]
