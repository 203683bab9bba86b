"""One step of an Elman, GRU or LSTM layer, for many alternative tokens after one shared state."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.alternatives import asked, check_which
from separatrix.ops.cells import _CODES, _GATES, Kind
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, kernel, operator


@in_full_precision
def cell_queries(
    kind: Kind,
    rows: Tensor,
    which: Tensor,
    weight: Tensor,
    h: Tensor,
    c: Tensor | None = None,
    bias_new: Tensor | None = None,
) -> Tensor:
    """The hidden states `cell_step` would come to, Float[B, Q, H], for each of Q alternative tokens.

    rows, which: Float[R, G * H] and Int[B, Q]: the input's share of the gates (W_ih x + bias) of query i of example b
          is rows[which[b, i]]
    weight: Float[G * H, H]; h, c: Float[B, H]; bias_new: Float[H], as of `cell_scan`
    Raises InputError for shapes, types or devices that do not go together, IndexError for rows that are not there.
    """
    count, width = _GATES[kind], weight.shape[-1]
    check_which(
        kind,
        rows,
        which,
        rows=(rows, (rows.shape[0], count * width)),
        weight=(weight, (count * width, width)),
        h=(h, (which.shape[0], width)),
        c=(c, (which.shape[0], width)),
        bias_new=(bias_new, (width,)),
    )
    if (kind == "lstm") != (c is not None) or (kind == "gru") != (bias_new is not None):
        raise InputError(f"{kind}: an LSTM, and only an LSTM, takes c; a GRU, and only a GRU, takes bias_new")
    hidden = h @ weight.T  # (B, GH), once for all queries
    if bias_new is not None:
        hidden = hidden + torch.cat([bias_new.new_zeros(2 * width), bias_new])
    return (_forward if takes(rows) else reference)(kind, rows, which, hidden, h, c)


def reference(kind: Kind, rows: Tensor, which: Tensor, hidden: Tensor, h: Tensor, c: Tensor | None) -> Tensor:
    """The same in plain PyTorch, from the hidden state's share of the gates."""
    own, shared = F.embedding(which, rows), hidden[:, None]
    if c is not None:  # LSTM
        enter, forget, new, leave = (own + shared).chunk(4, dim=-1)
        now = torch.sigmoid(forget) * c[:, None] + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(now)
    if kind == "gru":
        reset_x, update_x, new_x = own.chunk(3, dim=-1)
        reset_h, update_h, new_h = shared.chunk(3, dim=-1)
        update, new = torch.sigmoid(update_x + update_h), torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return new + update * (h[:, None] - new)
    return (torch.tanh if kind == "elman_tanh" else torch.relu)(own + shared)


def _inputs(kind: str, rows: Tensor, which: Tensor, hidden: Tensor, h: Tensor, c: Tensor | None) -> tuple[tuple, tuple]:
    """The tensors as the kernel takes them (kept alive by the caller), and its arguments."""
    which, sizes = asked(rows, which)
    given = [None if x is None else x.contiguous() for x in (rows, hidden, h, c)]
    return (which, *given), (*sizes, h.shape[1], _CODES[kind], *(address(x) for x in given))


def _run(kind: str, rows: Tensor, which: Tensor, hidden: Tensor, h: Tensor, c: Tensor | None) -> Tensor:
    held, inputs = _inputs(kind, rows, which, hidden, h, c)
    y = _shape(kind, rows, which, hidden, h, c)
    kernel("cell_queries_forward", rows)(*inputs, address(y))
    del held
    return y


def _shape(kind: str, rows: Tensor, which: Tensor, hidden: Tensor, h: Tensor, c: Tensor | None) -> Tensor:
    return rows.new_empty(*which.shape, h.shape[1])


def _run_backward(
    kind: str, rows: Tensor, which: Tensor, hidden: Tensor, h: Tensor, c: Tensor | None, grad_y: Tensor
) -> tuple[Tensor, ...]:
    held, inputs = _inputs(kind, rows, which, hidden, h, c)
    grads, grad_y = _backward_shapes(kind, rows, which, hidden, h, c, grad_y), grad_y.contiguous()
    order = (address(x) if x.numel() else 0 for x in (grad_y, *grads))
    kernel("cell_queries_backward", rows)(*inputs, *order)
    del held
    return grads


def _backward_shapes(
    kind: str, rows: Tensor, which: Tensor, hidden: Tensor, h: Tensor, c: Tensor | None, grad_y: Tensor
) -> tuple[Tensor, ...]:
    return tuple(rows.new_empty(0 if x is None else x.shape) for x in (rows, hidden, h, c))


_TENSORS = "str kind, Tensor rows, Tensor which, Tensor hidden, Tensor h, Tensor? c"

_backward = operator(
    "cell_queries_backward",
    f"({_TENSORS}, Tensor grad_y) -> (Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.kind, *tensors = inputs
    ctx.save_for_backward(*tensors)


def _gradient(ctx: Any, grad_y: Tensor) -> tuple:
    rows, hidden, h, c = _backward(ctx.kind, *ctx.saved_tensors, grad_y)
    return None, rows, None, hidden, h, c if ctx.kind == "lstm" else None


_forward = operator("cell_queries", f"({_TENSORS}) -> Tensor", _run, _shape, (_setup, _gradient))
