"""A network with its weights and its name: what the evaluation sees of a trained model."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from srlab.models.base.network import Network
from srlab.models.base.weights import load_network


class Trained:
    """An Upscaler: `net` with the weights of the file `checkpoint`, read on construction (SrlabError if it cannot be).

    Its label names the network's variant where that is not the published one: "SRGAN (MSE content, 4 blocks)".
    """

    def __init__(self, label: str, net: Network, checkpoint: str) -> None:
        self.net = load_network(net, Path(checkpoint)).eval().requires_grad_(False)
        self.label = with_remarks(label, last=net.variant)

    @property
    def num_parameters(self) -> int:
        """Weights and biases of the network."""
        return self.net.num_parameters

    def to(self, device: torch.device | str) -> Self:
        """The same object, its network moved to `device`."""
        self.net.to(device)
        return self

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1], C = 1 or 3; see Network.upscale."""
        return self.net.upscale(lr, scale)


def with_remarks(label: str, first: str = "", last: str = "") -> str:
    """A label with remarks before and after its own: "SRGAN (pretrained, MSE content, 4 blocks, 32 channels)"."""
    name, _, own = label.removesuffix(")").partition(" (")
    remarks = ", ".join(remark for remark in (first, own, last) if remark)
    return f"{name} ({remarks})" if remarks else name
