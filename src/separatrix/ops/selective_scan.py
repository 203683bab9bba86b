"""The selective scan of Mamba (Gu and Dao 2023)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator, recording, rows, token_rows

CHUNK = 16
"""Tokens whose states the backward pass recomputes at a time."""


@in_full_precision
def selective_state(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    bias: Tensor | None = None,
    state: Tensor | None = None,
    softplus: bool = False,
) -> Tensor:
    """The last state of `selective_scan`, without its outputs."""
    return _scan(u, delta, a, b, None, None, None, bias, state, softplus)[1]


@in_full_precision
def selective_scan(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d: Tensor | None = None,
    z: Tensor | None = None,
    bias: Tensor | None = None,
    state: Tensor | None = None,
    softplus: bool = False,
) -> tuple[Tensor, Tensor]:
    """h_t = exp(delta_t a) h_{t-1} + delta_t u_t b_t and y_t = (c_t · h_t + d u_t) silu(z_t).

    u, z:  Float[B, N, D] inputs and gates
    delta: Float[B, N, D] step sizes; `bias` is added first, then softplus applied when asked for
    a:     Float[D, S]; b, c: Float[B, N, S]; d, bias: Float[D]
    state: Float[B, D, S], h before the first token, zeros when None
    Returns the outputs and the state after the last token. Raises InputError for shapes, types or devices that do
    not go together and for a state of size 0.

    >>> u = delta = torch.ones(1, 3, 1)
    >>> b = c = torch.ones(1, 3, 1)
    >>> outputs, state = sx.ops.selective_scan(u, delta, torch.tensor([[-0.6931472]]), b, c)  # exp(a) is a half
    >>> outputs.flatten().tolist(), state.item()
    ([1.0, 1.5, 1.75], 1.75)
    """
    return _scan(u, delta, a, b, c, d, z, bias, state, softplus)


def _scan(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor | None,
    d: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    state: Tensor | None,
    softplus: bool,
) -> tuple[Tensor, Tensor]:
    """Outputs, an empty tensor where c is None, and the last state."""
    if u.ndim != 3 or a.ndim != 2:
        raise InputError(f"selective_scan: u must be (B, N, D) and a (D, S), got {tuple(u.shape)} and {tuple(a.shape)}")
    (batch, length, channels), states = u.shape, a.shape[1]
    if states < 1:
        raise InputError("selective_scan: a state size of at least 1 is needed, got 0")
    tokens = (batch, length)
    check(
        "selective_scan",
        u,
        delta=(delta, tuple(u.shape)),
        a=(a, (channels, states)),
        b=(b, (*tokens, states)),
        c=(c, (*tokens, states)),
        d=(d, (channels,)),
        z=(z, tuple(u.shape)),
        bias=(bias, (channels,)),
        state=(state, (batch, channels, states)),
    )
    if state is None:
        state = u.new_zeros(batch, channels, states)
    if not takes(u):
        return reference(u, delta, a, b, c, d, z, bias, state, softplus)
    save = recording(u, delta, a, b, c, d, z, bias, state)
    y, after, _ = _forward(u, delta, a, b, c, d, z, bias, state, softplus, save)
    return y, after


def reference(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor | None,
    d: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    state: Tensor,
    softplus: bool,
) -> tuple[Tensor, Tensor]:
    """The same, token by token in plain PyTorch."""
    delta = delta if bias is None else delta + bias
    delta = F.softplus(delta) if softplus else delta
    outputs = []
    for t in range(u.shape[1]):
        decay = torch.exp(delta[:, t, :, None] * a)  # (B, D, S)
        state = decay * state + (delta[:, t] * u[:, t])[..., None] * b[:, t, None]
        if c is not None:
            outputs.append((state * c[:, t, None]).sum(-1))
    if c is None:
        return u.new_empty(0), state
    y = torch.stack(outputs, dim=1) if outputs else u.clone()
    y = y if d is None else y + d * u
    return (y if z is None else y * F.silu(z)), state


def _sizes(u: Tensor, a: Tensor, softplus: bool) -> tuple[int, int, int, int, int, bool]:
    return (*u.shape, a.shape[1], CHUNK, softplus)


def _saved(u: Tensor, a: Tensor, save: bool) -> Tensor:
    chunks, channels = -(-u.shape[1] // CHUNK), -(-u.shape[2] // 16) * 16
    return u.new_empty((u.shape[0], chunks, channels * a.shape[1]) if save else 0)


def _run(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor | None,
    d: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    state: Tensor,
    softplus: bool,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    u, delta, b = (token_rows(x) for x in (u, delta, b))
    c, z = (None if x is None else token_rows(x) for x in (c, z))
    a, state = a.contiguous(), state.contiguous()
    d, bias = (None if x is None else x.contiguous() for x in (d, bias))
    y, after, saved = _shapes(u, delta, a, b, c, d, z, bias, state, softplus, save)
    kernel("scan_forward", u)(
        *_sizes(u, a, softplus),
        *(number for x in (u, delta, b, c, z) for number in rows(x)),
        *(address(x) for x in (a, d, bias, state, y, after)),
        address(saved) if save else 0,
    )
    return y, after, saved


def _shapes(
    u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor | None, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return u.new_empty(0 if c is None else u.shape), u.new_empty((u.shape[0], *a.shape)), _saved(u, a, rest[-1])


def _run_backward(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor | None,
    d: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    saved: Tensor,
    grad_y: Tensor,
    grad_after: Tensor,
    softplus: bool,
) -> tuple[Tensor, ...]:
    u, delta, b = (token_rows(x) for x in (u, delta, b))
    c, z = (None if x is None else token_rows(x) for x in (c, z))
    a, grad_y, grad_after = a.contiguous(), grad_y.contiguous(), grad_after.contiguous()
    d, bias = (None if x is None else x.contiguous() for x in (d, bias))
    grads = _backward_shapes(u, delta, a, b, c, d, z, bias)
    given = (u, delta, b, c, z, a, d, bias, a)
    order = (grads[0], grads[1], grads[3], grads[4], grads[6], grads[2], grads[5], grads[7], grads[8])
    kernel("scan_backward", u)(
        *_sizes(u, a, softplus),
        *(number for x in (u, delta, b, c, z) for number in rows(x)),
        *(address(x) for x in (a, d, bias, saved, grad_y, grad_after)),
        *(0 if input is None else address(grad) for grad, input in zip(order, given, strict=True)),
    )
    return grads


def _backward_shapes(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor | None,
    d: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    *rest: Any,
) -> tuple[Tensor, ...]:
    inputs = [u.new_empty(0) if x is None else u.new_empty(x.shape) for x in (u, delta, a, b, c, d, z, bias)]
    return (*inputs, u.new_empty((u.shape[0], *a.shape)))


_backward = operator(
    "selective_scan_backward",
    "(Tensor u, Tensor delta, Tensor a, Tensor b, Tensor? c, Tensor? d, Tensor? z, Tensor? bias, Tensor saved, "
    "Tensor grad_y, Tensor grad_after, bool softplus) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: tuple) -> None:
    *tensors, _, ctx.softplus, _ = inputs
    ctx.save_for_backward(*tensors, output[2])
    ctx.mark_non_differentiable(output[2])


def _gradient(ctx: Any, grad_y: Tensor, grad_after: Tensor, _: Tensor) -> tuple:
    *tensors, saved = ctx.saved_tensors
    grads = _backward(*tensors, saved, grad_y, grad_after, ctx.softplus)
    present = [None if x is None else grad for x, grad in zip(tensors, grads, strict=False)]
    return (*present, grads[-1], None, None)


_forward = operator(
    "selective_scan",
    "(Tensor u, Tensor delta, Tensor a, Tensor b, Tensor? c, Tensor? d, Tensor? z, Tensor? bias, Tensor state, "
    "bool softplus, bool save) -> (Tensor, Tensor, Tensor)",
    _run,
    _shapes,
    (_setup, _gradient),
)
