"""Training against a pixel loss: SRCNN, ESPCN, SRResNet and every other network without a discriminator."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from srlab.data.colour import luma
from srlab.models.network import Network
from srlab.training.schedules import Schedule, step_schedules
from srlab.training.validation import luma_scores

MakeOptimizer = Callable[..., torch.optim.Optimizer]  # called with parameter groups and `lr`


class Regression(pl.LightningModule):
    """Minimize the network's training loss, the MSE between SR and HR (B, C, H, W) in [0, 1] unless it has its own.

    A network of one channel learns on luma, one of three on RGB. Logs train/loss, val/loss (always the MSE), val/psnr,
    val/ssim.

    Args:
        lr: the first learning rate (1e-3 in An et al. 2022, sec. 4.4).
        schedule: makes the learning-rate schedule of an optimizer; stepped once an epoch with val/psnr.
        optimizer: makes the optimizer (Adam there).
    """

    monitor = "val/psnr"

    def __init__(
        self, net: Network, lr: float, schedule: Schedule, optimizer: MakeOptimizer = torch.optim.Adam
    ) -> None:
        super().__init__()
        self.net, self.lr, self.schedule, self.make_optimizer = net, lr, schedule, optimizer

    @property
    def generator(self) -> Network:
        """The network whose weights are kept."""
        return self.net

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        lr, hr = self._channels(batch)
        loss = self.net.training_loss(lr, hr, self.current_epoch)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(lr), sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        lr, hr = self._channels(batch)
        sr = self.net.upscale(lr, self.net.scale)  # in full precision, whatever the training runs in
        scores = {"val/loss": mse_loss(sr, hr), **luma_scores(sr, hr, border=self.net.scale)}
        self.log_dict(scores, batch_size=1, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            step_schedules(self, float(self.trainer.callback_metrics[self.monitor]))

    def lr_scheduler_step(self, scheduler: Any, metric: Any | None) -> None:
        """Nothing: see `step_schedules`."""

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self.net.parameter_groups(self.lr), lr=self.lr)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.schedule(optimizer), "monitor": self.monitor, "strict": False},
        }

    def _channels(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        lr, hr = batch
        return (luma(lr), luma(hr)) if self.net.channels == 1 else (lr, hr)
