"""Adversarial training of a generator against a discriminator: SRGAN."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from srlab.models.network import Network
from srlab.training.losses import adversarial_loss, discriminator_loss
from srlab.training.schedules import Schedule, step_schedules
from srlab.training.validation import luma_scores


class Adversarial(pl.LightningModule):
    """Content loss + weight * adversarial loss for the generator, log loss for the discriminator, alternately.

    Ledig et al. 2017, sec. 2.2 and 3.2: one step each per batch, generator pre-trained by MSE (its weights are in
    `generator` already). RGB (B, 3, H, W) in [0, 1]. Manual optimization, because Lightning's automatic one has a
    single optimizer. Logs train/loss (the generator's), train/content, train/adversarial, train/discriminator,
    train/d_real, train/d_fake (mean probabilities), val/content, val/psnr, val/ssim.

    The best epoch is the one of least content loss on the validation images: PSNR would always choose the epoch
    nearest to the pre-trained generator. With MSE content the two choose the same.

    Args:
        content: loss (SR, HR) -> scalar.
        adversarial_weight: 1e-3 in the paper (eq. 3).
        lr: Adam's first learning rate of both networks (1e-4 in the paper).
    """

    monitor = "val/content"

    def __init__(
        self,
        generator: Network,
        discriminator: nn.Module,
        content: nn.Module,
        adversarial_weight: float,
        lr: float,
        schedule: Schedule,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False  # a loss network's weights are not in the checkpoint
        self.generator, self.discriminator, self.content = generator, discriminator, content
        self.adversarial_weight, self.lr, self.schedule = adversarial_weight, lr, schedule

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        lr, hr = batch
        optimizer_g, optimizer_d = self.optimizers()  # pyright: ignore[reportGeneralTypeIssues]
        sr = self.generator(lr)

        self.toggle_optimizer(optimizer_d)
        real, fake = self.discriminator(hr), self.discriminator(sr.detach())
        loss_d = discriminator_loss(real, fake)
        self._step(optimizer_d, loss_d)
        self.untoggle_optimizer(optimizer_d)

        self.toggle_optimizer(optimizer_g)
        content, adversarial = self.content(sr, hr), adversarial_loss(self.discriminator(sr))
        loss_g = content + self.adversarial_weight * adversarial
        self._step(optimizer_g, loss_g)
        self.untoggle_optimizer(optimizer_g)

        logged = {
            "train/loss": loss_g,
            "train/content": content,
            "train/adversarial": adversarial,
            "train/discriminator": loss_d,
            "train/d_real": real.sigmoid().mean(),
            "train/d_fake": fake.sigmoid().mean(),
        }
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(lr), sync_dist=True)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        lr, hr = batch
        sr = self.generator.upscale(lr, self.generator.scale)  # in full precision, whatever the training runs in
        scores = {"val/content": self.content(sr, hr), **luma_scores(sr, hr, border=self.generator.scale)}
        self.log_dict(scores, batch_size=1, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            # Plateau schedules of both modules maximize; content is minimized.
            step_schedules(self, -float(self.trainer.callback_metrics[self.monitor]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out the loss network: it never changes and would be most of the file."""
        kept = {k: v for k, v in checkpoint["state_dict"].items() if not k.startswith("content.")}
        checkpoint["state_dict"] = kept

    def configure_optimizers(self) -> Any:
        networks = (self.generator, self.discriminator)
        optimizers = [torch.optim.Adam(network.parameters(), lr=self.lr) for network in networks]
        return optimizers, [self.schedule(optimizer) for optimizer in optimizers]

    def _step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
