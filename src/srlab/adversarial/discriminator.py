"""SRGAN's discriminator: Ledig et al. 2017, Fig. 4."""

from torch import Tensor, nn

from srlab.errors import SrlabError

# (stride, width in multiples of the base) of the eight 3x3 convolutions of Fig. 4.
LAYERS = ((1, 1), (2, 1), (1, 2), (2, 2), (1, 4), (2, 4), (1, 8), (2, 8))
SHRINKAGE = 16  # four strides of 2


class Discriminator(nn.Module):
    """RGB (B, 3, p, p) in [0, 1] to logits (B, 1), positive for "a real photograph"; p = `patch_size`.

    As published with `base` 64: 64 to 512 channels, then 1,024 units. Logits in place of Fig. 4's final sigmoid because
    binary_cross_entropy_with_logits is the same loss and does not overflow. SrlabError unless 16 divides `patch_size`.
    """

    def __init__(self, patch_size: int, base: int) -> None:
        super().__init__()
        if patch_size < SHRINKAGE or patch_size % SHRINKAGE:
            raise SrlabError(f"the discriminator cannot take {patch_size} px patches: use a multiple of {SHRINKAGE}")
        self.patch_size = patch_size
        layers: list[nn.Module] = []
        num_in = 3
        for stride, multiple in LAYERS:
            num_out = base * multiple
            layers.append(nn.Conv2d(num_in, num_out, 3, stride=stride, padding=1))
            if num_in != 3:  # no batch normalisation on the first layer
                layers.append(nn.BatchNorm2d(num_out))
            layers.append(nn.LeakyReLU(0.2))  # sec. 2.1
            num_in = num_out
        self.features = nn.Sequential(*layers)
        num_values = num_in * (patch_size // SHRINKAGE) ** 2
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(num_values, 16 * base), nn.LeakyReLU(0.2), nn.Linear(16 * base, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, p, p) in [0, 1] to logits (B, 1). SrlabError for patches of another size."""
        if image.shape[-2:] != (self.patch_size, self.patch_size):
            height, width = image.shape[-2:]
            raise SrlabError(
                f"the discriminator was built for {self.patch_size} px patches, got {height}x{width}: "
                "build it with the `patch_size` of the training data"
            )
        return self.classifier(self.features(2.0 * image - 1.0))  # HR images in [-1, 1], sec. 3.2
