"""Softmax attention of many alternative tokens to one shared past, and of each to itself."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.alternatives import asked, check_which
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, kernel, operator


@in_full_precision
def attention_read(
    q: Tensor,
    own: Tensor,
    v: Tensor,
    which: Tensor,
    keys: Tensor,
    values: Tensor,
    scale: float,
    bias: Tensor | None = None,
) -> Tensor:
    """softmax([scale q · keys + bias, own]) @ [values, v] for each query, Float[B, Q, H * K]; no scores are kept.

    q, v: Float[R, H * K] and own: Float[R, H], the score each token gives to itself; query i of example b is row
          which[b, i]
    keys, values: Float[B, H, N, K]; bias: Float[H, N], a constant
    Raises InputError for shapes, types or devices that do not go together, IndexError for rows that are not there.
    """
    if keys.ndim != 4:
        raise InputError(f"attention_read: keys must be (B, H, N, K), got {tuple(keys.shape)}")
    _, heads, length, width = keys.shape
    count, past = q.shape[0], (which.shape[0], heads, length, width)
    check_which(
        "attention_read",
        q,
        which,
        q=(q, (count, heads * width)),
        own=(own, (count, heads)),
        v=(v, (count, heads * width)),
        keys=(keys, past),
        values=(values, past),
        bias=(bias, (heads, length)),
    )
    return (_forward if takes(q) else reference)(q, own, v, which, keys, values, scale, bias)


@in_full_precision
def weights(q: Tensor, own: Tensor, which: Tensor, keys: Tensor, scale: float, bias: Tensor | None) -> Tensor:
    """What each query gives to every place of the past and, last, to itself, Float[B, H, Q, N + 1]; plain PyTorch."""
    asking = F.embedding(which, q).unflatten(-1, (keys.shape[1], -1)).transpose(1, 2)  # (B, H, Q, K)
    past = asking @ keys.transpose(-1, -2) * scale
    past = past if bias is None else past + bias[:, None]
    return torch.softmax(torch.cat([past, F.embedding(which, own).transpose(1, 2)[..., None]], dim=-1), dim=-1)


def reference(
    q: Tensor,
    own: Tensor,
    v: Tensor,
    which: Tensor,
    keys: Tensor,
    values: Tensor,
    scale: float,
    bias: Tensor | None,
) -> Tensor:
    """The same in plain PyTorch."""
    shares = weights(q, own, which, keys, scale, bias)
    itself = F.embedding(which, v).unflatten(-1, (keys.shape[1], -1)).transpose(1, 2)
    return (shares[..., :-1] @ values + shares[..., -1:] * itself).transpose(1, 2).flatten(2)


def _inputs(
    q: Tensor, own: Tensor, v: Tensor, which: Tensor, keys: Tensor, values: Tensor, scale: float, bias: Tensor | None
) -> tuple[tuple, tuple]:
    """The tensors as the kernel takes them (kept alive by the caller), and its arguments."""
    which, sizes = asked(q, which)
    given = [None if x is None else x.contiguous() for x in (q, own, v, keys, values, bias)]
    return (which, *given), (*sizes, *keys.shape[1:], scale, *(address(x) for x in given))


def _run(
    q: Tensor, own: Tensor, v: Tensor, which: Tensor, keys: Tensor, values: Tensor, scale: float, bias: Tensor | None
) -> Tensor:
    held, inputs = _inputs(q, own, v, which, keys, values, scale, bias)
    y = _shape(q, own, v, which)
    kernel("attention_read_forward", q)(*inputs, address(y))
    del held
    return y


def _shape(q: Tensor, own: Tensor, v: Tensor, which: Tensor, *_: Any) -> Tensor:
    return q.new_empty(*which.shape, q.shape[1])


def _run_backward(
    q: Tensor,
    own: Tensor,
    v: Tensor,
    which: Tensor,
    keys: Tensor,
    values: Tensor,
    grad_y: Tensor,
    scale: float,
    bias: Tensor | None,
) -> tuple[Tensor, ...]:
    held, inputs = _inputs(q, own, v, which, keys, values, scale, bias)
    grads, grad_y = _backward_shapes(q, own, v, which, keys, values), grad_y.contiguous()
    kernel("attention_read_backward", q)(*inputs, address(grad_y), *(address(x) for x in grads))
    del held
    return grads


def _backward_shapes(
    q: Tensor, own: Tensor, v: Tensor, which: Tensor, keys: Tensor, values: Tensor, *_: Any
) -> tuple[Tensor, ...]:
    return tuple(q.new_empty(x.shape) for x in (q, own, v, keys, values))


_TENSORS = "Tensor q, Tensor own, Tensor v, Tensor which, Tensor keys, Tensor values"

_backward = operator(
    "attention_read_backward",
    f"({_TENSORS}, Tensor grad_y, float scale, Tensor? bias) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.scale, bias = inputs
    ctx.save_for_backward(*tensors, bias)


def _gradient(ctx: Any, grad_y: Tensor) -> tuple:
    *tensors, bias = ctx.saved_tensors
    q, own, v, keys, values = _backward(*tensors, grad_y, ctx.scale, bias)
    return q, own, v, None, keys, values, None, None


_forward = operator(
    "attention_read", f"({_TENSORS}, float scale, Tensor? bias) -> Tensor", _run, _shape, (_setup, _gradient)
)
