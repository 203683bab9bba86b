"""Elman, GRU and LSTM layers over a sequence."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator, recording, rows, token_rows

Kind: TypeAlias = Literal["elman_tanh", "elman_relu", "gru", "lstm"]

_CODES = {"elman_tanh": 0, "elman_relu": 1, "gru": 2, "lstm": 3}
_GATES = {"elman_tanh": 1, "elman_relu": 1, "gru": 3, "lstm": 4}


@in_full_precision
def cell_scan(
    kind: Kind,
    x: Tensor,
    weight_in: Tensor,
    weight: Tensor,
    bias: Tensor,
    h: Tensor,
    c: Tensor | None = None,
    bias_new: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states after every token, and the last hidden and cell state (an empty tensor where there is no cell).

    x: Float[B, N, I]
    weight_in, weight: Float[G * H, I] and Float[G * H, H], W_ih and W_hh in PyTorch's order (LSTM i, f, g, o;
          GRU r, z, n)
    bias: Float[G * H], b_ih + b_hh; for a GRU without b_hh of n, which is `bias_new` because the reset gate
          multiplies it
    h, c: Float[B, H]
    Raises InputError for shapes, types or devices that do not go together.

    >>> x, weight_in, weight = torch.ones(1, 3, 1), torch.ones(1, 1), torch.ones(1, 1)
    >>> outputs, last, _ = sx.ops.cell_scan("elman_relu", x, weight_in, weight, torch.zeros(1), torch.zeros(1, 1))
    >>> outputs.flatten().tolist(), last.item()  # a ReLU network that counts
    ([1.0, 2.0, 3.0], 3.0)
    """
    count = _GATES[kind]
    if x.ndim != 3 or weight.ndim != 2 or weight.shape[1] < 1:
        shapes = f"{tuple(x.shape)} and {tuple(weight.shape)}"
        raise InputError(f"{kind}: x must be (B, N, I) and weight ({count}H, H), got {shapes}")
    (batch, _, inputs), width = x.shape, weight.shape[1]
    check(
        kind,
        x,
        weight_in=(weight_in, (count * width, inputs)),
        weight=(weight, (count * width, width)),
        bias=(bias, (count * width,)),
        h=(h, (batch, width)),
        c=(c, (batch, width)),
        bias_new=(bias_new, (width,)),
    )
    if (kind == "lstm") != (c is not None) or (kind == "gru") != (bias_new is not None):
        raise InputError(f"{kind}: an LSTM, and only an LSTM, takes c; a GRU, and only a GRU, takes bias_new")
    if not takes(x):
        return reference(kind, x, weight_in, weight, bias, h, c, bias_new)
    save = recording(x, weight_in, weight, bias, h, c, bias_new)
    return _forward(kind, x, weight_in, weight, bias, h, c, bias_new, save)[:3]


def reference(
    kind: Kind,
    x: Tensor,
    weight_in: Tensor,
    weight: Tensor,
    bias: Tensor,
    h: Tensor,
    c: Tensor | None = None,
    bias_new: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, token by token in plain PyTorch."""
    outputs, gates = [], F.linear(x, weight_in, bias)
    for t in range(x.shape[1]):
        h, c = cell_step(kind, gates[:, t], weight, h, c, bias_new)
        outputs.append(h)
    y = torch.stack(outputs, dim=1) if outputs else x.new_zeros(*x.shape[:2], weight.shape[1])
    return y, h, x.new_zeros(0) if c is None else c


@in_full_precision
def cell_step(
    kind: Kind,
    gates: Float[Tensor, "B GH"],
    weight: Float[Tensor, "GH H"],
    h: Float[Tensor, "B H"],
    c: Float[Tensor, "B H"] | None = None,
    bias_new: Float[Tensor, " H"] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """One token: the new hidden and cell state. gates: W_ih x + bias.

    >>> h, _ = sx.ops.cell_step("elman_relu", torch.tensor([[1.0]]), torch.tensor([[1.0]]), torch.tensor([[2.0]]))
    >>> h.item()
    3.0
    """
    hidden = h @ weight.T
    if c is not None:  # LSTM
        enter, forget, new, leave = (gates + hidden).chunk(4, dim=-1)
        c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(c), c
    if bias_new is not None:  # GRU
        reset_x, update_x, new_x = gates.chunk(3, dim=-1)
        reset_h, update_h, new_h = hidden.chunk(3, dim=-1)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * (new_h + bias_new))
        return new + update * (h - new), None
    return (torch.tanh if kind == "elman_tanh" else torch.relu)(gates + hidden), None


def _saved_gates(kind: str) -> int:
    return 0 if kind.startswith("elman") else 4


def _shapes(
    kind: str,
    x: Tensor,
    weight_in: Tensor,
    weight: Tensor,
    bias: Tensor,
    h: Tensor,
    c: Tensor | None,
    bias_new: Tensor | None,
    save: bool,
) -> tuple[Tensor, ...]:
    batch, length, width = *x.shape[:2], weight.shape[1]
    saved = x.new_empty((length, batch, _saved_gates(kind) * width) if save else 0)  # as the kernel goes along them
    cells = x.new_empty((length, batch, width) if save and c is not None else 0)
    after = x.new_empty(0) if c is None else x.new_empty(c.shape)
    return x.new_empty(batch, length, width), x.new_empty(h.shape), after, saved, cells


def _sizes(kind: str, x: Tensor, weight: Tensor) -> tuple[int, ...]:
    return (*x.shape, weight.shape[1], _CODES[kind])


def _run(
    kind: str,
    x: Tensor,
    weight_in: Tensor,
    weight: Tensor,
    bias: Tensor,
    h: Tensor,
    c: Tensor | None,
    bias_new: Tensor | None,
    save: bool,
) -> tuple[Tensor, ...]:
    x = token_rows(x)
    weight_in, weight, bias, h = (t.contiguous() for t in (weight_in, weight, bias, h))
    c, bias_new = (None if t is None else t.contiguous() for t in (c, bias_new))
    outputs = _shapes(kind, x, weight_in, weight, bias, h, c, bias_new, save)
    kernel("cell_forward", x)(
        *_sizes(kind, x, weight),
        *rows(x),
        *(address(t) for t in (weight_in, weight, bias, bias_new, h, c)),
        *(address(t) if t.numel() else 0 for t in outputs),
    )
    return outputs


def _backward_shapes(
    kind: str, x: Tensor, weight_in: Tensor, weight: Tensor, h: Tensor, c: Tensor | None, *_: Any
) -> tuple[Tensor, ...]:
    bias_new = x.new_empty(weight.shape[1] if kind == "gru" else 0)
    before = x.new_empty(h.shape), x.new_empty(0 if c is None else c.shape)
    weights = weight_in.new_empty(weight_in.shape), weight.new_empty(weight.shape)
    return x.new_empty(x.shape), *weights, weight.new_empty(weight.shape[0]), bias_new, *before


def _run_backward(
    kind: str,
    x: Tensor,
    weight_in: Tensor,
    weight: Tensor,
    h: Tensor,
    c: Tensor | None,
    y: Tensor,
    saved: Tensor,
    cells: Tensor,
    grad_y: Tensor,
    grad_h: Tensor,
    grad_c: Tensor,
) -> tuple[Tensor, ...]:
    x = token_rows(x)
    weight_in, weight, h, y, grad_y = (t.contiguous() for t in (weight_in, weight, h, y, grad_y))
    c = None if c is None else c.contiguous()
    outputs = _backward_shapes(kind, x, weight_in, weight, h, c)
    outputs[-2].copy_(grad_h)
    if c is not None:
        outputs[-1].copy_(grad_c)
    kernel("cell_backward", x)(
        *_sizes(kind, x, weight),
        *rows(x),
        *(address(t) for t in (weight_in, weight, h, c, y, saved, cells, grad_y)),
        *(address(t) if t.numel() else 0 for t in outputs),
    )
    return outputs


_backward = operator(
    "cell_scan_backward",
    "(str kind, Tensor x, Tensor weight_in, Tensor weight, Tensor h, Tensor? c, Tensor y, Tensor saved, Tensor cells, "
    "Tensor grad_y, Tensor grad_h, Tensor grad_c) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: tuple) -> None:
    ctx.kind, x, weight_in, weight, _, h, c, _, _ = inputs
    ctx.save_for_backward(x, weight_in, weight, h, c, output[0], *output[3:])
    ctx.mark_non_differentiable(*output[3:])


def _gradient(ctx: Any, grad_y: Tensor, grad_h: Tensor, grad_c: Tensor, *_: Tensor) -> tuple:
    grads = _backward(ctx.kind, *ctx.saved_tensors, grad_y, grad_h, grad_c)
    x, weight_in, weight, bias, bias_new, before, cell_before = grads
    cell, new = ctx.kind == "lstm", ctx.kind == "gru"
    return None, x, weight_in, weight, bias, before, cell_before if cell else None, bias_new if new else None, None


_forward = operator(
    "cell_scan",
    "(str kind, Tensor x, Tensor weight_in, Tensor weight, Tensor bias, Tensor h, Tensor? c, Tensor? bias_new, "
    "bool save) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run,
    _shapes,
    (_setup, _gradient),
)
