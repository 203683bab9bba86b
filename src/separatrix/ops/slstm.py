"""The recurrence of sLSTM (Beck et al. 2024): scalar memories with exponential gates, mixed within each head."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator, recording, rows, token_rows

Memory: TypeAlias = tuple[Tensor, ...]
"""h, c, n and m, each (B, D)."""

_SAVED = 7
"""Numbers kept for each unit and token until the backward pass."""


@in_full_precision
def slstm_scan(gates: Tensor, recurrent: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
    """Outputs h after every token and the last memory; see `slstm_step`.

    gates: Float[B, N, 4 * D], the input's share of i, f, z and o; recurrent: Float[H, K, 4 * K] with H * K = D
    memory: h, c, n, m before the first token, Float[B, D] each
    Raises InputError for shapes, types or devices that do not go together.

    >>> memory = tuple(torch.zeros(1, 1) for _ in range(4))
    >>> gates = torch.zeros(1, 2, 4)  # i, f, z, o of two tokens
    >>> outputs, memory = sx.ops.slstm_scan(gates, torch.zeros(1, 1, 4), memory)
    >>> outputs.shape, len(memory)
    (torch.Size([1, 2, 1]), 4)
    """
    if gates.ndim != 3 or recurrent.ndim != 3:
        shapes = f"{tuple(gates.shape)} and {tuple(recurrent.shape)}"
        raise InputError(f"slstm_scan: gates must be (B, N, 4HK) and recurrent (H, K, 4K), got {shapes}")
    heads, size, _ = recurrent.shape
    batch, length, width = *gates.shape[:2], heads * size
    parts = {name: (part, (batch, width)) for name, part in zip("hcnm", memory, strict=True)}
    whole, blocks = (batch, length, 4 * width), (heads, size, 4 * size)
    check("slstm_scan", gates, gates=(gates, whole), recurrent=(recurrent, blocks), **parts)
    if not takes(gates):
        return reference(gates, recurrent, memory)
    y, *after, _ = _forward(gates, recurrent, *memory, recording(gates, recurrent, *memory))
    return y, tuple(after)


def reference(gates: Tensor, recurrent: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
    """The same, token by token in plain PyTorch."""
    outputs = []
    for t in range(gates.shape[1]):
        memory = slstm_step(gates[:, t], recurrent, memory)
        outputs.append(memory[0])
    return (torch.stack(outputs, dim=1) if outputs else gates[..., : memory[0].shape[1]]), memory


@in_full_precision
def slstm_step(gates: Float[Tensor, "B G"], recurrent: Float[Tensor, "H K J"], memory: Memory) -> Memory:
    """One token: m' = max(log f + m, i), c' = f' c + i' z, n' = f' n + i' and h' = o c' / n'.

    f' and i' are the gates relative to m': e^(log f + m - m') and e^(i - m').

    >>> memory = tuple(torch.zeros(1, 1) for _ in range(4))
    >>> h, c, n, m = sx.ops.slstm_step(torch.tensor([[0.0, 0.0, 1.0, 0.0]]), torch.zeros(1, 1, 4), memory)
    >>> (c / n).item(), h.item()  # tanh(1), and half of it: the output gate is half open
    (0.7615941762924194, 0.3807970881462097)
    """
    h, c, n, m = memory
    shares = torch.einsum("bhk,hkg->bhg", h.unflatten(-1, (recurrent.shape[0], -1)), recurrent)
    shares = shares.unflatten(-1, (4, -1)).transpose(1, 2).flatten(-2)  # (B, 4, D)
    enter, forget, value, leave = (gates.unflatten(-1, (4, -1)) + shares).unbind(1)
    keep = F.logsigmoid(forget) + m
    m = torch.maximum(keep, enter)
    keep, add = torch.exp(keep - m), torch.exp(enter - m)
    c, n = keep * c + add * torch.tanh(value), keep * n + add
    return torch.sigmoid(leave) * c / n, c, n, m


def _shapes(
    gates: Tensor, recurrent: Tensor, h: Tensor, c: Tensor, n: Tensor, m: Tensor, save: bool
) -> tuple[Tensor, ...]:
    batch, length, width = gates.shape[0], gates.shape[1], h.shape[1]
    saved = gates.new_empty((length, batch, _SAVED * width) if save else 0)
    return gates.new_empty(batch, length, width), *(h.new_empty(h.shape) for _ in range(4)), saved


def _sizes(gates: Tensor, recurrent: Tensor) -> tuple[int, ...]:
    return (*gates.shape[:2], recurrent.shape[0], recurrent.shape[1])


def _run(
    gates: Tensor, recurrent: Tensor, h: Tensor, c: Tensor, n: Tensor, m: Tensor, save: bool
) -> tuple[Tensor, ...]:
    gates = token_rows(gates)
    recurrent, *memory = (x.contiguous() for x in (recurrent, h, c, n, m))
    outputs = _shapes(gates, recurrent, h, c, n, m, save)
    inputs = (address(x) for x in (recurrent, *memory))
    results = (address(x) if x.numel() else 0 for x in outputs)
    kernel("slstm_forward", gates)(*_sizes(gates, recurrent), *rows(gates), *inputs, *results)
    return outputs


def _backward_shapes(gates: Tensor, recurrent: Tensor, c: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
    return gates.new_empty(gates.shape), *(c.new_empty(c.shape) for _ in range(4))


def _run_backward(
    gates: Tensor,
    recurrent: Tensor,
    c: Tensor,
    n: Tensor,
    saved: Tensor,
    grad_y: Tensor,
    grad_h: Tensor,
    grad_c: Tensor,
    grad_n: Tensor,
    grad_m: Tensor,
) -> tuple[Tensor, ...]:
    recurrent, c, n, grad_y = (x.contiguous() for x in (recurrent, c, n, grad_y))
    outputs = _backward_shapes(gates, recurrent, c)
    for after, before in zip((grad_h, grad_c, grad_n, grad_m), outputs[1:], strict=True):
        before.copy_(after)
    addresses = (address(x) for x in (recurrent, c, n, saved, grad_y, *outputs))
    kernel("slstm_backward", gates)(*_sizes(gates, recurrent), *addresses)
    return outputs


_backward = operator(
    "slstm_scan_backward",
    "(Tensor gates, Tensor recurrent, Tensor c, Tensor n, Tensor saved, Tensor grad_y, Tensor grad_h, Tensor grad_c, "
    "Tensor grad_n, Tensor grad_m) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: tuple) -> None:
    gates, recurrent, h, c, n, _, _ = inputs
    ctx.save_for_backward(gates, recurrent, h, c, n, output[0], output[5])
    ctx.mark_non_differentiable(output[5])


def _gradient(ctx: Any, grad_y: Tensor, *grads: Tensor) -> tuple:
    gates, recurrent, h, c, n, y, saved = ctx.saved_tensors
    grad_gates, *before = _backward(gates, recurrent, c, n, saved, grad_y, *grads[:4])
    heads = recurrent.shape[0]
    past = torch.cat([h[:, None], y], dim=1)[:, : y.shape[1]].unflatten(-1, (heads, -1))
    through = grad_gates.unflatten(-1, (4, heads, -1))
    grad_recurrent = torch.einsum("bnhk,bnghu->hkgu", past, through).flatten(-2)
    return grad_gates, grad_recurrent, *before, None


_forward = operator(
    "slstm_scan",
    "(Tensor gates, Tensor recurrent, Tensor h, Tensor c, Tensor n, Tensor m, bool save) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run,
    _shapes,
    (_setup, _gradient),
)
