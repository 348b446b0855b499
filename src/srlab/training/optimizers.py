"""Optimizers that torch does not have."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_value_


class ClippedSGD(torch.optim.SGD):
    """SGD with momentum, each element of the gradient first cut to +-`clip` / (learning rate of now).

    "Adjustable gradient clipping", Kim et al. 2016 (VDSR), sec. 3.2: however high the rate, one gradient moves a weight
    by no more than `clip` (their theta), and momentum by 1 / (1 - momentum) times that. Weight decay is not clipped.
    """

    def __init__(self, params: Any, lr: float, momentum: float, weight_decay: float, clip: float) -> None:
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)
        self.clip = clip

    def step(self, closure: Callable[[], Tensor] | None = None) -> Any:
        """One step on the gradients that `closure`, if there is one, computes; returns what it returns."""
        loss = None
        if closure is not None:  # before the clipping, since it computes the gradients
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            clip_grad_value_(group["params"], self.clip / group["lr"])
        super().step()
        return loss
