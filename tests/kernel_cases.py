"""Every kernel with random arguments, and how its results are compared."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from separatrix import ops
from separatrix.ops.delta_rule import delta_rule
from separatrix.ops.linear_attention import decayed_attention, gated_attention


def draw(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, dtype=dtype).requires_grad_()


def case(op: str, shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Callable, list]:
    """An op and random arguments for it."""
    batch, length, channels, states = shape
    number = dtype.to_complex()
    match op:
        case "selective_scan":
            tokens, small = (batch, length, channels), (batch, length, states)
            rate = (-3 * torch.rand(channels, states, dtype=dtype)).requires_grad_()
            arguments = [draw(*tokens, dtype=dtype), draw(*tokens, dtype=dtype), rate]
            arguments += [draw(*small, dtype=dtype), draw(*small, dtype=dtype), draw(channels, dtype=dtype)]
            arguments += [draw(*tokens, dtype=dtype), draw(channels, dtype=dtype)]
            arguments += [draw(batch, channels, states, dtype=dtype), True]
            return ops.selective_scan, arguments
        case "elman_tanh" | "elman_relu" | "gru" | "lstm":
            gates = {"gru": 3, "lstm": 4}.get(op, 1)
            weight = (torch.randn(gates * channels, channels, dtype=dtype) * channels**-0.5).requires_grad_()
            cell = draw(batch, channels, dtype=dtype) if op == "lstm" else None
            bias = draw(channels, dtype=dtype) if op == "gru" else None
            entering, added = draw(gates * channels, states, dtype=dtype), draw(gates * channels, dtype=dtype)
            x, h = draw(batch, length, states, dtype=dtype), draw(batch, channels, dtype=dtype)
            return ops.cell_scan, [op, x, entering, weight, added, h, cell, bias]
        case "fixed" | "fixed complex" | "varying" | "varying complex":
            kind = number if op.endswith("complex") else dtype
            size = (channels,) if op.startswith("fixed") else (batch, length, channels)
            rate = (torch.randn(*size, dtype=kind) * 0.5).requires_grad_()
            inputs = [draw(batch, length, channels, dtype=kind), draw(batch, channels, dtype=kind)]
            return ops.linear_recurrence, [rate, *inputs]
        case "diagonal_scan":
            rate = (torch.randn(channels, states, dtype=number) * 0.5).requires_grad_()
            arguments = [draw(batch, length, channels, dtype=dtype), rate, draw(channels, states, dtype=number)]
            return ops.diagonal_scan, [*arguments, draw(batch, channels, states, dtype=number)]
        case "slstm_scan":
            width = 2 * channels  # two heads
            weight = (torch.randn(2, channels, 4 * channels, dtype=dtype) * channels**-0.5).requires_grad_()
            h, c, m = (draw(batch, width, dtype=dtype) for _ in range(3))
            total = torch.rand(batch, width, dtype=dtype).requires_grad_()
            return slstm, [draw(batch, length, 4 * width, dtype=dtype), weight, h, c, total, m]
        case "decayed" | "shared" | "gated" | "delta" | "gated delta":
            heads = 2
            groups = 1 if op == "shared" else heads
            tokens = (batch, length, heads)
            q, v = draw(batch, length, groups, states, dtype=dtype), draw(*tokens, channels, dtype=dtype)
            k = torch.nn.functional.normalize(torch.randn(batch, length, groups, states, dtype=dtype), dim=-1)
            size = (*tokens, states) if op == "gated" else tokens
            decay = None if op == "delta" else (-torch.rand(*size, dtype=dtype)).requires_grad_()
            strength = [torch.rand(*tokens, dtype=dtype).requires_grad_()] if "delta" in op else []
            function = delta_rule if "delta" in op else gated_attention if op == "gated" else decayed_attention
            state = draw(batch, heads, states, channels, dtype=dtype)
            return function, [q, k.requires_grad_(), v, *strength, decay, state, 16]
        case _:
            weights = [draw(channels, states, dtype=dtype), draw(channels, dtype=dtype)]
            window = draw(batch, states - 1, channels, dtype=dtype)
            return ops.causal_convolution, [draw(batch, length, channels, dtype=dtype), *weights, window, op == "silu"]


def slstm(gates: Tensor, recurrent: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
    y, after = ops.slstm_scan(gates, recurrent, memory)
    return y, *after


OPS = ["selective_scan", "slstm_scan", "elman_tanh", "elman_relu", "gru", "lstm", "fixed", "fixed complex", "varying"]
OPS += ["varying complex", "diagonal_scan", "convolution", "silu"]
CHUNKED = ["decayed", "shared", "gated", "delta", "gated delta"]
OPS += CHUNKED


def evaluate(function: Callable, arguments: list) -> list[Tensor]:
    """Outputs and the gradients of a fixed function of them."""
    outputs = function(*arguments)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    real = [torch.view_as_real(y) if y.is_complex() else y for y in outputs]
    loss = sum((y * torch.linspace(0.5, 1, y.numel(), dtype=y.dtype).view_as(y)).sum() for y in real)
    inputs = [x for x in arguments if isinstance(x, Tensor)]
    return [
        *(y.detach() for y in outputs),
        *torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True),
    ]


def distance(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The largest difference, each tensor's measured against its own size (or 1, when it is smaller)."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if b.numel()]
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))
    return max((float((a - b).abs().max() / b.abs().max().clamp_min(1)) for a, b in pairs), default=0.0)
