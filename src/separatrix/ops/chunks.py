"""The native kernel of the chunked forms: linear attention with decay, with or without the delta rule."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from separatrix.ops.registration import address, check, kernel, operator, recording, rows, token_rows


def check_heads(
    op: str,
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    state: Tensor | None,
    **gates: tuple[Tensor | None, tuple[int, ...]],
) -> None:
    """InputError unless queries and keys (B, N, G, K), values (B, N, H, V), a state (B, H, K, V) and gates fit."""
    batch, length, heads, width = v.shape
    groups, keys = k.shape[2:]
    size, held = (batch, length, groups, keys), (batch, heads, keys, width)
    check(op, v, q=(q, size), k=(k, size), state=(state, held), **gates)


def chunked(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor | None,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """Outputs and last state; without queries there are no outputs, an empty tensor stands for them.

    q, k:  Float[B, N, G, K], G dividing H; v: Float[B, N, H, V]; state: Float[B, H, K, V], zeros when None
    decay: logarithms, Float[B, N, H] or, without `beta`, Float[B, N, H, K]; nothing decays when None
    beta:  Float[B, N, H], strengths of the delta rule; plain linear attention when None
    """
    if state is None:
        state = v.new_zeros(v.shape[0], v.shape[2], k.shape[3], v.shape[3])
    y, after, _ = _forward(q, k, v, decay, beta, state, chunk, recording(q, k, v, decay, beta, state))
    return y, after


def _inputs(q: Tensor | None, k: Tensor, v: Tensor, decay: Tensor | None, beta: Tensor | None, chunk: int) -> tuple:
    """The tensors as the kernel takes them (kept alive by the caller), and its arguments."""
    # (B, N, G * K), (B, N, G * K), (B, N, H * V)
    q = None if q is None else token_rows(q.flatten(2))
    k, v = token_rows(k.flatten(2)), token_rows(v.flatten(2))
    decay, beta = (None if x is None else x.contiguous() for x in (decay, beta))
    kind = 0 if decay is None else decay.ndim - 2  # 1: (B, N, H), 2: (B, N, H, K)
    numbers = (number for x in (q, k, v) for number in rows(x))
    return (q, k, v, decay, beta), (chunk, kind, beta is not None, *numbers, address(decay), address(beta))


def _sizes(k: Tensor, v: Tensor) -> tuple[int, ...]:
    return (*v.shape[:2], k.shape[2], v.shape[2], k.shape[3], v.shape[3])


def _shapes(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor,
    chunk: int,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    batch, heads, keys, values = state.shape
    between = (batch, heads, -(-v.shape[1] // chunk), keys, values)  # the states before the chunks
    return v.new_empty(0 if q is None else v.shape), v.new_empty(state.shape), v.new_empty(between if save else 0)


def _run(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    decay: Tensor | None,
    beta: Tensor | None,
    state: Tensor,
    chunk: int,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    chunk = max(1, min(chunk, v.shape[1]))
    y, after, saved = _shapes(q, k, v, decay, beta, state, chunk, save)
    held, arguments = _inputs(q, k, v, decay, beta, chunk)
    state = state.contiguous()
    kernel("attention_forward", v)(
        *_sizes(k, v), *arguments, address(state), address(y), address(after), address(saved) if save else 0
    )
    del held
    return y, after, saved


def _backward_shapes(
    q: Tensor | None, k: Tensor, v: Tensor, decay: Tensor | None, beta: Tensor | None, saved: Tensor, *rest: Any
) -> tuple[Tensor, ...]:
    inputs = [v.new_empty(0 if x is None else x.shape) for x in (q, k, v, decay, beta)]
    return (*inputs, v.new_empty(v.shape[0], v.shape[2], k.shape[3], v.shape[3]))


def _run_backward(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    decay: Tensor | None,
    beta: Tensor | None,
    saved: Tensor,
    grad_y: Tensor,
    grad_after: Tensor,
    chunk: int,
) -> tuple[Tensor, ...]:
    grads = _backward_shapes(q, k, v, decay, beta, saved)
    held, arguments = _inputs(q, k, v, decay, beta, max(1, min(chunk, v.shape[1])))
    grad_after, read = grad_after.contiguous(), None if q is None else token_rows(grad_y.flatten(2))
    kernel("attention_backward", v)(
        *_sizes(k, v),
        *arguments,
        address(saved),
        *rows(read),
        address(grad_after),
        *(address(grad) if grad.numel() else 0 for grad in grads),
    )
    del held
    return grads


_backward = operator(
    "linear_attention_backward",
    "(Tensor? q, Tensor k, Tensor v, Tensor? decay, Tensor? beta, Tensor saved, Tensor grad_y, Tensor grad_after, "
    "int chunk) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_backward,
    _backward_shapes,
)


def _setup(ctx: Any, inputs: tuple, output: tuple) -> None:
    *tensors, _, ctx.chunk, _ = inputs
    ctx.save_for_backward(*tensors, output[2])
    ctx.mark_non_differentiable(output[2])


def _gradient(ctx: Any, grad_y: Tensor, grad_after: Tensor, _: Tensor) -> tuple:
    *tensors, saved = ctx.saved_tensors
    *grads, before = _backward(*tensors, saved, grad_y, grad_after, ctx.chunk)
    present = (None if x is None else grad for x, grad in zip(tensors, grads, strict=True))
    return (*present, before, None, None)


_forward = operator(
    "linear_attention",
    "(Tensor? q, Tensor k, Tensor v, Tensor? decay, Tensor? beta, Tensor state, int chunk, bool save) "
    "-> (Tensor, Tensor, Tensor)",
    _run,
    _shapes,
    (_setup, _gradient),
)
