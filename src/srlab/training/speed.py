"""Settings that change how fast a training is, and its weights by no more than rounding."""

from dataclasses import dataclass
from typing import Any

import torch

from srlab.errors import SrlabError

REPLAYING = ("reduce-overhead", "max-autotune")  # modes that replay CUDA graphs, each time into the same memory


@dataclass
class Speed:
    """What is done to a Lightning module before it is trained. Precision and devices are the Trainer's own matter."""

    channels_last: bool  # memory order of weights, hence of activations: pixel by pixel, as convolutions like it
    compile: str | None  # mode of torch.compile for every network ("default", one of REPLAYING); None compiles none
    tf32: bool  # whether float32 products on an Ampere or newer GPU may be rounded to 10 bits of mantissa
    capture: bool  # whether a GPU replays whole steps (`srlab.training.graphed`) where they are alike

    def apply(self, module: Any) -> None:
        """Prepare `module`, a LightningModule; its networks keep their classes and the names of their weights.

        SrlabError if replayed graphs would overwrite the gradients that micro-batches add up, or lie in each other.
        """
        if self.compile in REPLAYING and self.capture:
            raise SrlabError(
                f"trainer.speed.capture replays whole steps and trainer.speed.compile {self.compile} parts of them: "
                "set trainer.speed.compile to default or null, or trainer.speed.capture to false"
            )
        if self.compile in REPLAYING and module.recipe.accumulate > 1:
            raise SrlabError(
                f"trainer.speed.compile {self.compile} replays CUDA graphs, which recipes.*.accumulate "
                f"{module.recipe.accumulate} does not allow: set it to 1, or trainer.speed.compile to default"
            )
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.tf32
        module.captures = self.capture
        if self.channels_last:
            module.to(memory_format=torch.channels_last)
        if self.compile:
            for network in module.children():
                network.compile(mode=self.compile)
