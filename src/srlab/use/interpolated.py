"""Network interpolation: Wang et al., "ESRGAN: Enhanced Super-Resolution GANs", ECCV Workshops 2018, sec. 3.4."""

from copy import deepcopy
from pathlib import Path

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
        if generator != started_from:
            raise SrlabError(
                f"interpolated.*.generator is {generator}, but the GAN began with {started_from}: name that one"
            )
        super().__init__(with_remarks(label, first=f"alpha {alpha:g}"), net, gan)
        move_back(self.net, load_network(deepcopy(net), Path(mse)), alpha)


def move_back(net: Network, start: Network, alpha: float) -> None:
    """Give `net` the weights (1 - alpha) * those of `start` + alpha * its own; SrlabError if alpha is not in [0, 1]."""
    if not 0 <= alpha <= 1:
        raise SrlabError(f"alpha is {alpha}: set it between 0 (the network at the start) and 1 (what became of it)")
    old, new = start.state_dict(), net.state_dict()
    # A count of batches, which has no part in the output, stays whole.
    mixed = {k: (1 - alpha) * old[k] + alpha * new[k] if new[k].is_floating_point() else new[k] for k in new}
    net.load_state_dict(mixed)
