"""Diagonal plus low-rank transitions in chunks: the parallel form of RWKV-7 (Peng et al. 2025).

S_t = diag(alpha_t) S_{t-1} - p_t (e_t^T diag(alpha_t) S_{t-1}) + k_t v_t^T is gated linear attention with two keys a
token: k_t with the value v_t, and p_t with the value u_t, where -u_t = e_t^T diag(alpha_t) S_{t-1} is what is erased.
Inside a chunk the u_t solve one unit lower triangular system.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.chunks import check_heads
from separatrix.ops.delta_rule import carry_corrected
from separatrix.ops.linear_attention import GATED_CHUNK, after_each, gated_scores, in_chunks, out_of_chunks
from separatrix.ops.precision import in_full_precision


@in_full_precision
def dplr(
    q: Float[Tensor, "B N H K"],
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    erase: Float[Tensor, "B N H K"],
    put: Float[Tensor, "B N H K"],
    log_decay: Float[Tensor, "B N H K"],
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = GATED_CHUNK,
) -> tuple[Float[Tensor, "B N H V"], Float[Tensor, "B H K V"]]:
    """Outputs y_t = q_t^T S_t and last state; erase and put are e and p, `log_decay` is log alpha.

    chunk: tokens computed in parallel at a time, rounded up to a power of two
    Raises InputError for shapes, types or devices that do not go together.
    """
    batch, length, heads, width = v.shape
    same = tuple(k.shape)
    check_heads("dplr", q, k, v, state, erase=(erase, same), put=(put, same), log_decay=(log_decay, same))
    state = v.new_zeros(batch, heads, k.shape[-1], width) if state is None else state
    if not length:
        return torch.zeros_like(v), state
    chunk = 1 << (min(chunk, length) - 1).bit_length()  # halved down to single tokens
    q, k, v, erase, put, steps = (in_chunks(x, chunk) for x in (q, k, v, erase, put, log_decay))  # (B, H, T, C, ·)
    since, after = torch.exp(steps.cumsum(-2)), torch.exp(after_each(steps))  # (B, H, T, C, K)
    scores = gated_scores(torch.stack([q, erase])[:, None], torch.stack([k, put])[None], steps[None, None])
    (read_k, read_put), (erase_k, erase_put) = (part.unbind(0) for part in scores.unbind(0))  # (B, H, T, C, C)
    wanted = torch.linalg.solve_triangular(  # takes the diagonal for ones
        erase_put.tril(-1), torch.cat([-erase_k.tril(-1) @ v, erase * since], dim=-1), upper=False, unitriangular=True
    )
    fresh, seen = wanted[..., :width], wanted[..., width:]  # (B, H, T, C, V), (B, H, T, C, K)
    added = (k * after).transpose(-1, -2) @ v  # (B, H, T, K, V)
    erased, before, state = carry_corrected(state, fresh, seen, put * after, since[..., -1, :, None], added)
    y = read_k @ v + read_put @ torch.stack(erased, dim=2) + (q * since) @ torch.stack(before, dim=2)
    return out_of_chunks(y, length), state


@in_full_precision
def dplr_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    erase: Float[Tensor, "B H K"],
    put: Float[Tensor, "B H K"],
    log_decay: Float[Tensor, "B H K"],
    state: Float[Tensor, "B H K V"],
) -> tuple[Float[Tensor, "B H V"], Float[Tensor, "B H K V"]]:
    """One token of `dplr`."""
    state = torch.exp(log_decay)[..., None] * state
    u = (erase[..., :, None] * state).sum(-2)
    state = state - put[..., :, None] * u[..., None, :] + k[..., :, None] * v[..., None, :]
    return (q[..., :, None] * state).sum(-2), state
