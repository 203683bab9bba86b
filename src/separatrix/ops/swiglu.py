"""silu(first half) * second half, in one pass each way (Shazeer 2020)."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, kernel, operator


@in_full_precision
def swiglu(x: Float[Tensor, "*B W"]) -> Float[Tensor, "*B M"]:
    """silu(first half) * second half of the last dimension."""
    return (_forward if takes(x) else reference)(x)


def reference(x: Tensor) -> Tensor:
    """The same in plain PyTorch."""
    gate, value = x.chunk(2, dim=-1)
    return F.silu(gate) * value


def run(x: Tensor) -> Tensor:
    """The kernel's forward pass, for tensors it takes."""
    x = x.contiguous()
    y = _shape(x)
    kernel("swiglu_forward", x)(x.shape[:-1].numel(), y.shape[-1], address(x), address(y))
    return y


def _shape(x: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], x.shape[-1] // 2)


def run_backward(x: Tensor, grad_y: Tensor) -> Tensor:
    """The kernel's backward pass: the gradient at x."""
    x, grad_y = x.contiguous(), grad_y.contiguous()
    grad = x.new_empty(x.shape)
    kernel("swiglu_backward", x)(x.shape[:-1].numel(), grad_y.shape[-1], *(address(t) for t in (x, grad_y, grad)))
    return grad


_backward = operator(
    "swiglu_backward", "(Tensor x, Tensor grad_y) -> Tensor", run_backward, lambda x, grad_y: x.new_empty(x.shape)
)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _gradient(ctx: Any, grad_y: Tensor) -> Tensor:
    return _backward(*ctx.saved_tensors, grad_y)


_forward = operator("swiglu", "(Tensor x) -> Tensor", run, _shape, (_setup, _gradient))
