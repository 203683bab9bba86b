"""Diagonal linear recurrences, real or complex: h_t = a_t h_{t-1} + x_t."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator


@in_full_precision
def linear_recurrence(
    a: Tensor,
    x: Tensor,
    state: Tensor | None = None,
) -> Tensor:
    """The states after every token.

    a: coefficients, [D] for all tokens alike or [B, N, D]
    x: Float[B, N, D] or Complex[B, N, D]
    state: [B, D], h before the first token, zeros when None
    Raises InputError for shapes, types or devices that do not go together.

    >>> x = torch.ones(1, 4, 1)
    >>> sx.ops.linear_recurrence(torch.tensor([0.5]), x).flatten().tolist()
    [1.0, 1.5, 1.75, 1.875]
    """
    if x.ndim != 3:
        raise InputError(f"linear_recurrence: x must be (B, N, D), got {tuple(x.shape)}")
    batch, _, channels = x.shape
    state = x.new_zeros(batch, channels) if state is None else state
    shape = (channels,) if a.ndim == 1 else tuple(x.shape)
    check("linear_recurrence", x, a=(a, shape), state=(state, (batch, channels)))
    return _forward(a, x, state) if takes(x) else reference(a, x, state)


def reference(a: Tensor, x: Tensor, state: Tensor) -> Tensor:
    """The same, token by token in plain PyTorch."""
    outputs = []
    for t in range(x.shape[1]):
        state = (a if a.ndim == 1 else a[:, t]) * state + x[:, t]
        outputs.append(state)
    return torch.stack(outputs, dim=1) if outputs else x.clone()


def _sizes(a: Tensor, x: Tensor) -> tuple:
    return (*x.shape, a.ndim == 1, x.is_complex())


def _run(a: Tensor, x: Tensor, state: Tensor) -> Tensor:
    a, x, state = (t.resolve_conj().contiguous() for t in (a, x, state))
    y = torch.empty_like(x)
    kernel("recurrence_forward", x)(*_sizes(a, x), *(address(t) for t in (a, x, state, y)))
    return y


def _run_backward(a: Tensor, y: Tensor, state: Tensor, grad_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    a, y, state, grad_y = (t.resolve_conj().contiguous() for t in (a, y, state, grad_y))
    grads = _backward_shapes(a, y, state, grad_y)
    kernel("recurrence_backward", y)(*_sizes(a, y), *(address(t) for t in (a, y, state, grad_y, *grads)))
    return grads


def _backward_shapes(a: Tensor, y: Tensor, state: Tensor, grad_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return a.new_empty(a.shape), y.new_empty(y.shape), state.new_empty(state.shape)


_backward = operator(
    "linear_recurrence_backward",
    "(Tensor a, Tensor y, Tensor state, Tensor grad_y) -> (Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    a, _, state = inputs
    ctx.save_for_backward(a, output, state)


def _gradient(ctx: Any, grad_y: Tensor) -> tuple[Tensor, ...]:
    return tuple(_backward(*ctx.saved_tensors, grad_y))


_forward = operator(
    "linear_recurrence",
    "(Tensor a, Tensor x, Tensor state) -> Tensor",
    _run,
    lambda a, x, state: x.new_empty(x.shape),
    (_setup, _gradient),
)
