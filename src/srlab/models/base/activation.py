"""PReLU with one slope for all channels, at the speed of a leaky ReLU."""

from typing import Any

from torch import Tensor, float32, is_grad_enabled, nn, ops, promote_types
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional


class PReLU(nn.PReLU):
    """x to max(x, 0) + slope * min(x, 0), as nn.PReLU() with its one learned slope: He et al., ICCV 2015, eq. 1.

    PyTorch's own kernel takes a third of a training step of SRResNet on a CPU in bf16. A leaky ReLU, whose slope is a
    plain number, takes half of that (docs/performance.md).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        if input.device.type == "cpu" and is_grad_enabled():
            return _Learned.apply(input, self.weight)
        return super().forward(input)


class _Learned(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope.item()
        return functional.leaky_relu(x, ctx.slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        to_slope = x.clamp(max=0).mul_(gradient).sum(dtype=promote_types(x.dtype, float32))
        return ops.aten.leaky_relu_backward(gradient, x, ctx.slope, False), to_slope.reshape(1)
