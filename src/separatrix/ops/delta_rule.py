"""The delta rule in chunks: the parallel form of DeltaNet and Gated DeltaNet (Yang et al. 2024, 2025).

S_t = alpha_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T is S_t = alpha_t S_{t-1} + k_t u_t^T with
u_t = beta_t (v_t - alpha_t S_{t-1}^T k_t): linear attention with corrected values. Inside a chunk the u_t solve one
unit lower triangular system.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.chunks import check_heads, chunked
from separatrix.ops.fla import fast
from separatrix.ops.linear_attention import between, in_chunks, out_of_chunks
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision

CHUNK = 32
"""Tokens in a chunk, where the caller names no other."""


def delta_rule(
    q: Float[Tensor, "B N H K"],
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    beta: Float[Tensor, "B N H"],
    log_decay: Float[Tensor, "B N H"] | None = None,
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = CHUNK,
) -> tuple[Float[Tensor, "B N H V"], Float[Tensor, "B H K V"]]:
    """Outputs y_t = q_t^T S_t and last state; `log_decay` is log alpha, no decay when None."""
    if (run := fast(*names(log_decay), k, v)) is not None:
        return run(q, k, v, g=log_decay, beta=beta, state=state)
    return _delta_chunks(q, k, v, beta, log_decay, state, chunk)


def delta_state(
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    beta: Float[Tensor, "B N H"],
    log_decay: Float[Tensor, "B N H"] | None = None,
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = CHUNK,
) -> Float[Tensor, "B H K V"]:
    """The last state of `delta_rule`, without its outputs."""
    if fast(*names(log_decay), k, v) is not None:
        return delta_rule(k, k, v, beta, log_decay, state, chunk)[1]
    return _delta_chunks(None, k, v, beta, log_decay, state, chunk)[1]


def names(log_decay: Tensor | None) -> tuple[str, str]:
    """Module and function of flash-linear-attention."""
    kind = "delta_rule" if log_decay is None else "gated_delta_rule"
    return kind, f"chunk_{kind}"


@in_full_precision
def _delta_chunks(
    q: Tensor | None, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor | None, state: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor]:
    batch, length, heads, width = v.shape
    tokens = (batch, length, heads)
    check_heads("delta_rule", q, k, v, state, beta=(beta, tokens), log_decay=(log_decay, tokens))
    if takes(v):
        return chunked(q, k, v, log_decay, beta, state, chunk)
    state = v.new_zeros(batch, heads, k.shape[-1], width) if state is None else state
    if not length:
        return torch.zeros_like(v), state
    chunk = min(chunk, length)
    k, v, beta = (in_chunks(x, chunk) for x in (k, v, beta[..., None]))  # (B, H, T, C, ·)
    keys, faded_k, kept, last = k @ k.transpose(-1, -2), k, k, None  # (B, H, T, C, C), (B, H, T, C, K)
    decay = since = None
    if log_decay is not None:
        steps = in_chunks(log_decay[..., None], chunk)  # (B, H, T, C, 1)
        decay, since = torch.exp(between(steps[..., 0])), torch.exp(steps.cumsum(-2))  # (…, C, C), (…, C, 1)
        keys = keys.masked_fill(decay == 0, 0) * decay
        faded_k, kept, last = k * since, k * decay[..., -1, :, None], since[..., -1:, :]
    system = (beta * keys).tril(-1)  # the solver takes the diagonal for ones
    wanted = torch.linalg.solve_triangular(
        system, torch.cat([beta * v, beta * faded_k], dim=-1), upper=False, unitriangular=True
    )
    fresh, seen = wanted[..., :width], wanted[..., width:]  # (B, H, T, C, V), (B, H, T, C, K)
    corrected, before, state = carry_corrected(state, fresh, seen, kept, last)
    if q is None:
        return v.new_empty(0), state
    q = in_chunks(q, chunk)
    scores = q @ k.transpose(-1, -2)  # (B, H, T, C, C)
    scores = scores.tril() if decay is None else scores.masked_fill(decay == 0, 0) * decay
    faded_q = q if since is None else q * since
    y = scores @ torch.stack(corrected, dim=2) + faded_q @ torch.stack(before, dim=2)  # (B, H, T, C, V)
    return out_of_chunks(y, length), state


def carry_corrected(
    state: Float[Tensor, "B H K V"],
    fresh: Float[Tensor, "B H T C V"],
    seen: Float[Tensor, "B H T C K"],
    kept: Float[Tensor, "B H T C K"],
    last: Tensor | None,
    added: Float[Tensor, "B H T K V"] | None = None,
) -> tuple[list[Float[Tensor, "B H C V"]], list[Float[Tensor, "B H K V"]], Float[Tensor, "B H K V"]]:
    """The values u = fresh - seen S of each chunk, the state S before it, and the last one: S <- last S + kept^T u.

    last: what a whole chunk leaves of the state, everything when None; added: written besides
    """
    before, corrected = [], []
    for t in range(fresh.shape[2]):
        u = fresh[:, :, t] - seen[:, :, t] @ state
        before.append(state)
        corrected.append(u)
        state = state if last is None else last[:, :, t] * state
        state = (state if added is None else state + added[:, :, t]) + kept[:, :, t].transpose(-1, -2) @ u
    return corrected, before, state


@in_full_precision
def delta_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    beta: Float[Tensor, "B H"],
    log_decay: Float[Tensor, "B H"] | None,
    state: Float[Tensor, "B H K V"],
) -> tuple[Float[Tensor, "B H V"], Float[Tensor, "B H K V"]]:
    """One token of `delta_rule`."""
    if log_decay is not None:
        state = torch.exp(log_decay)[..., None, None] * state
    u = beta[..., None] * (v - (k[..., :, None] * state).sum(-2))
    state = state + k[..., :, None] * u[..., None, :]
    return (q[..., :, None] * state).sum(-2), state
