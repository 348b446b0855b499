"""The schedules of conf/; test_fit.py has the rules of their kinds, test_modules.py that each of them is stepped."""

from typing import Any

import pytest
import torch
from hydra.utils import instantiate

from srlab.planning.configs import configs


@pytest.mark.parametrize(("model", "flat"), [("srgan", -0.16), ("espcn", 28.0)])
@pytest.mark.parametrize("schedule", ["plateau", "steep_plateau"])
def test_a_flat_curve_lowers_the_rate(model: str, flat: float, schedule: str) -> None:
    """Also where the score is negative: minus the content loss of a GAN."""
    make = instantiate(configs("smoke", [model], [f"schedule=${{schedule_makers.{schedule}}}"])[1][model].schedule)
    made: Any = make(torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0))
    for _ in range(make.keywords["patience"] + 2):
        made.step(flat)
    assert made.get_last_lr() < [1.0]
