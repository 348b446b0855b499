"""A network from elsewhere as a row of the table: its range of values, order of channels, mean and tiles."""

import torch
from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.models.base.network import Network
from srlab.use.tiles import windows

CHANNELS = {"rgb": 3, "bgr": 3, "y": 1}  # y: luma, and chroma by bicubic interpolation


class External(Network):
    """An Upscaler around `net`, which somebody else made (see `srlab.use.formats`).

    Args:
        name: of its line in `external`, for messages.
        label: what tables call it.
        net: (B, C, h, w) to (B, C, h*scale, w*scale).
        channels: key of CHANNELS: what `net` takes.
        value_range: what white is for `net`, 1 or 255.
        mean: taken off the input and added to the output: one number for all channels or "R G B", as shares of white.
        tile: side in LR px of the windows that `net` sees one after the other; 0 gives it the whole image.
        overlap: LR px at the inner edges of a window whose output is thrown away. Where it is at least the distance
            over which an output pixel sees the input, tiles give what the whole image gives.

    Raises:
        SrlabError: a setting of the line is impossible.
    """

    mean: Tensor

    def __init__(
        self,
        name: str,
        label: str,
        scale: int,
        net: nn.Module,
        channels: str,
        value_range: float,
        mean: float | str,
        tile: int,
        overlap: int,
    ) -> None:
        if channels not in CHANNELS:
            raise SrlabError(f"external.{name}.channels is {channels}: choose one of {', '.join(CHANNELS)}")
        super().__init__(scale, CHANNELS[channels])
        if not value_range > 0:
            raise SrlabError(f"external.{name}.value_range is {value_range}: set 1 or 255")
        if tile < 0 or overlap < 0 or 0 < tile <= 2 * overlap:
            raise SrlabError(
                f"external.{name}: a tile of {tile} with an overlap of {overlap} keeps nothing: "
                "set 0, or more than twice the overlap"
            )
        self.name, self.label, self.net = name, label, net
        self.is_bgr, self.value_range, self.tile, self.overlap = channels == "bgr", value_range, tile, overlap
        self.register_buffer("mean", self._parsed(mean), persistent=False)
        self.eval().requires_grad_(False)

    @property
    def num_parameters(self) -> int:
        """Weights and biases."""
        return getattr(self.net, "num_parameters", None) or sum(one.numel() for one in self.net.parameters())

    def forward(self, lr: Tensor) -> Tensor:
        """(B, channels, h, w) in [0, 1] to (B, channels, h*scale, w*scale), not clamped; SrlabError if `net` fails."""
        sr = torch.empty(*lr.shape[:2], *(side * self.scale for side in lr.shape[2:]), dtype=lr.dtype, device=lr.device)
        for window in windows(lr.shape[2:], self.tile, self.overlap):
            part = self._computed(lr[(..., *window.seen)])
            sr[(..., *window.target(self.scale))] = part[(..., *window.inside(self.scale))]
        return sr

    def _computed(self, lr: Tensor) -> Tensor:
        given = (lr - self.mean) * self.value_range
        try:
            output = self.net(given.flip(1) if self.is_bgr else given)
        except (RuntimeError, ValueError, TypeError) as error:
            reason = " ".join(str(error).rpartition("RuntimeError:")[2].split())  # after TorchScript's trace
            raise SrlabError(
                f"external.{self.name} fails on an input of {tuple(lr.shape)} ({reason[:200]}): "
                "correct `channels`, or set `tile` if memory is short"
            ) from error
        expected = (*lr.shape[:2], *(side * self.scale for side in lr.shape[2:]))
        found = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
        if found != expected:
            raise SrlabError(
                f"external.{self.name} makes {found} of {tuple(lr.shape)}, x{self.scale} asks for {expected}: "
                "correct `channels` of its line, or `scale`"
            )
        return (output.flip(1) if self.is_bgr else output) / self.value_range + self.mean

    def _with_own_weights(self, lr: Tensor) -> Tensor:
        if next(self.net.parameters(), None) is None:  # an ONNX file: it computes what it gets
            return self.forward(lr)
        return super()._with_own_weights(lr)

    def _parsed(self, mean: float | str) -> Tensor:
        try:
            values = [float(word) for word in str(mean).split()]
        except ValueError:
            values = []
        if len(values) not in {1, self.channels}:
            raise SrlabError(
                f"external.{self.name}.mean is {mean}: give one number, or {self.channels} with blanks between"
            )
        return torch.tensor(values).view(1, -1, 1, 1)
