"""Training against a pixel loss: SRCNN, ESPCN, SRResNet and every other network without a discriminator."""

from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from srlab.images.colour import luma
from srlab.models.network import Network
from srlab.training.ledger import Ledger, close_epoch, require_finite, share_statistics
from srlab.training.pixel_losses import Loss, OwnLoss
from srlab.training.recipe import PLAIN, MakeOptimizer, Recipe, casting_anew
from srlab.training.schedules import Schedule
from srlab.training.validation import validation_scores

Pair = tuple[Tensor, Tensor]  # LR and HR


class Regression(pl.LightningModule):
    """Minimize a loss between SR and HR (B, C, H, W) in [0, 1]: that of the network's paper, mostly MSE, or another.

    A network of one channel learns on luma, one of three on RGB. Logs train/loss, val/loss (always the MSE), val/psnr,
    val/ssim. Manual optimization, as in adversarial training: a call of training_step makes several steps, and
    Lightning's own work is done once for all of them.

    Args:
        lr: the first learning rate (1e-3 in An et al. 2022, sec. 4.4).
        schedule: makes the learning-rate schedule of an optimizer; stepped once an epoch with val/psnr.
        optimizer: makes the optimizer (Adam there).
    """

    monitor = "val/psnr"

    def __init__(
        self,
        net: Network,
        lr: float,
        schedule: Schedule,
        optimizer: MakeOptimizer = torch.optim.Adam,
        loss: Loss | None = None,
        recipe: Recipe = PLAIN,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net, self.lr, self.schedule, self.make_optimizer = net, lr, schedule, optimizer
        self.loss, self.recipe = loss or OwnLoss(), recipe
        self.average, self.ledger = recipe.averaged(net), Ledger()

    @property
    def network(self) -> Network:
        """The network that is validated and kept: the moving average, where there is one."""
        return self.net if self.average is None else cast(Network, self.average.module)

    @property
    def num_steps(self) -> int:
        """Optimizer steps since the beginning of the first epoch."""
        return self.ledger.num_steps

    def training_step(self, chunk: list[Pair], batch_idx: int) -> None:
        """One optimizer step on each batch of the chunk, which has the network's channels."""
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        with casting_anew(self.device):
            for batch in chunk:
                self._step(optimizer, *batch)

    def on_validation_epoch_start(self) -> None:
        share_statistics(self)

    def validation_step(self, batch: Pair, batch_idx: int) -> None:
        lr, hr = (luma(image) for image in batch) if self.net.channels == 1 else batch
        sr = self.network.upscale(lr, self.net.scale)  # in full precision, whatever the training runs in
        scores = {"val/loss": mse_loss(sr, hr), **validation_scores(sr, hr, border=self.net.scale)}
        self.ledger.means.add(scores, 1)

    def on_validation_epoch_end(self) -> None:
        close_epoch(self, sign=1)

    def _step(self, optimizer: torch.optim.Optimizer, batch_lr: Tensor, batch_hr: Tensor) -> None:
        optimizer.zero_grad()
        for lr, hr in self.recipe.parts(batch_lr, batch_hr):
            loss = self.loss(self.net, lr, hr, self.current_epoch)
            require_finite(loss, "train/loss", self.ledger, network=(self.net, lr))
            self.manual_backward(loss * (len(lr) / len(batch_lr)))
            self.ledger.means.add({"train/loss": loss}, len(lr))
        self.recipe.step(optimizer, self.num_steps)
        if self.average is not None:
            self.average.update_parameters(self.net)
        self.ledger.num_steps += 1

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self.net.parameter_groups(self.lr), lr=self.lr)
        return [optimizer], [self.schedule(optimizer)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.ledger.save(checkpoint, self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.ledger.load(checkpoint, self)
