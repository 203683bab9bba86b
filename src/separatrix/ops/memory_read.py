"""Matrix memories by one token, for many alternative tokens after one shared state, which is read and never copied.

After S' = decay S + strength k v^T an output is q^T S' = decay S^T q + (q . k) strength v; under the delta rule v is
replaced by v - decay S^T k. So a query needs S^T q, S^T k and one inner product, and no state of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.alternatives import asked, check_which
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, kernel, operator


@dataclass(frozen=True)
class Layout:
    """How rows hold queries, keys and values, and what is done with them.

    groups:  groups G of heads that share queries and keys
    q, k, v: the columns they begin at
    keyed:   the token's own share is (q . k) strength v; otherwise v alone, and there are no keys
    delta:   the delta rule
    scale:   queries and keys are divided by their lengths and queries multiplied by this; 0 for as they are
    """

    groups: int
    q: int
    k: int
    v: int
    keyed: bool = True
    delta: bool = False
    scale: float = 0.0


@in_full_precision
def memory_read(
    rows: Tensor,
    which: Tensor,
    state: Tensor,
    layout: Layout,
    past: Tensor | None = None,
    decay: Tensor | None = None,
    strength: Tensor | None = None,
    skip: Tensor | None = None,
) -> Tensor:
    """Outputs Float[B, Q, H, V] of each query, row which[b, i] of `rows`.

    rows:  Float[R, I], queries, keys and values by `layout`; with `past`, Float[B, I], they are silu(past + row)
    which: Int[B, Q]; state: Float[B, H, K, V]
    decay, strength: Float[R, H], 1 when None; skip: Float[H], added as skip v
    Raises InputError for shapes, types or devices that do not go together, IndexError for rows that are not there.
    """
    if state.ndim != 4:
        raise InputError(f"memory_read: state must be (B, H, K, V), got {tuple(state.shape)}")
    _, heads, keys, values = state.shape
    gates = (rows.shape[0], heads)
    check_which(
        "memory_read",
        rows,
        which,
        state=(state, (which.shape[0], heads, keys, values)),
        past=(past, (which.shape[0], rows.shape[-1])),
        decay=(decay, gates),
        strength=(strength, gates),
        skip=(skip, (heads,)),
    )
    _check_layout(layout, rows.shape[1], heads, keys, values)
    if not takes(rows):
        return reference(rows, which, state, layout, past, decay, strength, skip)
    columns = (layout.groups, layout.q, layout.k, layout.v)
    return _forward(rows, which, state, past, decay, strength, skip, *columns, layout.keyed, layout.delta, layout.scale)


def _check_layout(layout: Layout, width: int, heads: int, keys: int, values: int) -> None:
    ends = [layout.q + layout.groups * keys, layout.v + heads * values]
    ends += [layout.k + layout.groups * keys] if layout.keyed else []
    if heads % layout.groups or max(ends) > width or min(layout.q, layout.k, layout.v) < 0:
        raise InputError(f"memory_read: rows of {width} numbers cannot hold {layout} for {heads} heads")
    if layout.delta and not layout.keyed:
        raise InputError("memory_read: the delta rule needs keys")


def reference(
    rows: Tensor,
    which: Tensor,
    state: Tensor,
    layout: Layout,
    past: Tensor | None,
    decay: Tensor | None,
    strength: Tensor | None,
    skip: Tensor | None,
) -> Tensor:
    """The same in plain PyTorch."""
    _, heads, keys, values = state.shape
    mixed = F.embedding(which, rows)  # (B, Q, I)
    mixed = mixed if past is None else F.silu(mixed + past[:, None])

    def part(start: int, count: int, width: int) -> Tensor:
        x = mixed[..., start : start + count * width].unflatten(-1, (count, width))
        return x.repeat_interleave(heads // count, dim=2)  # (B, Q, H, width)

    q, v = part(layout.q, layout.groups, keys), part(layout.v, heads, values)
    k = part(layout.k, layout.groups, keys) if layout.keyed else None
    if layout.scale and k is not None:
        q, k = F.normalize(q, dim=-1, eps=1e-6) * layout.scale, F.normalize(k, dim=-1, eps=1e-6)
    kept, strong = (None if gate is None else F.embedding(which, gate)[..., None] for gate in (decay, strength))

    def look_up(by: Tensor) -> Tensor:
        found = torch.einsum("bqhk,bhkv->bqhv", by, state)
        return found if kept is None else kept * found

    y, own = look_up(q), v
    if k is not None:
        own = own - look_up(k) if layout.delta else own
        own = (q * k).sum(-1, keepdim=True) * (own if strong is None else strong * own)
    return y + own if skip is None else y + own + skip[:, None] * v


def _inputs(
    rows: Tensor,
    which: Tensor,
    state: Tensor,
    past: Tensor | None,
    decay: Tensor | None,
    strength: Tensor | None,
    skip: Tensor | None,
    layout: tuple,
) -> tuple[tuple, tuple]:
    """The tensors as the kernel takes them (kept alive by the caller), and its arguments."""
    groups, q, k, v, *rest = layout
    which, sizes = asked(rows, which)
    given = [None if x is None else x.contiguous() for x in (rows, past, state, decay, strength, skip)]
    shape = (groups, *state.shape[1:], q, k, v, rows.shape[1], *rest)
    return (which, *given), (*sizes, *shape, *(address(x) for x in given))


def _run(
    rows: Tensor,
    which: Tensor,
    state: Tensor,
    past: Tensor | None,
    decay: Tensor | None,
    strength: Tensor | None,
    skip: Tensor | None,
    *layout: Any,
) -> Tensor:
    held, inputs = _inputs(rows, which, state, past, decay, strength, skip, layout)
    y = _shape(rows, which, state)
    kernel("memory_read_forward", rows)(*inputs, address(y))
    del held
    return y


def _shape(rows: Tensor, which: Tensor, state: Tensor, *_: Any) -> Tensor:
    return rows.new_empty(*which.shape, state.shape[1], state.shape[3])


def _run_backward(
    rows: Tensor,
    which: Tensor,
    state: Tensor,
    past: Tensor | None,
    decay: Tensor | None,
    strength: Tensor | None,
    skip: Tensor | None,
    grad_y: Tensor,
    *layout: Any,
) -> tuple[Tensor, ...]:
    held, inputs = _inputs(rows, which, state, past, decay, strength, skip, layout)
    grads = _backward_shapes(rows, which, state, past, decay, strength, skip)
    grad_rows, grad_state, grad_past, *gates = grads
    grad_y = grad_y.contiguous()
    order = (grad_y, grad_rows, grad_past, grad_state, *gates)
    kernel("memory_read_backward", rows)(*inputs, *(address(x) if x.numel() else 0 for x in order))
    del held
    return grads


def _backward_shapes(rows: Tensor, which: Tensor, state: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    return tuple(rows.new_empty(0 if x is None else x.shape) for x in (rows, state, *rest[:4]))


_TENSORS = "Tensor rows, Tensor which, Tensor state, Tensor? past, Tensor? decay, Tensor? strength, Tensor? skip"
_LAYOUT = "int groups, int q, int k, int v, bool keyed, bool delta, float scale"

_backward = operator(
    "memory_read_backward",
    f"({_TENSORS}, Tensor grad_y, {_LAYOUT}) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, _, _, _, _, _, _, _ = inputs
    ctx.layout = inputs[7:]
    ctx.save_for_backward(*tensors)


def _gradient(ctx: Any, grad_y: Tensor) -> tuple:
    rows, which, state, *optional = ctx.saved_tensors
    grad_rows, grad_state, *rest = _backward(rows, which, state, *optional, grad_y, *ctx.layout)
    present = (None if x is None else grad for x, grad in zip(optional, rest, strict=True))
    return (grad_rows, None, grad_state, *present, *(None for _ in ctx.layout))


_forward = operator("memory_read", f"({_TENSORS}, {_LAYOUT}) -> Tensor", _run, _shape, (_setup, _gradient))
