"""Training against a pixel loss: SRCNN, ESPCN, SRResNet and every other network without a discriminator."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from srlab.images.colour import luma
from srlab.models.base.network import Network
from srlab.training.finite import require_finite
from srlab.training.graphed import Scores
from srlab.training.pixel_losses import Loss, OwnLoss
from srlab.training.recipe import PLAIN, MakeOptimizer, Recipe
from srlab.training.trainable import Schedule, Trainable
from srlab.training.validation import validation_scores

Pair = tuple[Tensor, Tensor]  # LR and HR


class Regression(Trainable):
    """Minimize a loss between SR and HR (B, C, H, W) in [0, 1]: that of the network's paper, mostly MSE, or another.

    A network of one channel learns on luma, one of three on RGB. Logs train/loss, val/loss (always the MSE), val/psnr,
    val/ssim.
    """

    monitor, sign = "val/psnr", 1

    def __init__(
        self,
        net: Network,
        lr: float,  # the first one (1e-3 in An et al. 2022, sec. 4.4)
        schedule: Schedule,  # stepped once an epoch with val/psnr
        optimizer: MakeOptimizer = torch.optim.Adam,  # as there
        loss: Loss | None = None,
        recipe: Recipe = PLAIN,
    ) -> None:
        super().__init__(recipe)
        self.net, self.lr, self.schedule, self.make_optimizer = net, lr, schedule, optimizer
        self.loss, self.average = loss or OwnLoss(), recipe.averaged(net)

    @property
    def trained(self) -> Network:
        return self.net

    def validation_step(self, batch: Pair, batch_idx: int) -> None:
        lr, hr = (luma(image) for image in batch) if self.net.channels == 1 else batch
        sr = self.network.upscale(lr, self.net.scale)  # in full precision, whatever the training runs in
        scores = {"val/loss": mse_loss(sr, hr), **validation_scores(sr, hr, border=self.net.scale)}
        self.means.add(scores, 1)

    def on_validation_epoch_end(self) -> None:
        self.close_epoch()

    def learn(self, batch_lr: Tensor, batch_hr: Tensor) -> Scores:
        (optimizer,) = self.all_optimizers()
        optimizer.zero_grad()
        scores: Scores = []
        for lr, hr in self.recipe.micro_batches(batch_lr, batch_hr):
            loss = self.loss(self.net, lr, hr, self.current_epoch)
            require_finite(loss, "train/loss", self.num_steps, network=(self.net, lr))
            self.manual_backward(loss * (len(lr) / len(batch_lr)))
            scores.append(({"train/loss": loss.detach()}, len(lr)))
        self.recipe.step(optimizer)
        return scores

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self.net.parameter_groups(self.lr), lr=self.lr)
        return [optimizer], [self.schedule(optimizer)]
