"""DRCN: Kim et al., "Deeply-Recursive Convolutional Network for Image Super-Resolution", CVPR 2016."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from srlab.images.resample import imresize
from srlab.models.base.convolution import he_convolution
from srlab.models.base.network import Network, counted, half_squared_error

PUBLISHED = (16, 256)  # recursions and channels, sec. 4.2


class DRCN(Network):
    """Luma (B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale): one convolution, applied again and again.

    Embedding (two 3x3 convolutions), inference (`num_recursions` times the same 3x3 convolution), reconstruction (two
    3x3 convolutions, the same for every recursion). Each recursion gives a prediction, the enlarged input plus what is
    reconstructed (skip connection), and the output is their learned weighted sum (sec. 3.2, Fig. 3a).

    The recursive convolution starts as the identity, the others as He et al. 2015 ask for ReLUs, biases at zero
    (sec. 4.2), and the weights of the sum as those of a mean. The last convolution has no ReLU, since what it adds to
    the enlarged input may be negative.

    Args:
        alpha_epochs: epochs in which the weight of the recursions' own losses falls from 1 to 0, see `training_loss`.
    """

    loss_changes = True  # by alpha

    def __init__(self, scale: int, num_recursions: int, num_features: int, alpha_epochs: int) -> None:
        is_published = (num_recursions, num_features) == PUBLISHED
        super().__init__(scale, 1, "" if is_published else counted(recursion=num_recursions, channel=num_features))
        self.alpha_epochs = alpha_epochs
        self.embedding = nn.Sequential(
            he_convolution(1, num_features), nn.ReLU(), he_convolution(num_features, num_features), nn.ReLU()
        )
        self.recursion = he_convolution(num_features, num_features)
        nn.init.dirac_(self.recursion.weight)  # "all weights to zero except self-connections", sec. 4.2
        self.reconstruction = nn.Sequential(
            he_convolution(num_features, num_features), nn.ReLU(), he_convolution(num_features, 1)
        )
        self.shares = nn.Parameter(torch.full((num_recursions,), 1 / num_recursions))

    def forward(self, lr: Tensor, *, every: bool = False) -> Tensor:
        """(B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale), not clamped.

        With `every`, (num_recursions, B, 1, H, W): one prediction after each recursion.
        """
        predictions = self.predictions(imresize(lr, scale=self.scale))
        return torch.stack(list(predictions)) if every else self._weighted(predictions)

    def predictions(self, enlarged: Tensor) -> Iterator[Tensor]:
        """One prediction (B, 1, H, W) after each recursion, of the bicubic enlargement (B, 1, H, W).

        One after the other, so that without gradients no more than one recursion's features are held.
        """
        features = self.embedding(enlarged)
        for _ in range(len(self.shares)):
            features = relu(self.recursion(features))
            yield enlarged + self.reconstruction(features)

    def training_loss(self, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        """alpha * mean of the predictions' losses + (1 - alpha) * the output's loss (eq. 8 to 10), each 1/2 ||.||^2.

        alpha is high at first, for a stable start, and decays (sec. 3.3): here, where the paper gives no numbers, by
        a straight line from 1 to 0. The paper's third term, beta * ||weights||^2, is the optimizer's weight decay.
        """
        predictions = self(lr, every=True).unbind()  # through __call__, which is what may be compiled
        each = torch.stack([half_squared_error(prediction, hr) for prediction in predictions]).mean()
        alpha = max(0.0, 1.0 - epoch / self.alpha_epochs)
        return alpha * each + (1.0 - alpha) * half_squared_error(self._weighted(predictions), hr)

    def _weighted(self, predictions: Iterable[Tensor]) -> Tensor:
        return (self.shares.view(-1, 1, 1, 1, 1) * torch.stack(list(predictions))).sum(0)
