"""Every kernel with random arguments, and how its results are compared."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from separatrix import ops
from separatrix.ops.alternatives import activate, spread
from separatrix.ops.attention_read import attention_read
from separatrix.ops.cell_queries import cell_queries
from separatrix.ops.cross_entropy import cross_entropy
from separatrix.ops.delta_rule import delta_rule, delta_state
from separatrix.ops.gated_norm import gated_norm, rms_norm
from separatrix.ops.linear_attention import decayed_attention, decayed_state, gated_attention, gated_state
from separatrix.ops.memory_read import Layout, memory_read
from separatrix.ops.mlp import mlp
from separatrix.ops.selective_read import selective_read
from separatrix.ops.selective_scan import selective_state
from separatrix.ops.swiglu import swiglu


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
        case name if name in READS:
            return read_case(name, shape, dtype)
        case _:
            weights = [draw(channels, states, dtype=dtype), draw(channels, dtype=dtype)]
            window = draw(batch, states - 1, channels, dtype=dtype)
            return ops.causal_convolution, [draw(batch, length, channels, dtype=dtype), *weights, window, op == "silu"]


def read_case(op: str, shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Callable, list]:
    """An op that asks many queries of shared states; tokens are queries, and a few rows serve them all."""
    batch, queries, channels, states = shape
    rows, heads = 7, 2
    which = torch.randint(rows, (batch, queries))
    tokens, gates = (batch, queries), (rows, heads)
    match op:
        case "spread":
            return spread, [draw(rows, channels, dtype=dtype), which, draw(*tokens, channels, dtype=dtype)]
        case "activate":
            return activate, [draw(rows, channels, dtype=dtype), which, draw(batch, channels, dtype=dtype)]
        case "gate after" | "gate before":
            x, gate = draw(*tokens, heads, channels, dtype=dtype), draw(rows, heads * channels, dtype=dtype)
            return gated_norm, [x, which, draw(channels, dtype=dtype), gate, op == "gate before", 1e-5]
        case "rms norm":
            return rms_norm, [draw(*tokens, channels, dtype=dtype), draw(channels, dtype=dtype), 1e-5]
        case "swiglu":
            return swiglu, [draw(*tokens, 2 * channels, dtype=dtype)]
        case "mlp relu" | "mlp gelu" | "mlp swiglu":
            activation = op.removeprefix("mlp ")
            entering = states * (2 if activation == "swiglu" else 1)
            weights = [draw(entering, channels, dtype=dtype), draw(entering, dtype=dtype)]
            weights += [draw(channels, states, dtype=dtype), draw(channels, dtype=dtype)]
            return mlp, [draw(*tokens, channels, dtype=dtype), *weights, activation]
        case "cross entropy":
            return cross_entropy, [draw(*tokens, channels, dtype=dtype), torch.randint(channels, tokens)]
        case "selective read":
            rate = (-3 * torch.rand(channels, states, dtype=dtype)).requires_grad_()
            arguments = [draw(*tokens, channels, dtype=dtype), draw(*tokens, channels, dtype=dtype), rate]
            arguments += [draw(*tokens, states, dtype=dtype) for _ in range(2)]
            arguments += [draw(channels, dtype=dtype), draw(rows, channels, dtype=dtype), which]
            return selective_read, [
                *arguments,
                draw(channels, dtype=dtype),
                draw(batch, channels, states, dtype=dtype),
                True,
            ]
        case "attention read" | "biased read":
            bias = None if op == "attention read" else -torch.rand(heads, states, dtype=dtype)
            asking = [draw(rows, heads * channels, dtype=dtype), draw(*gates, dtype=dtype)]
            past = [draw(batch, heads, states, channels, dtype=dtype) for _ in range(2)]
            return attention_read, [*asking, draw(rows, heads * channels, dtype=dtype), which, *past, 0.3, bias]
        case "elman_tanh read" | "elman_relu read" | "gru read" | "lstm read":
            kind = op.removesuffix(" read")
            count = {"gru": 3, "lstm": 4}.get(kind, 1) * channels
            weight = (torch.randn(count, channels, dtype=dtype) * channels**-0.5).requires_grad_()
            cell = draw(batch, channels, dtype=dtype) if kind == "lstm" else None
            bias = draw(channels, dtype=dtype) if kind == "gru" else None
            return cell_queries, [
                kind,
                draw(rows, count, dtype=dtype),
                which,
                weight,
                draw(batch, channels, dtype=dtype),
                cell,
                bias,
            ]
        case _:  # matrix memories: as Mamba-2, DeltaNet, Gated DeltaNet and gated linear attention ask
            groups = 1 if op == "shared read" else heads
            keys, values, keyed = groups * states, heads * channels, op != "plain read"
            layout = Layout(groups, 0, keys, 2 * keys, keyed, "delta" in op, 0.5 if "delta" in op else 0.0)
            past = draw(batch, 2 * keys + values, dtype=dtype) if keyed else None
            decay = (
                torch.rand(*gates, dtype=dtype).requires_grad_() if op in ("shared read", "gated delta read") else None
            )
            strength = torch.rand(*gates, dtype=dtype).requires_grad_() if keyed else None
            skip = draw(heads, dtype=dtype) if op == "shared read" else None
            state = draw(batch, heads, states, channels, dtype=dtype)
            return memory_read, [
                draw(rows, 2 * keys + values, dtype=dtype), which, state, layout, past, decay, strength, skip
            ]  # fmt: skip


def slstm(gates: Tensor, recurrent: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
    y, after = ops.slstm_scan(gates, recurrent, memory)
    return y, *after


def state_case(op: str, shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Callable, list]:
    """The op that gives the last state alone of one that also gives outputs, and random arguments for it."""
    _, arguments = case(op, shape, dtype)
    if op == "selective_scan":
        return selective_state, [*arguments[:4], *arguments[7:]]  # all but c, d and z
    function = delta_state if "delta" in op else gated_state if op == "gated" else decayed_state
    return function, arguments[1:]  # all but q


OPS = ["selective_scan", "slstm_scan", "elman_tanh", "elman_relu", "gru", "lstm", "fixed", "fixed complex", "varying"]
OPS += ["varying complex", "diagonal_scan", "convolution", "silu"]
CHUNKED = ["decayed", "shared", "gated", "delta", "gated delta"]
OPS += CHUNKED
STATES = [*CHUNKED, "selective_scan"]
READS = ["spread", "activate", "gate after", "gate before", "rms norm", "swiglu", "cross entropy", "selective read"]
READS += ["attention read", "biased read", "elman_tanh read", "elman_relu read", "gru read", "lstm read"]
READS += ["mlp relu", "mlp gelu", "mlp swiglu", "shared read", "delta read", "gated delta read", "plain read"]


def evaluate(function: Callable, arguments: list) -> list[Tensor]:
    """Outputs and the gradients of a fixed function of them."""
    outputs = function(*arguments)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    real = [torch.view_as_real(y) if y.is_complex() else y for y in outputs]
    loss = sum((y * torch.linspace(0.5, 1, y.numel(), dtype=y.dtype).view_as(y)).sum() for y in real)
    inputs = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]
    return [
        *(y.detach() for y in outputs),
        *torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True),
    ]


def distance(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The largest difference, each tensor's measured against its own size (or 1, when it is smaller)."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if b.numel()]
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))
    return max((float((a - b).abs().max() / b.abs().max().clamp_min(1)) for a, b in pairs), default=0.0)
