"""What a regression minimizes, one signature: loss(net, lr, hr, epoch), scalar in float32, whatever autocast is on.

LR (B, C, h, w) and HR (B, C, h*scale, w*scale) in [0, 1], C = `net.channels`; `epoch` counts from 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from srlab.errors import SrlabError
from srlab.models.base.network import Network

Loss = Callable[[Network, Tensor, Tensor, int], Tensor]


class OwnLoss:
    """The loss of the network's own paper: `Network.training_loss`."""

    def __call__(self, net: Network, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        return net.training_loss(lr, hr, epoch)


class PixelLoss:
    """`mse` * MSE + `l1` * L1 + `charbonnier` * mean of sqrt(x^2 + `epsilon`^2), with x = SR - HR of every value.

    L1 is EDSR's (Lim et al. 2017, sec. 4.2), Charbonnier LapSRN's (Lai et al. 2017, sec. 3.2, with epsilon 1e-3; summed
    over pixels there, here a mean like the others). A term of weight 0 is not computed. SrlabError if a weight is
    negative or all are 0, or Charbonnier is used with an epsilon that is not positive.
    """

    def __init__(self, mse: float, l1: float, charbonnier: float, epsilon: float) -> None:
        if min(mse, l1, charbonnier) < 0 or not max(mse, l1, charbonnier) > 0:
            raise SrlabError(
                f"a pixel loss of {mse} MSE + {l1} L1 + {charbonnier} Charbonnier has no minimum to learn from: "
                "set one weight above 0 and none below"
            )
        if charbonnier and not epsilon > 0:  # without it the gradient is 0/0 where SR equals HR
            raise SrlabError(f"a Charbonnier loss cannot have the epsilon {epsilon}: set one above 0, as 0.001")
        terms = ((mse, mse_loss), (l1, l1_loss), (charbonnier, self._charbonnier))
        self.terms = [(weight, term) for weight, term in terms if weight]
        self.epsilon = epsilon

    def __call__(self, net: Network, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        sr = net(lr).float()  # the squares of small errors are what 16 bit lose first
        return torch.stack([weight * term(sr, hr) for weight, term in self.terms]).sum()

    def _charbonnier(self, sr: Tensor, hr: Tensor) -> Tensor:
        return ((sr - hr).square() + self.epsilon**2).sqrt().mean()
