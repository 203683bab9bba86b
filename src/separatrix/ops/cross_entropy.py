"""The mean cross entropy of logits, in one pass over them forward and one back."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, kernel, operator


@in_full_precision
def cross_entropy(logits: Float[Tensor, "*B A"], targets: Int[Tensor, "*B"]) -> Float[Tensor, ""]:
    """-log softmax(logits)[targets], averaged, in nats.

    Raises InputError for shapes that do not go together, IndexError for targets that are no answer.
    """
    if tuple(logits.shape[:-1]) != tuple(targets.shape) or targets.is_floating_point():
        shapes = f"{tuple(logits.shape)} and {targets.dtype} {tuple(targets.shape)}"
        raise InputError(f"cross_entropy: targets must be integers, one for each row of logits, got {shapes}")
    if not takes(logits) or not targets.numel():
        return reference(logits, targets)
    return _forward(logits, targets)[0]


def reference(logits: Tensor, targets: Tensor) -> Tensor:
    """The same in plain PyTorch."""
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten())


def _run(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits, targets = logits.contiguous(), targets.long().contiguous()
    _, tops = _shapes(logits, targets)
    addresses = (address(x) for x in (logits, targets, tops))
    loss = kernel("cross_entropy_forward", logits)(tops.numel(), logits.shape[-1], *addresses)
    return logits.new_tensor(loss), tops


def _shapes(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return logits.new_empty(()), logits.new_empty(targets.shape)


def _run_backward(logits: Tensor, targets: Tensor, tops: Tensor, grad: Tensor) -> Tensor:
    logits, targets = logits.contiguous(), targets.long().contiguous()
    result = logits.new_empty(logits.shape)
    addresses = (address(x) for x in (logits, targets, tops))
    kernel("cross_entropy_backward", logits)(tops.numel(), logits.shape[-1], *addresses, float(grad), address(result))
    return result


_backward = operator(
    "cross_entropy_backward",
    "(Tensor logits, Tensor targets, Tensor tops, Tensor grad) -> Tensor",
    _run_backward,
    lambda logits, targets, tops, grad: logits.new_empty(logits.shape),
)


def _setup(ctx: Any, inputs: tuple, output: tuple) -> None:
    ctx.save_for_backward(*inputs, output[1])
    ctx.mark_non_differentiable(output[1])


def _gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple:
    return _backward(*ctx.saved_tensors, grad), None


_forward = operator(
    "cross_entropy", "(Tensor logits, Tensor targets) -> (Tensor, Tensor)", _run, _shapes, (_setup, _gradient)
)
