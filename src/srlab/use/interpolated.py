"""Network interpolation: Wang et al., "ESRGAN: Enhanced Super-Resolution GANs", ECCV Workshops 2018, sec. 3.4."""

from copy import deepcopy
from pathlib import Path

from torch import Tensor

from srlab.errors import SrlabError
from srlab.models.base.network import Network
from srlab.models.base.trained import Trained, with_remarks
from srlab.models.base.weights import load_network


class Interpolated(Trained):
    """An Upscaler: `net` with the weights (1 - alpha) * MSE + alpha * GAN, batch normalisation's statistics likewise.

    Between the network that a GAN's training began with and what it became, such weights make sense: they balance
    fidelity and texture without another training. Its label has the weight: "SRGAN (alpha 0.5, MSE content)".

    Args:
        label: of the GAN.
        mse: file with the weights of the model `generator`, trained against a pixel loss.
        gan: file with those of the GAN's generator.
        generator: the model that `mse` belongs to.
        started_from: the model that the GAN's training began with, which has to be the same.
        alpha: 0 gives the one's output, 1 the other's.

    Raises:
        SrlabError: alpha lies outside [0, 1], the GAN began with another model, or weights are missing or do not fit.
    """

    def __init__(
        self, label: str, net: Network, mse: str, gan: str, generator: str, started_from: str, alpha: float
    ) -> None:
        if not 0 <= alpha <= 1:
            raise SrlabError(f"interpolated.*.alpha is {alpha}: set it between 0 (MSE) and 1 (GAN)")
        if generator != started_from:
            raise SrlabError(
                f"interpolated.*.generator is {generator}, but the GAN began with {started_from}: name that one"
            )
        super().__init__(with_remarks(label, first=f"alpha {alpha:g}"), net, gan)
        start = load_network(deepcopy(net), Path(mse)).state_dict()
        end = self.net.state_dict()
        self.net.load_state_dict({key: _between(start[key], end[key], alpha) for key in end})


def _between(start: Tensor, end: Tensor, alpha: float) -> Tensor:
    # A count of batches, which has no part in the output, stays whole.
    return (1 - alpha) * start + alpha * end if end.is_floating_point() else end
