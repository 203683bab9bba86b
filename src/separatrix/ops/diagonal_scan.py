"""Diagonal state-space models with fixed coefficients (DSS, S4D): many complex states behind every channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator, recording, rows, token_rows

CHUNK = 16
"""Tokens whose states the backward pass recomputes at a time."""


_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


@in_full_precision
def diagonal_scan(
    u: Tensor,
    rate: Tensor,
    weight: Tensor,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """h_t = rate h_{t-1} + u_t in every state, and y_t = Re(sum over states of weight h_t).

    u: Float[B, N, D]; rate, weight: Complex[D, S]
    state: Complex[B, D, S], h before the first token, zeros when None
    Returns the outputs and the state after the last token. Raises InputError for shapes, types or devices that do
    not go together and for a state of size 0.

    >>> u = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1)
    >>> rate, weight = torch.tensor([[0.5 + 0.5j]]), torch.ones(1, 1, dtype=torch.complex64)
    >>> outputs, _ = sx.ops.diagonal_scan(u, rate, weight)
    >>> outputs.flatten().tolist()  # the real parts of rate ** t
    [1.0, 0.5, 0.0]
    """
    if u.ndim != 3 or rate.ndim != 2:
        shapes = f"{tuple(u.shape)} and {tuple(rate.shape)}"
        raise InputError(f"diagonal_scan: u must be (B, N, D) and rate (D, S), got {shapes}")
    if rate.shape[1] < 1:
        raise InputError("diagonal_scan: a state size of at least 1 is needed, got 0")
    wanted = _COMPLEX.get(u.dtype)
    if rate.dtype != wanted or rate.device != u.device:
        raise InputError(f"diagonal_scan: rate must be {wanted} on {u.device}, got {rate.dtype} on {rate.device}")
    batch, _, channels = u.shape
    state = rate.new_zeros(batch, channels, rate.shape[1]) if state is None else state
    expected = (channels, rate.shape[1])
    check("diagonal_scan", rate, rate=(rate, expected), weight=(weight, expected), state=(state, (batch, *expected)))
    if not takes(u):
        return reference(u, rate, weight, state)
    return _forward(u, rate, weight, state, recording(u, rate, weight, state))[:2]


def reference(u: Tensor, rate: Tensor, weight: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The same, token by token in plain PyTorch."""
    outputs = []
    for t in range(u.shape[1]):
        state = rate * state + u[:, t, :, None]
        outputs.append((weight * state).real.sum(-1))
    return (torch.stack(outputs, dim=1) if outputs else u.clone()), state


def _sizes(u: Tensor, rate: Tensor) -> tuple:
    return (*u.shape, rate.shape[1], CHUNK)


def _shapes(u: Tensor, rate: Tensor, weight: Tensor, state: Tensor, save: bool) -> tuple[Tensor, Tensor, Tensor]:
    chunks, channels = -(-u.shape[1] // CHUNK), -(-u.shape[2] // 16) * 16
    saved = u.new_empty((u.shape[0], chunks, 2 * channels * rate.shape[1]) if save else 0)
    return u.new_empty(u.shape), rate.new_empty(state.shape), saved


def _run(u: Tensor, rate: Tensor, weight: Tensor, state: Tensor, save: bool) -> tuple[Tensor, Tensor, Tensor]:
    u = token_rows(u)
    rate, weight, state = (t.resolve_conj().contiguous() for t in (rate, weight, state))
    y, after, saved = _shapes(u, rate, weight, state, save)
    addresses = [address(t) for t in (rate, weight, state, y, after)]
    kernel("diagonal_forward", u)(*_sizes(u, rate), *rows(u), *addresses, address(saved) if save else 0)
    return y, after, saved


def _run_backward(
    u: Tensor, rate: Tensor, weight: Tensor, saved: Tensor, grad_y: Tensor, grad_after: Tensor
) -> tuple[Tensor, ...]:
    u, grad_y = token_rows(u), grad_y.contiguous()
    rate, weight, grad_after = (t.resolve_conj().contiguous() for t in (rate, weight, grad_after))
    grads = _backward_shapes(u, rate, weight, saved, grad_y, grad_after)
    addresses = [address(t) for t in (rate, weight, saved, grad_y, grad_after, *grads)]
    kernel("diagonal_backward", u)(*_sizes(u, rate), *rows(u), *addresses)
    return grads


def _backward_shapes(
    u: Tensor, rate: Tensor, weight: Tensor, saved: Tensor, grad_y: Tensor, grad_after: Tensor
) -> tuple[Tensor, ...]:
    shapes = (rate.shape, weight.shape, grad_after.shape)
    return (u.new_empty(u.shape), *(rate.new_empty(shape) for shape in shapes))


_backward = operator(
    "diagonal_scan_backward",
    "(Tensor u, Tensor rate, Tensor weight, Tensor saved, Tensor grad_y, Tensor grad_after) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: tuple) -> None:
    u, rate, weight, *_ = inputs
    ctx.save_for_backward(u, rate, weight, output[2])
    ctx.mark_non_differentiable(output[2])


def _gradient(ctx: Any, grad_y: Tensor, grad_after: Tensor, _: Tensor) -> tuple:
    return (*_backward(*ctx.saved_tensors, grad_y, grad_after), None)


_forward = operator(
    "diagonal_scan",
    "(Tensor u, Tensor rate, Tensor weight, Tensor state, bool save) -> (Tensor, Tensor, Tensor)",
    _run,
    _shapes,
    (_setup, _gradient),
)
