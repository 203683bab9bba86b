"""linear, nonlinearity, linear, some rows at a time: of the hidden layer one copy is held, and no gradient of it.

Recomputing it too would take a sixth more products in a step and, measured, a quarter more time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.ops import swiglu
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import check, operator

ROWS = 512
"""Rows at a time: the parts of their hidden layer stay in the processor's cache (measured: flat from 256 on)."""


@in_full_precision
def mlp(
    x: Tensor, enter: Tensor, enter_bias: Tensor, leave: Tensor, leave_bias: Tensor, activation: str
) -> Float[Tensor, "*B D"]:
    """Leave @ activation(enter @ x + enter_bias) + leave_bias for each row.

    x: Float[*B, D]; enter: Float[W, D]; leave: Float[D, M], where W is 2 * M for `swiglu` and M for others
    activation: relu, gelu or swiglu
    Raises InputError for shapes, types or devices that do not go together.
    """
    hidden = leave.shape[1] * (2 if activation == "swiglu" else 1)
    check(
        "mlp",
        x,
        enter=(enter, (hidden, x.shape[-1])),
        enter_bias=(enter_bias, (hidden,)),
        leave=(leave, (leave.shape[0], leave.shape[1])),
        leave_bias=(leave_bias, (leave.shape[0],)),
    )
    if not takes(x):
        return reference(x, enter, enter_bias, leave, leave_bias, activation)
    return _forward(x.flatten(0, -2), enter, enter_bias, leave, leave_bias, activation)[0].unflatten(0, x.shape[:-1])


def reference(
    x: Tensor, enter: Tensor, enter_bias: Tensor, leave: Tensor, leave_bias: Tensor, activation: str
) -> Tensor:
    """The same in plain PyTorch."""
    inside = F.linear(x, enter, enter_bias)
    if activation == "swiglu":
        return F.linear(swiglu.reference(inside), leave, leave_bias)
    return F.linear(F.relu(inside) if activation == "relu" else F.gelu(inside), leave, leave_bias)


def _run(
    x: Tensor, enter: Tensor, enter_bias: Tensor, leave: Tensor, leave_bias: Tensor, activation: str
) -> tuple[Tensor, Tensor]:
    """The outputs, and the hidden layer: after relu, before the others."""
    y, hidden = _shapes(x, enter, enter_bias, leave)
    for rows, inside, out in zip(x.split(ROWS), hidden.split(ROWS), y.split(ROWS), strict=True):
        torch.addmm(enter_bias, rows, enter.T, out=inside)  # (rows, W)
        torch.addmm(leave_bias, _forward_of(activation, inside), leave.T, out=out)
    return y, hidden


def _forward_of(activation: str, inside: Tensor) -> Tensor:
    if activation == "relu":
        return inside.clamp_min_(0)
    return F.gelu(inside) if activation == "gelu" else swiglu.run(inside)


def _shapes(x: Tensor, enter: Tensor, enter_bias: Tensor, leave: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape[0], leave.shape[0]), x.new_empty(x.shape[0], enter.shape[0])


def _run_backward(
    x: Tensor, hidden: Tensor, enter: Tensor, leave: Tensor, grad_y: Tensor, activation: str
) -> tuple[Tensor, ...]:
    grad_x, grad_bias = x.new_empty(x.shape), x.new_zeros(enter.shape[0])
    grad_enter, grad_leave = torch.zeros_like(enter), torch.zeros_like(leave)
    for rows, inside, grad, out in zip(*(t.split(ROWS) for t in (x, hidden, grad_y, grad_x)), strict=True):
        back = grad @ leave  # (rows, M)
        if activation == "relu":
            grad_leave.addmm_(grad.T, inside)
            back = torch.ops.aten.threshold_backward(back, inside, 0)
        elif activation == "gelu":
            grad_leave.addmm_(grad.T, F.gelu(inside))
            back = torch.ops.aten.gelu_backward(back, inside)
        else:
            grad_leave.addmm_(grad.T, swiglu.run(inside))
            back = swiglu.run_backward(inside, back)
        grad_enter.addmm_(back.T, rows)
        grad_bias += back.sum(0)
        torch.mm(back, enter, out=out)
    return grad_x, grad_enter, grad_bias, grad_leave, grad_y.sum(0)


def _backward_shapes(
    x: Tensor, hidden: Tensor, enter: Tensor, leave: Tensor, grad_y: Tensor, *_: Any
) -> tuple[Tensor, ...]:
    biases = (x.new_empty(p.shape[0]) for p in (enter, leave))
    return x.new_empty(x.shape), enter.new_empty(enter.shape), next(biases), leave.new_empty(leave.shape), next(biases)


_backward = operator(
    "mlp_backward",
    "(Tensor x, Tensor hidden, Tensor enter, Tensor leave, Tensor grad_y, str activation)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    x, enter, _, leave, _, ctx.activation = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, output[1], enter, leave)


def _gradient(ctx: Any, grad_y: Tensor | None, grad_hidden: None) -> tuple:
    if grad_y is None:
        return (None,) * 6
    return *_backward(*ctx.saved_tensors, grad_y, ctx.activation), None


_forward = operator(
    "mlp",
    "(Tensor x, Tensor enter, Tensor enter_bias, Tensor leave, Tensor leave_bias, str activation) -> (Tensor, Tensor)",
    _run,
    _shapes,
    (_setup, _gradient),
)
