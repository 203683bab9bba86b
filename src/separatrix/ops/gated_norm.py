"""Heads divided by their root mean square and gated by silu, in one pass each way."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.alternatives import asked
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator


@in_full_precision
def gated_norm(
    x: Float[Tensor, "B Q H V"],
    which: Int[Tensor, "B Q"],
    weight: Float[Tensor, " V"] | None = None,
    gates: Float[Tensor, "R HV"] | None = None,
    before: bool = False,
    epsilon: float = 1e-5,
) -> Float[Tensor, "B Q HV"]:
    """X / rms(x) * weight * silu(gates[which]), head by head; the gate is applied ahead of the norm when `before`.

    Raises InputError for shapes, types or devices that do not go together, IndexError for rows that are not there.
    """
    if x.ndim != 4 or (gates is not None and gates.ndim != 2):
        raise InputError(f"gated_norm: x must be (B, Q, H, V) and gates (R, HV), got x {tuple(x.shape)}")
    batch, queries, heads, width = x.shape
    if tuple(which.shape) != (batch, queries) or which.is_floating_point():
        raise InputError(f"gated_norm: which must be Int{(batch, queries)}, got {which.dtype} {tuple(which.shape)}")
    rows = 0 if gates is None else gates.shape[0]
    check("gated_norm", x, weight=(weight, (width,)), gates=(gates, (rows, heads * width)))
    return (_forward if takes(x) else reference)(x, which, weight, gates, before, epsilon)


@in_full_precision
def rms_norm(x: Float[Tensor, "*B V"], weight: Float[Tensor, " V"] | None, epsilon: float) -> Float[Tensor, "*B V"]:
    """X / rms(x) * weight, as `torch.nn.functional.rms_norm`, in one pass each way.

    Raises InputError for shapes, types or devices that do not go together.
    """
    if not takes(x):
        return F.rms_norm(x, x.shape[-1:], weight, epsilon)
    check("rms_norm", x, weight=(weight, (x.shape[-1],)))
    return _forward(x.reshape(1, -1, 1, x.shape[-1]), None, weight, None, False, epsilon).view(x.shape)


def reference(
    x: Tensor, which: Tensor | None, weight: Tensor | None, gates: Tensor | None, before: bool, epsilon: float
) -> Tensor:
    """The same in plain PyTorch."""
    opened = None
    if gates is not None and which is not None:
        opened = F.embedding(which, F.silu(gates)).unflatten(-1, x.shape[2:])
    if opened is not None and before:
        x = x * opened
    y = F.rms_norm(x, x.shape[-1:], weight, epsilon)
    return (y if opened is None or before else y * opened).flatten(2)


def _sizes(
    x: Tensor, which: Tensor | None, gates: Tensor | None, before: bool, epsilon: float
) -> tuple[Tensor | None, tuple]:
    if gates is None or which is None:
        return None, (*x.shape[:2], 0, 0, *x.shape[2:], before, epsilon)
    which, sizes = asked(gates, which)
    return which, (*sizes, *x.shape[2:], before, epsilon)


def _run(
    x: Tensor, which: Tensor | None, weight: Tensor | None, gates: Tensor | None, before: bool, epsilon: float
) -> Tensor:
    x, weight, gates = x.contiguous(), *_contiguous(weight, gates)
    held, sizes = _sizes(x, which, gates, before, epsilon)
    y = _shape(x)
    kernel("gated_norm_forward", x)(*sizes, *(address(t) for t in (x, weight, gates, y)))
    del held
    return y


def _contiguous(*tensors: Tensor | None) -> list[Tensor | None]:
    return [None if t is None else t.contiguous() for t in tensors]


def _shape(x: Tensor, *_: Any) -> Tensor:
    return x.new_empty(*x.shape[:2], x.shape[2] * x.shape[3])


def _run_backward(
    x: Tensor,
    which: Tensor | None,
    weight: Tensor | None,
    gates: Tensor | None,
    grad_y: Tensor,
    before: bool,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    x, weight, gates, grad_y = x.contiguous(), *_contiguous(weight, gates), grad_y.contiguous()
    held, sizes = _sizes(x, which, gates, before, epsilon)
    grads = _backward_shapes(x, which, weight, gates, grad_y, before, epsilon)
    results = (address(t) if t.numel() else 0 for t in grads)
    kernel("gated_norm_backward", x)(*sizes, *(address(t) for t in (x, weight, gates, grad_y)), *results)
    del held
    return grads


def _backward_shapes(
    x: Tensor, which: Tensor | None, weight: Tensor | None, gates: Tensor | None, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    a, b = (x.new_empty(0 if t is None else t.shape) for t in (weight, gates))
    return x.new_empty(x.shape), a, b


_backward = operator(
    "gated_norm_backward",
    "(Tensor x, Tensor? which, Tensor? weight, Tensor? gates, Tensor grad_y, bool before, float epsilon) "
    "-> (Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.before, ctx.epsilon = inputs
    ctx.save_for_backward(*tensors)


def _gradient(ctx: Any, grad_y: Tensor) -> tuple:
    x, which, weight, gates = ctx.saved_tensors
    grads = _backward(x, which, weight, gates, grad_y, ctx.before, ctx.epsilon)
    return grads[0], None, None if weight is None else grads[1], None if gates is None else grads[2], None, None


_forward = operator(
    "gated_norm",
    "(Tensor x, Tensor? which, Tensor? weight, Tensor? gates, bool before, float epsilon) -> Tensor",
    _run,
    _shape,
    (_setup, _gradient),
)
