"""Adversarial training of a generator against a discriminator: SRGAN."""

from typing import Any

import torch
from torch import Tensor, nn

from srlab.adversarial.alarms import Alarms, colour_drift
from srlab.adversarial.losses import adversarial_loss, discriminator_loss, r1_penalty
from srlab.errors import SrlabError
from srlab.models.base.network import Network, full_precision
from srlab.training.finite import require_finite
from srlab.training.graphed import Scores
from srlab.training.recipe import PLAIN, MakeOptimizer, Recipe
from srlab.training.trainable import Schedule, Trainable
from srlab.training.validation import validation_scores

Pair = tuple[Tensor, Tensor]  # LR and HR
Scalars = dict[str, Tensor]


def translated(sr: Tensor, hr: Tensor, most: int) -> Pair:
    """Both (B, C, H, W), moved down and right by the same random number of pixels from 0 to `most`, mirrored there.

    The strides of a discriminator and the pixel shuffles of a generator count from the same corner, so that a grid in
    SR is what the first gradients ask for. Zhao et al., "Differentiable augmentation for data-efficient GAN training",
    2020, sec. 3.2, move every image of a batch on its own.
    """
    if not most:
        return sr, hr
    moves = torch.randint(0, most + 1, (2,), device=sr.device)
    rows, columns = ((torch.arange(sr.shape[axis], device=sr.device) - moves[axis]).abs() for axis in (-2, -1))
    return sr[:, :, rows[:, None], columns], hr[:, :, rows[:, None], columns]


def with_flat(lr: Tensor, hr: Tensor, count: int) -> Pair:
    """LR and HR (B, C, H, W) with the first `count` patches in place of one colour each, the mean of their LR patch.

    What their SR should be is known to the last digit: that colour. A grid of two grey levels, which textures hide from
    a discriminator and which VGG features reward there, is all that there is to see on them.
    """
    if not count:
        return lr, hr
    colours = lr[:count].mean((-2, -1), keepdim=True)
    flat = [torch.cat((colours.expand_as(images[:count]), images[count:])) for images in (lr, hr)]
    return flat[0], flat[1]


class Adversarial(Trainable):
    """Weighted content loss + weighted adversarial loss for the generator, log loss for the discriminator, alternately.

    Ledig et al. 2017, sec. 2.2 and 3.2: one step each per batch, generator pre-trained by MSE (its weights are in
    `generator` already). RGB (B, 3, H, W) in [0, 1]. Logs train/loss (the weighted sum of the next two), train/content,
    train/adversarial, train/discriminator, train/d_real, train/d_fake (mean probabilities), val/content, val/psnr,
    val/ssim, val/colour_drift (grey levels).

    The best epoch is the one of least content loss on the validation images: PSNR would always choose the epoch nearest
    to the pre-trained generator. So would MSE content, with which the last epoch is kept. SrlabError if label_smoothing
    is not in [0, 1), or r1, translation or flat_patches is negative.
    """

    monitor, sign = "val/content", -1

    def __init__(
        self,
        generator: Network,
        discriminator: nn.Module,
        content: nn.Module,  # loss (SR, HR) -> scalar; logged as it is
        adversarial_weight: float,  # 1e-3 in the paper (eq. 3)
        lr: float,  # the generator's first one (1e-4 in the paper)
        discriminator_lr: float,  # the same in the paper
        schedule: Schedule,
        alarms: Alarms,  # asked once an epoch, and what they say is printed
        label_smoothing: float = 0.0,  # how far below 1 the discriminator's target for HR lies
        r1: float = 0.0,  # gamma of the penalty gamma/2 * E ||grad D(HR)||^2 (Mescheder et al. 2018)
        recipe: Recipe = PLAIN,
        content_weight: float = 1.0,  # brings `content` to the scale that `adversarial_weight` is relative to
        translation: int = 0,  # most px that SR and HR are moved before they are judged
        flat_patches: int = 0,  # how many of a batch, all but one at most, are of one colour; their MSE is added
        optimizer: MakeOptimizer = torch.optim.Adam,  # as in the paper
    ) -> None:
        super().__init__(recipe)
        if not 0 <= label_smoothing < 1 or r1 < 0 or translation < 0 or flat_patches < 0:
            raise SrlabError(
                f"label_smoothing {label_smoothing}, r1 {r1}, translation {translation}, flat_patches {flat_patches} "
                "make no sense: set gans.*.label_smoothing in [0, 1), the others from 0 on"
            )
        self.strict_loading = False  # a loss network's weights are not in the checkpoint
        self.generator, self.discriminator, self.content = generator, discriminator, content
        self.keeps_last = not content.chooses_epoch
        self.content_weight, self.adversarial_weight = content_weight, adversarial_weight
        self.label_smoothing, self.r1 = label_smoothing, r1
        self.translation, self.flat_patches = translation, flat_patches
        self.lr, self.discriminator_lr, self.schedule, self.make_optimizer = lr, discriminator_lr, schedule, optimizer
        self.alarms, self.average = alarms, recipe.averaged(generator)

    @property
    def facts(self) -> dict[str, str]:
        """Which VGG-19 the content loss looks through."""
        return self.content.facts  # pyright: ignore[reportReturnType, reportAttributeAccessIssue]: of both losses

    @property
    def trained(self) -> Network:
        return self.generator

    def on_train_start(self) -> None:
        """SrlabError if the penalty needs gradients of gradients that torch does not have."""
        if self.r1 and any(isinstance(part, nn.SyncBatchNorm) for part in self.discriminator.modules()):
            raise SrlabError(
                f"gans.*.r1 {self.r1} does not work with synchronized batch normalisation in the discriminator: set "
                "trainer.lightning.sync_batchnorm=false, or gans.*.r1 to 0 in params.yaml"
            )
        super().on_train_start()

    def validation_step(self, batch: Pair, batch_idx: int) -> None:
        lr, hr = batch
        scale = self.generator.scale
        sr = self.network.upscale(lr, scale)  # in full precision, whatever the training runs in
        with full_precision(sr.device):
            content = self.content.forward(sr, hr)  # not what was compiled: every image may have a size of its own
        drift = colour_drift(sr, lr, scale).mean()
        scores = {"val/content": content, "val/colour_drift": drift, **validation_scores(sr, hr, border=scale)}
        self.means.add(scores, 1)

    def on_validation_epoch_end(self) -> None:
        means = self.close_epoch()
        for line in self.alarms.check(means) if self.trainer.is_global_zero else []:
            print(f"epoch {self.current_epoch + 1}: {line}", flush=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out the loss network: it never changes and would be most of the file."""
        kept = {k: v for k, v in checkpoint["state_dict"].items() if not k.startswith("content.")}
        checkpoint["state_dict"] = kept
        checkpoint["alarms"] = self.alarms.state_dict()
        super().on_save_checkpoint(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.alarms.load_state_dict(checkpoint["alarms"])
        super().on_load_checkpoint(checkpoint)

    def configure_optimizers(self) -> Any:
        rates = ((self.generator, self.lr), (self.discriminator, self.discriminator_lr))
        optimizers = [self.make_optimizer(network.parameters(), lr=lr) for network, lr in rates]
        return optimizers, [self.schedule(optimizer) for optimizer in optimizers]

    def learn(self, batch_lr: Tensor, batch_hr: Tensor) -> Scores:
        """One step of the discriminator, then one of the generator."""
        num_flat = min(self.flat_patches, len(batch_lr) - 1)  # the last batch may be a short one
        batch_lr, batch_hr = with_flat(batch_lr, batch_hr, num_flat)
        # The generator's graph of the whole batch is kept: `accumulate` saves the memory of all others.
        sr, batch_hr = translated(self.generator(batch_lr), batch_hr, self.translation)
        optimizer_g, optimizer_d = self.all_optimizers()
        seen = self._step_discriminator(optimizer_d, batch_lr, sr.detach(), batch_hr)
        self.discriminator.requires_grad_(False)
        scores = self._step_generator(optimizer_g, batch_lr, sr, batch_hr, num_flat, seen)
        self.discriminator.requires_grad_(True)
        return scores

    def _step_discriminator(
        self, optimizer: torch.optim.Optimizer, lr: Tensor, sr: Tensor, hr: Tensor
    ) -> list[Scalars]:
        """One step of the discriminator; what is to be logged of each micro-batch."""
        optimizer.zero_grad()
        seen: list[Scalars] = []
        for one_sr, one_hr in self.recipe.micro_batches(sr, hr):
            real, fake = self.discriminator(one_hr), self.discriminator(one_sr)
            loss = discriminator_loss(real, fake, self.label_smoothing)
            if self.r1:
                # not what was compiled, which has no gradients of gradients
                loss = loss + self.r1 / 2 * r1_penalty(self.discriminator.forward, one_hr)
            suspects = {"generator": (self.generator, lr), "discriminator": (self.discriminator, one_hr)}
            require_finite(loss, "train/discriminator", self.num_steps, **suspects)
            self.manual_backward(loss * (len(one_sr) / len(sr)))
            certain = {"train/d_real": real.sigmoid().mean(), "train/d_fake": fake.sigmoid().mean()}
            seen.append({"train/discriminator": loss.detach(), **certain})
        self.recipe.step(optimizer)
        return seen

    def _step_generator(
        self, optimizer: torch.optim.Optimizer, lr: Tensor, sr: Tensor, hr: Tensor, num_flat: int, seen: list[Scalars]
    ) -> Scores:
        """One step of the generator; what is to be logged, together with what was `seen` of the discriminator."""
        optimizer.zero_grad()
        found: Scores = []
        gradients = []  # of the loss by SR, so that the generator's own backward pass runs once for all micro-batches
        for (one_sr, one_hr), scalars in zip(self.recipe.micro_batches(sr.detach(), hr), seen, strict=True):
            one_sr.requires_grad_()
            content, adversarial = self.content(one_sr, one_hr), adversarial_loss(self.discriminator(one_sr))
            loss = self.content_weight * content + self.adversarial_weight * adversarial
            suspects = {"generator": (self.generator, lr), "discriminator": (self.discriminator, one_sr)}
            require_finite(loss, "train/loss", self.num_steps, **suspects)
            gradients += torch.autograd.grad(loss * (len(one_sr) / len(sr)), one_sr)
            losses = {"train/loss": loss, "train/content": content, "train/adversarial": adversarial}
            found.append(({name: value.detach() for name, value in (losses | scalars).items()}, len(one_sr)))
        gradient, flat_sr, flat_hr = torch.cat(gradients), sr[:num_flat].detach(), hr[:num_flat]
        if num_flat:  # the gradient of 4 * mse_loss of them, as in MSEContent; here, since micro-batches may part them
            gradient[:num_flat] += 8 * (flat_sr - flat_hr) / flat_hr.numel()
        self.manual_backward(sr, gradient=gradient)
        self.recipe.step(optimizer)
        return found
