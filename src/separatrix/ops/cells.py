"""Elman, GRU and LSTM recurrences, given the input's share of the gates."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.registration import address, check, kernel, operator, recording, rows, token_rows

Kind: TypeAlias = Literal["elman_tanh", "elman_relu", "gru", "lstm"]

_CODES = {"elman_tanh": 0, "elman_relu": 1, "gru": 2, "lstm": 3}
_GATES = {"elman_tanh": 1, "elman_relu": 1, "gru": 3, "lstm": 4}


def cell_scan(
    kind: Kind,
    gates: Tensor,
    weight: Tensor,
    h: Tensor,
    c: Tensor | None = None,
    bias_new: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states after every token, and the last hidden and cell state (an empty tensor where there is no cell).

    gates: Float[B, N, G * H], W_ih x + b_ih + b_hh in PyTorch's order (LSTM i, f, g, o; GRU r, z, n); for a GRU
           without b_hh of n, which is `bias_new` because the reset gate multiplies it
    weight: Float[G * H, H], W_hh
    h, c: Float[B, H]
    Raises InputError for shapes, types or devices that do not go together.
    """
    count = _GATES[kind]
    if gates.ndim != 3 or weight.ndim != 2 or weight.shape[1] < 1:
        shapes = f"{tuple(gates.shape)} and {tuple(weight.shape)}"
        raise InputError(f"{kind}: gates must be (B, N, {count}H) and weight ({count}H, H), got {shapes}")
    batch, length, width = *gates.shape[:2], weight.shape[1]
    check(
        kind,
        gates,
        gates=(gates, (batch, length, count * width)),
        weight=(weight, (count * width, width)),
        h=(h, (batch, width)),
        c=(c, (batch, width)),
        bias_new=(bias_new, (width,)),
    )
    if (kind == "lstm") != (c is not None) or (kind == "gru") != (bias_new is not None):
        raise InputError(f"{kind}: an LSTM, and only an LSTM, takes c; a GRU, and only a GRU, takes bias_new")
    if not takes(gates):
        return reference(kind, gates, weight, h, c, bias_new)
    save = recording(gates, weight, h, c, bias_new)
    return _forward(kind, gates, weight, h, c, bias_new, save)[:3]


def reference(
    kind: Kind, gates: Tensor, weight: Tensor, h: Tensor, c: Tensor | None = None, bias_new: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, token by token in plain PyTorch."""
    outputs = []
    for t in range(gates.shape[1]):
        h, c = cell_step(kind, gates[:, t], weight, h, c, bias_new)
        outputs.append(h)
    y = torch.stack(outputs, dim=1) if outputs else gates[..., : weight.shape[1]]
    return y, h, gates.new_zeros(0) if c is None else c


def cell_step(
    kind: Kind,
    gates: Float[Tensor, "B GH"],
    weight: Float[Tensor, "GH H"],
    h: Float[Tensor, "B H"],
    c: Float[Tensor, "B H"] | None = None,
    bias_new: Float[Tensor, " H"] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """One token: the new hidden and cell state."""
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
    kind: str, gates: Tensor, weight: Tensor, h: Tensor, c: Tensor | None, bias_new: Tensor | None, save: bool
) -> tuple[Tensor, ...]:
    batch, length, width = *gates.shape[:2], weight.shape[1]
    saved = gates.new_empty((batch, length, _saved_gates(kind) * width) if save else 0)
    cells = gates.new_empty((batch, length, width) if save and c is not None else 0)
    after = gates.new_empty(0) if c is None else gates.new_empty(c.shape)
    return gates.new_empty(batch, length, width), gates.new_empty(h.shape), after, saved, cells


def _run(
    kind: str, gates: Tensor, weight: Tensor, h: Tensor, c: Tensor | None, bias_new: Tensor | None, save: bool
) -> tuple[Tensor, ...]:
    gates, weight, h = token_rows(gates), weight.contiguous(), h.contiguous()
    c, bias_new = (None if x is None else x.contiguous() for x in (c, bias_new))
    outputs = _shapes(kind, gates, weight, h, c, bias_new, save)
    kernel("cell_forward", gates)(
        *outputs[0].shape,
        _CODES[kind],
        *rows(gates),
        *(address(x) for x in (weight, bias_new, h, c)),
        *(address(x) if x.numel() else 0 for x in outputs),
    )
    return outputs


def _backward_shapes(kind: str, weight: Tensor, h: Tensor, c: Tensor | None, y: Tensor, *_: Any) -> tuple[Tensor, ...]:
    gates = y.new_empty(*y.shape[:2], weight.shape[0])
    return (
        gates,
        y.new_empty(y.shape if kind == "gru" else 0),
        y.new_empty(h.shape),
        y.new_empty(0 if c is None else c.shape),
    )


def _run_backward(
    kind: str,
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
    weight, h, y = weight.contiguous(), h.contiguous(), y.contiguous()
    c = None if c is None else c.contiguous()
    grad_y, grad_h, grad_c = grad_y.contiguous(), grad_h.contiguous(), grad_c.contiguous()
    outputs = _backward_shapes(kind, weight, h, c, y)
    kernel("cell_backward", y)(
        *y.shape,
        _CODES[kind],
        *(address(x) for x in (weight, h, c, y, saved, cells, grad_y, grad_h, grad_c)),
        *(address(x) if x.numel() else 0 for x in outputs),
    )
    return outputs


_backward = operator(
    "cell_scan_backward",
    "(str kind, Tensor weight, Tensor h, Tensor? c, Tensor y, Tensor saved, Tensor cells, Tensor grad_y, "
    "Tensor grad_h, Tensor grad_c) -> (Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: tuple) -> None:
    ctx.kind, _, weight, h, c, bias_new, _ = inputs
    ctx.save_for_backward(weight, h, c, bias_new, output[0], *output[3:])
    ctx.mark_non_differentiable(*output[3:])


def _gradient(ctx: Any, grad_y: Tensor, grad_h: Tensor, grad_c: Tensor, *_: Tensor) -> tuple:
    weight, h, c, bias_new, y, saved, cells = ctx.saved_tensors
    gates, hidden_new, before, cell_before = _backward(ctx.kind, weight, h, c, y, saved, cells, grad_y, grad_h, grad_c)
    through = gates  # what meets W_hh: for a GRU's n, the gradient behind the reset gate
    if ctx.kind == "gru":
        through = torch.cat([gates[..., : 2 * h.shape[1]], hidden_new], dim=-1)
    past = torch.cat([h[:, None], y[:, :-1]], dim=1) if y.shape[1] else y
    grad_weight = through.flatten(0, 1).T @ past.flatten(0, 1) if ctx.needs_input_grad[2] else None
    grad_bias = None if bias_new is None else hidden_new.sum((0, 1))
    return None, gates, grad_weight, before, None if c is None else cell_before, grad_bias, None


_forward = operator(
    "cell_scan",
    "(str kind, Tensor gates, Tensor weight, Tensor h, Tensor? c, Tensor? bias_new, bool save) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run,
    _shapes,
    (_setup, _gradient),
)
