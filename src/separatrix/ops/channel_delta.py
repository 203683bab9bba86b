"""The delta rule with a decay for every key coordinate, in chunks: the parallel form of Kimi delta attention.

S_t = (I - beta_t k_t k_t^T) diag(alpha_t) S_{t-1} + beta_t k_t v_t^T is S_t = diag(alpha_t) S_{t-1} + k_t u_t^T with
u_t = beta_t (v_t - k_t^T diag(alpha_t) S_{t-1}): gated linear attention with corrected values. Inside a chunk the u_t
solve one unit lower triangular system.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.chunks import check_heads
from separatrix.ops.delta_rule import carry_corrected, delta_step
from separatrix.ops.linear_attention import GATED_CHUNK, after_each, gated_scores, in_chunks, out_of_chunks
from separatrix.ops.precision import in_full_precision

CHUNK = GATED_CHUNK
"""Tokens in a chunk, where the caller names no other."""


@in_full_precision
def channel_delta(
    q: Float[Tensor, "B N H K"],
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    beta: Float[Tensor, "B N H"],
    log_decay: Float[Tensor, "B N H K"],
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = CHUNK,
) -> tuple[Float[Tensor, "B N H V"], Float[Tensor, "B H K V"]]:
    """Outputs y_t = q_t^T S_t and last state; `log_decay` is log alpha.

    chunk: tokens computed in parallel at a time, rounded up to a power of two
    Raises InputError for shapes, types or devices that do not go together.
    """
    batch, length, heads, width = v.shape
    check_heads(
        "channel_delta", q, k, v, state, beta=(beta, (batch, length, heads)), log_decay=(log_decay, tuple(k.shape))
    )
    state = v.new_zeros(batch, heads, k.shape[-1], width) if state is None else state
    if not length:
        return torch.zeros_like(v), state
    chunk = 1 << (min(chunk, length) - 1).bit_length()  # halved down to single tokens
    q, k, v, beta, steps = (in_chunks(x, chunk) for x in (q, k, v, beta[..., None], log_decay))  # (B, H, T, C, ·)
    since = torch.exp(steps.cumsum(-2))  # (B, H, T, C, K)
    scores, keys = gated_scores(torch.stack([q, k]), k[None], steps[None]).unbind(0)  # (B, H, T, C, C)
    wanted = torch.linalg.solve_triangular(  # takes the diagonal for ones
        (beta * keys).tril(-1), beta * torch.cat([v, k * since], dim=-1), upper=False, unitriangular=True
    )
    fresh, seen = wanted[..., :width], wanted[..., width:]  # (B, H, T, C, V), (B, H, T, C, K)
    kept = k * torch.exp(after_each(steps))  # (B, H, T, C, K)
    corrected, before, state = carry_corrected(state, fresh, seen, kept, since[..., -1, :, None])
    y = scores @ torch.stack(corrected, dim=2) + (q * since) @ torch.stack(before, dim=2)  # (B, H, T, C, V)
    return out_of_chunks(y, length), state


@in_full_precision
def channel_delta_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    beta: Float[Tensor, "B H"],
    log_decay: Float[Tensor, "B H K"],
    state: Float[Tensor, "B H K V"],
) -> tuple[Float[Tensor, "B H V"], Float[Tensor, "B H K V"]]:
    """One token of `channel_delta`."""
    return delta_step(q, k, v, beta, None, torch.exp(log_decay)[..., None] * state)
