"""Which number of a training is the first that is not finite."""

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn, no_grad

from srlab.errors import SrlabError

STEPS_BETWEEN_CHECKS = 256  # of a GPU's loss: to read a number is to wait for all that was queued before it


def require_finite(loss: Tensor, name: str, num_steps: int, **suspects: tuple[nn.Module, Tensor]) -> None:
    """SrlabError if `loss` is not finite, naming the first tensor that is not; on a GPU checked now and then.

    `num_steps` were made before this one; `suspects` are networks with their inputs, as the loss depends on them.
    """
    is_recorded = torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()  # there is no number yet
    if is_recorded or (loss.is_cuda and num_steps % STEPS_BETWEEN_CHECKS) or loss.isfinite():
        return
    found = ((first_bad(*suspect), network) for network, suspect in suspects.items())
    place = next((f"{bad} in the {network}" for bad, network in found if bad), "the loss itself")
    raise SrlabError(f"{name} became {loss.item()} in step {num_steps + 1} ({place} first): lower lr in params.yaml")


def first_bad(net: nn.Module, *inputs: Tensor) -> str:
    """Where the first number that is not finite sits: "weights of body.2", "output of blocks.0.body.1"; "" if nowhere.

    In this order: parameters, buffers, `inputs`, then the outputs of modules as one forward of `inputs`, if there are
    any, makes them in the net's present mode, innermost first. Leaves the net as it was.
    """
    for kind, tensors in (("weights", net.named_parameters()), ("buffer", net.named_buffers())):
        for name, tensor in tensors:
            if not tensor.isfinite().all():
                return f"weights of {name.rpartition('.')[0] or name}" if kind == "weights" else f"buffer {name}"
    for position, tensor in enumerate(inputs):
        if not tensor.isfinite().all():
            return f"input {position}"
    return _first_bad_output(net, inputs) if inputs else ""


def _first_bad_output(net: nn.Module, inputs: tuple[Tensor, ...]) -> str:
    bad: list[str] = []

    def look(name: str, module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor) and not output.isfinite().all():
            bad.append(f"output of {name or type(net).__name__}")

    looked_at = copy.deepcopy(net)  # with which the hooks go, and the statistics that a forward moves
    for name, module in looked_at.named_modules():
        module.register_forward_hook(partial(look, name))
    with no_grad():
        looked_at(*inputs)
    return bad[0] if bad else ""
