"""Alternative next tokens of shared states: few distinct rows, asked of many contexts.

A query is given by the row of a small table that belongs to its token, `which[b, i]` for query i of context b. What
does not depend on the context is computed once for each row of the table.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision
from separatrix.ops.registration import address, check, kernel, operator


@in_full_precision
def spread(
    rows: Float[Tensor, "R D"], which: Int[Tensor, "B Q"], added: Float[Tensor, "B Q D"] | None = None
) -> Float[Tensor, "B Q D"]:
    """rows[which] + added, in one pass; nothing is added when None.

    Raises InputError for shapes, types or devices that do not go together, IndexError for rows that are not there.
    """
    check_which("spread", rows, which, added=(added, (*which.shape, rows.shape[-1])))
    if not takes(rows):
        return spread_reference(rows, which, added)
    return _spread(rows, which, added)


def spread_reference(rows: Tensor, which: Tensor, added: Tensor | None) -> Tensor:
    """The same in plain PyTorch."""
    y = F.embedding(which, rows)
    return y if added is None else y + added


@in_full_precision
def activate(
    rows: Float[Tensor, "R D"], which: Int[Tensor, "B Q"], past: Float[Tensor, "B D"]
) -> Float[Tensor, "B Q D"]:
    """silu(past[b] + rows[which[b, i]]): a short convolution's output, its past inputs' share and the token's added up.

    Raises InputError for shapes, types or devices that do not go together, IndexError for rows that are not there.
    """
    check_which("activate", rows, which, past=(past, (which.shape[0], rows.shape[-1])))
    return (_activate if takes(rows) else activate_reference)(rows, which, past)


def activate_reference(rows: Tensor, which: Tensor, past: Tensor) -> Tensor:
    """The same in plain PyTorch."""
    return F.silu(F.embedding(which, rows) + past[:, None])


def check_which(op: str, rows: Tensor, which: Tensor, /, **arguments: tuple[Tensor | None, tuple[int, ...]]) -> None:
    """InputError unless rows are (R, D), `which` is Int[B, Q] on the same device, and the other arguments fit."""
    if rows.ndim != 2 or which.ndim != 2:
        raise InputError(
            f"{op}: rows must be (R, D) and which (B, Q), got {tuple(rows.shape)} and {tuple(which.shape)}"
        )
    if which.is_floating_point() or which.device != rows.device:
        raise InputError(f"{op}: which must hold integers on {rows.device}, got {which.dtype} on {which.device}")
    check(op, rows, **arguments)


def asked(rows: Tensor, which: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """`which` as the kernels take it (kept alive by the caller), and their first arguments."""
    which = which.long().contiguous()
    return which, (*which.shape, rows.shape[0], address(which))


def _run_spread(rows: Tensor, which: Tensor, added: Tensor | None) -> Tensor:
    rows, (which, sizes) = rows.contiguous(), asked(rows, which)
    added = None if added is None else added.contiguous()
    y = rows.new_empty(*which.shape, rows.shape[1])
    kernel("spread_forward", rows)(*sizes, rows.shape[1], *(address(t) for t in (rows, added, y)))
    return y


def _run_spread_backward(rows: Tensor, which: Tensor, grad_y: Tensor) -> Tensor:
    (which, sizes), grad_y = asked(rows, which), grad_y.contiguous()
    grad = rows.new_empty(rows.shape)
    kernel("spread_backward", rows)(*sizes, rows.shape[1], address(grad_y), address(grad))
    return grad


_spread_backward = operator(
    "spread_backward",
    "(Tensor rows, Tensor which, Tensor grad_y) -> Tensor",
    _run_spread_backward,
    lambda rows, which, grad_y: rows.new_empty(rows.shape),
)


def _setup_spread(ctx: Any, inputs: tuple, output: Tensor) -> None:
    rows, which, added = inputs
    ctx.save_for_backward(rows, which)
    ctx.adds = added is not None


def _spread_gradient(ctx: Any, grad_y: Tensor) -> tuple:
    return _spread_backward(*ctx.saved_tensors, grad_y), None, grad_y if ctx.adds else None


_spread = operator(
    "spread",
    "(Tensor rows, Tensor which, Tensor? added) -> Tensor",
    _run_spread,
    lambda rows, which, added: rows.new_empty(*which.shape, rows.shape[1]),
    (_setup_spread, _spread_gradient),
)


def _run_activate(rows: Tensor, which: Tensor, past: Tensor) -> Tensor:
    rows, (which, sizes), past = rows.contiguous(), asked(rows, which), past.contiguous()
    y = rows.new_empty(*which.shape, rows.shape[1])
    kernel("activate_forward", rows)(*sizes, rows.shape[1], *(address(t) for t in (past, rows, y)))
    return y


def _run_activate_backward(rows: Tensor, which: Tensor, past: Tensor, grad_y: Tensor) -> tuple[Tensor, Tensor]:
    rows, (which, sizes), past, grad_y = rows.contiguous(), asked(rows, which), past.contiguous(), grad_y.contiguous()
    grads = rows.new_empty(rows.shape), past.new_empty(past.shape)
    addresses = (address(t) for t in (past, rows, grad_y, grads[1], grads[0]))
    kernel("activate_backward", rows)(*sizes, rows.shape[1], *addresses)
    return grads


_activate_backward = operator(
    "activate_backward",
    "(Tensor rows, Tensor which, Tensor past, Tensor grad_y) -> (Tensor, Tensor)",
    _run_activate_backward,
    lambda rows, which, past, grad_y: (rows.new_empty(rows.shape), past.new_empty(past.shape)),
)


def _setup_activate(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _activate_gradient(ctx: Any, grad_y: Tensor) -> tuple:
    rows, past = _activate_backward(*ctx.saved_tensors, grad_y)
    return rows, None, past


_activate = operator(
    "activate",
    "(Tensor rows, Tensor which, Tensor past) -> Tensor",
    _run_activate,
    lambda rows, which, past: rows.new_empty(*which.shape, rows.shape[1]),
    (_setup_activate, _activate_gradient),
)
