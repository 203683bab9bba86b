"""Mamba's selective scan by one token, for many alternative tokens after one shared state."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.alternatives import asked
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator, rows, token_rows


@in_full_precision
def selective_read(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d: Tensor | None,
    gates: Tensor,
    which: Tensor,
    bias: Tensor | None,
    state: Tensor,
    softplus: bool = False,
) -> Tensor:
    """`selective_scan` by one token for each of Q alternative tokens: its outputs, without the states after it.

    u, delta: Float[B, Q, D]; a: Float[D, S]; b, c: Float[B, Q, S]; d, bias: Float[D]; state: Float[B, D, S]
    gates, which: Float[R, D] and Int[B, Q], so that z of query i of example b is gates[which[b, i]]
    Raises InputError for shapes, types or devices that do not go together, IndexError for rows that are not there.
    """
    if u.ndim != 3 or a.ndim != 2 or gates.ndim != 2:
        shapes = f"{tuple(u.shape)}, {tuple(a.shape)} and {tuple(gates.shape)}"
        raise InputError(f"selective_read: u must be (B, Q, D), a (D, S) and gates (R, D), got {shapes}")
    (batch, queries, channels), states = u.shape, a.shape[1]
    if tuple(which.shape) != (batch, queries) or which.is_floating_point():
        raise InputError(f"selective_read: which must be Int{(batch, queries)}, got {which.dtype} {tuple(which.shape)}")
    check(
        "selective_read",
        u,
        delta=(delta, tuple(u.shape)),
        a=(a, (channels, states)),
        b=(b, (batch, queries, states)),
        c=(c, (batch, queries, states)),
        d=(d, (channels,)),
        gates=(gates, (gates.shape[0], channels)),
        bias=(bias, (channels,)),
        state=(state, (batch, channels, states)),
    )
    return (_forward if takes(u) else reference)(u, delta, a, b, c, d, gates, which, bias, state, softplus)


def reference(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d: Tensor | None,
    gates: Tensor,
    which: Tensor,
    bias: Tensor | None,
    state: Tensor,
    softplus: bool,
) -> Tensor:
    """The same in plain PyTorch."""
    delta = delta if bias is None else delta + bias
    delta = F.softplus(delta) if softplus else delta
    kept = torch.exp(delta[..., None] * a) * state[:, None]  # (B, Q, D, S)
    y = (kept * c[:, :, None]).sum(-1) + delta * u * (b * c).sum(-1, keepdim=True)
    y = y if d is None else y + d * u
    return y * F.embedding(which, F.silu(gates))


def _sizes(u: Tensor, a: Tensor, softplus: bool) -> tuple[int, int, bool]:
    return u.shape[2], a.shape[1], softplus


def _inputs(
    u: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d: Tensor | None,
    gates: Tensor,
    which: Tensor,
    bias: Tensor | None,
    state: Tensor,
    softplus: bool,
) -> tuple[tuple, tuple]:
    """The tensors as the kernel takes them (kept alive by the caller), and its arguments."""
    u, delta, b, c = (token_rows(x) for x in (u, delta, b, c))
    gates, (which, sizes), a, state = gates.contiguous(), asked(gates, which), a.contiguous(), state.contiguous()
    d, bias = (None if x is None else x.contiguous() for x in (d, bias))
    numbers = (number for x in (u, delta, b, c) for number in rows(x))
    addresses = (address(x) for x in (gates, a, d, bias, state))
    held = (u, delta, b, c, gates, which, a, state, d, bias)
    return held, (*sizes, u.shape[2], a.shape[1], softplus, *numbers, *addresses)


def _run(u: Tensor, *arguments: Any) -> Tensor:
    held, inputs = _inputs(u, *arguments)
    y = u.new_empty(u.shape)
    kernel("selective_read_forward", u)(*inputs, address(y))
    del held
    return y


def _run_backward(u: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
    grad_y = arguments[9]
    tensors: tuple[Any, ...] = (*arguments[:9], arguments[10])
    held, inputs = _inputs(u, *tensors)
    grads, grad_y = _backward_shapes(u, *arguments), grad_y.contiguous()
    order = (grads[i] for i in (0, 1, 3, 4, 6, 2, 5, 7, 8))  # u, delta, b, c, gates, a, d, bias, state
    kernel("selective_read_backward", u)(*inputs, address(grad_y), *(address(g) if g.numel() else 0 for g in order))
    del held
    return grads


def _backward_shapes(u: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
    delta, a, b, c, d, gates, _, bias, state, _, _ = arguments
    given = (u, delta, a, b, c, d, gates, bias, state)
    return tuple(u.new_empty(0 if x is None else x.shape) for x in given)


_TENSORS = (
    "Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor? d, Tensor gates, Tensor which, Tensor? bias, "
    "Tensor state"
)

_backward = operator(
    "selective_read_backward",
    f"({_TENSORS}, Tensor grad_y, bool softplus) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.softplus = inputs
    ctx.save_for_backward(*tensors)


def _gradient(ctx: Any, grad_y: Tensor) -> tuple:
    _, _, _, _, _, d, _, _, bias, _ = ctx.saved_tensors
    grads = _backward(*ctx.saved_tensors, grad_y, ctx.softplus)
    u, delta, a, b, c, grad_d, gates, grad_bias, state = grads
    return (
        u, delta, a, b, c, None if d is None else grad_d, gates, None, None if bias is None else grad_bias, state, None
    )  # fmt: skip


_forward = operator(
    "selective_read",
    f"({_TENSORS}, bool softplus) -> Tensor",
    _run,
    lambda u, *rest: u.new_empty(u.shape),
    (_setup, _gradient),
)
