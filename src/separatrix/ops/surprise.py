"""A linear memory trained while it reads, with momentum and forgetting: Titans' (Behrouz et al. 2025), in mini-batches.

M_t = keep_t M_{t-1} + S_t and S_t = momentum_t S_{t-1} - rate_t k_t (M^T k_t - v_t)^T, the gradient taken at the M that
the last whole mini-batch has left. A gradient then reaches M_t through every token between: its weight is a product of
two matrices of decays, momentum up to a token and keeping from there on.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.linear_attention import between
from separatrix.ops.precision import in_full_precision


@in_full_precision
def surprise_memory(
    q: Float[Tensor, "B H N K"],
    k: Float[Tensor, "B H N K"],
    v: Float[Tensor, "B H N V"],
    rate: Float[Tensor, "B H N"],
    log_momentum: Float[Tensor, "B H N"],
    log_keep: Float[Tensor, "B H N"],
    memory: Float[Tensor, "B H K V"],
    surprise: Float[Tensor, "B H K V"],
    batch: int,
) -> tuple[Float[Tensor, "B H N V"], Float[Tensor, "B H K V"], Float[Tensor, "B H K V"]]:
    """M_t^T q_t at each token, and M and S after the last whole mini-batch; the first token begins one."""
    outputs = []
    parts = (x.split(batch, dim=2) for x in (q, k, v, rate[..., None], log_momentum, log_keep))
    for asked, key, value, step, moves, keeps in zip(*parts, strict=True):
        change = -step * (key @ memory - value)  # (B, H, M, V)
        kept, moved = torch.exp(between(keeps)), torch.exp(between(moves))  # (B, H, M, M)
        reach = kept @ moved  # of the change at a column to the memory at a row
        old, pushed = torch.exp(keeps.cumsum(-1)), torch.exp(moves.cumsum(-1))  # (B, H, M): of M and S before
        drift = kept @ pushed[..., None]  # (B, H, M, 1): of S before, to M
        past = old[..., None] * (asked @ memory) + drift * (asked @ surprise)
        outputs.append(past + ((asked @ key.transpose(-1, -2)) * reach) @ change)
        if key.shape[2] == batch:
            written = (key * reach[..., -1, :, None]).transpose(-1, -2) @ change
            memory = old[..., -1, None, None] * memory + drift[..., -1:, :] * surprise + written
            pushes = (key * moved[..., -1, :, None]).transpose(-1, -2) @ change
            surprise = pushed[..., -1, None, None] * surprise + pushes
    return torch.cat(outputs, dim=2) if outputs else torch.zeros_like(v), memory, surprise


@in_full_precision
def surprise_read(
    q: Float[Tensor, "B H Q K"],
    own: tuple[Tensor, ...],
    waiting: tuple[Tensor, ...],
    memory: Float[Tensor, "B H K V"],
    surprise: Float[Tensor, "B H K V"],
) -> Float[Tensor, "B H Q V"]:
    """The answer to each of Q alternative next tokens, after the tokens that wait for their mini-batch to be whole.

    own, waiting: keys, values, rates, log momenta and log keeps of the alternatives, and of what waits
    """
    k, v, rate, moves, keeps = own
    key, value, step, moving, keeping = waiting
    kept, moved = torch.exp(between(keeping)), torch.exp(between(moving))  # (B, H, M, M)
    pushed = torch.exp(moving.cumsum(-1))[..., None]  # (B, H, M, 1)
    # what has come to the last that waits; the sum of its one row, and of none where nothing waits
    reach, push, drift = (part[..., -1:, :].sum(-2, keepdim=True) for part in (kept @ moved, moved, kept @ pushed))
    keep, move = torch.exp(keeps)[..., None], torch.exp(moves)[..., None]  # (B, H, Q, 1)
    old, moment = (torch.exp(part.sum(-1))[..., None, None] for part in (keeping, moving))
    y = keep * old * (q @ memory) + (keep * drift + move * moment) * (q @ surprise)
    y = y + ((q @ key.transpose(-1, -2)) * (keep * reach + move * push)) @ (-step[..., None] * (key @ memory - value))
    return y + (q * k).sum(-1, keepdim=True) * (-rate[..., None] * (k @ memory - v))
