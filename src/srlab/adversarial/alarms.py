"""What goes wrong in adversarial training, in words: a certain discriminator, colours that drift."""

from collections.abc import Mapping

from torch import Tensor

from srlab.errors import SrlabError
from srlab.images.resample import imresize


def colour_drift(sr: Tensor, lr: Tensor, scale: int) -> Tensor:
    """(B,) grey levels (of 255) between the mean colours of SR (B, C, H, W) and of bicubic's (B, C, h, w) LR in [0, 1].

    The largest over the channels: the means of a faithful enlargement are those of its LR image.
    """
    bicubic = imresize(lr.float(), scale=scale)
    return 255.0 * (sr.float().mean((-2, -1)) - bicubic.mean((-2, -1))).abs().amax(1)


class Alarms:
    """One line, once, when adversarial training has gone wrong for `epochs` epochs in a row; again if it comes back.

    The discriminator's mean probabilities for HR and SR, in [0, 1], may lie apart by `certainty`; `colour_drift` may be
    `drift`, in grey levels. SrlabError if `epochs` is less than 1.
    """

    def __init__(self, certainty: float, drift: float, epochs: int) -> None:
        if epochs < 1:
            raise SrlabError(f"an alarm after {epochs} epochs never rings: set `epochs` to 1 or more")
        self.certainty, self.drift, self.epochs = certainty, drift, epochs
        self.certain = self.drifting = 0  # epochs in a row

    def check(self, row: Mapping[str, float]) -> list[str]:
        """The lines of an epoch with "train/d_real", "train/d_fake" in [0, 1] and "val/colour_drift" in grey levels."""
        real, fake, drift = row["train/d_real"], row["train/d_fake"], row["val/colour_drift"]
        self.certain = self.certain + 1 if real - fake > self.certainty else 0
        self.drifting = self.drifting + 1 if drift > self.drift else 0
        lines = []
        if self.certain == self.epochs:
            lines.append(
                f"the discriminator is certain (HR {real:.2f}, SR {fake:.2f} for {self.epochs} epochs) and teaches the "
                "generator little: set gans.*.label_smoothing or gans.*.r1, or lower gans.*.discriminator_lr"
            )
        if self.drifting == self.epochs:
            lines.append(
                f"the colours drift ({drift:.1f} grey levels from bicubic for {self.epochs} epochs, more than "
                f"{self.drift:g}): lower gans.*.adversarial_weight or gans.*.lr"
            )
        return lines

    def state_dict(self) -> dict[str, int]:
        """How many epochs in a row each has lasted, for a checkpoint."""
        return {"certain": self.certain, "drifting": self.drifting}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Continue from what `state_dict` gave."""
        self.certain, self.drifting = state["certain"], state["drifting"]
