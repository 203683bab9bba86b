"""Linear attention with decay in chunks: the parallel form of retention, Mamba-2, gated linear attention and mLSTM.

A state S (K x V) per head follows S_t = decay_t S_{t-1} + k_t v_t^T and is read as y_t = q_t^T S_t. In chunks of C
tokens, what a chunk adds to its own outputs is a masked C x C attention and what earlier chunks add is one product
with the state before the chunk (Hua et al. 2022; Yang et al. 2024; Dao and Gu 2024).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.chunks import check_heads, chunked
from separatrix.ops.fla import fast
from separatrix.ops.native import takes

CHUNK = 64
"""Tokens in a chunk, where the caller names no other."""

GATED_CHUNK = 16
"""The most tokens in a chunk where every key coordinate has a decay of its own."""

LOWEST_LOG_DECAY = -5.0
"""What such a decay may come to in one token: e^(5 * 15) still fits in float32."""


def decayed_attention(
    q: Float[Tensor, "B N G K"],
    k: Float[Tensor, "B N G K"],
    v: Float[Tensor, "B N H V"],
    log_decay: Float[Tensor, "#B N H"],
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = CHUNK,
) -> tuple[Float[Tensor, "B N H V"], Float[Tensor, "B H K V"]]:
    """Outputs and last state with one decay a head and token; G is H, or 1 for queries and keys all heads share."""
    batch, length, heads, width = v.shape
    if length and (run := fast("simple_gla", "chunk_simple_gla", v)) is not None:
        q, k = q.expand(-1, -1, heads, -1), k.expand(-1, -1, heads, -1)
        return run(q, k, v, g=log_decay.expand(batch, -1, -1), state=state)
    log_decay = log_decay.expand(batch, -1, -1)
    check_heads("decayed_attention", q, k, v, state, log_decay=(log_decay, (batch, length, heads)))
    if takes(v):
        return chunked(q, k, v, log_decay, None, state, chunk)
    state = v.new_zeros(batch, heads, q.shape[-1], width) if state is None else state
    if not length:
        return torch.zeros_like(v), state
    chunk = min(chunk, length)
    q, k, v = (in_chunks(x, chunk) for x in (q, k, v))  # (B, G or H, T, C, ·)
    total = in_chunks(log_decay[..., None], chunk)[..., 0].cumsum(-1)  # (B, H, T, C)
    apart = total[..., :, None] - total[..., None, :]
    decay = torch.exp(apart.masked_fill(above_diagonal(chunk, v.device), -torch.inf))
    within = (q @ k.transpose(-1, -2) * decay) @ v
    added = (k * torch.exp(total[..., -1:] - total)[..., None]).transpose(-1, -2) @ v  # (B, H, T, K, V)
    before, state = carry(state, torch.exp(total[..., -1])[..., None, None], added)
    across = (q * torch.exp(total)[..., None]) @ before
    return out_of_chunks(within + across, length), state


def decayed_step(
    q: Float[Tensor, "B G K"],
    k: Float[Tensor, "B G K"],
    v: Float[Tensor, "B H V"],
    log_decay: Float[Tensor, "#B H"],
    state: Float[Tensor, "B H K V"],
) -> tuple[Float[Tensor, "B H V"], Float[Tensor, "B H K V"]]:
    """One token of `decayed_attention`."""
    state = torch.exp(log_decay)[..., None, None] * state + k[..., :, None] * v[..., None, :]
    return (q[..., :, None] * state).sum(-2), state


def in_chunks(x: Float[Tensor, "B N H K"], chunk: int) -> Float[Tensor, "B H T C K"]:
    """Whole chunks of tokens, the last one filled with zeros."""
    short = -x.shape[1] % chunk
    x = F.pad(x, (0, 0, 0, 0, 0, short)) if short else x
    return x.unflatten(1, (-1, chunk)).permute(0, 3, 1, 2, 4)


def out_of_chunks(x: Float[Tensor, "B H T C V"], length: int) -> Float[Tensor, "B N H V"]:
    """The first `length` tokens of what `in_chunks` made."""
    return x.permute(0, 2, 3, 1, 4).flatten(1, 2)[:, :length]


def above_diagonal(chunk: int, device: torch.device) -> Tensor:
    """Bool[C, C]: True where the column is later than the row."""
    return torch.ones(chunk, chunk, dtype=torch.bool, device=device).triu(1)


def carry(
    state: Float[Tensor, "B H K V"], decay: Tensor, added: Float[Tensor, "B H T K V"]
) -> tuple[Float[Tensor, "B H T K V"], Float[Tensor, "B H K V"]]:
    """The state before every chunk and after the last, S <- decay S + added."""
    before = []
    for t in range(added.shape[2]):
        before.append(state)
        state = decay[:, :, t] * state + added[:, :, t]
    return torch.stack(before, dim=2), state


def gated_attention(
    q: Float[Tensor, "B N H K"],
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    log_decay: Float[Tensor, "B N H K"],
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = GATED_CHUNK,
) -> tuple[Float[Tensor, "B N H V"], Float[Tensor, "B H K V"]]:
    """Outputs and last state with one decay for every key coordinate, head and token.

    log_decay: at least LOWEST_LOG_DECAY; inside a chunk, queries shrink and keys grow with the decay since its start,
               which would overflow in float32 were there no bound
    """
    batch, length, heads, width = v.shape
    if length and (run := fast("gla", "chunk_gla", v)) is not None:
        return run(q, k, v, g=log_decay, state=state)
    chunk = min(chunk, GATED_CHUNK)
    check_heads("gated_attention", q, k, v, state, log_decay=(log_decay, tuple(k.shape)))
    if takes(v):
        return chunked(q, k, v, log_decay, None, state, chunk)
    state = v.new_zeros(batch, heads, q.shape[-1], width) if state is None else state
    if not length:
        return torch.zeros_like(v), state
    chunk = min(chunk, length)
    q, k, v, steps = (in_chunks(x, chunk) for x in (q, k, v, log_decay))  # (B, H, T, C, ·)
    first = steps[..., :1, :]  # growth is counted from after the first token: a chunk of 1 cannot overflow
    since = steps.cumsum(-2) - first  # <= 0
    shrunk = q * torch.exp(since)
    scores = (shrunk @ (k * torch.exp(-since)).transpose(-1, -2)).masked_fill(above_diagonal(chunk, v.device), 0)
    last = since[..., -1:, :]
    added = (k * torch.exp(last - since)).transpose(-1, -2) @ v
    before, state = carry(state, torch.exp(last + first).transpose(-1, -2), added)
    return out_of_chunks(scores @ v + (shrunk * torch.exp(first)) @ before, length), state


def gated_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    log_decay: Float[Tensor, "B H K"],
    state: Float[Tensor, "B H K V"],
) -> tuple[Float[Tensor, "B H V"], Float[Tensor, "B H K V"]]:
    """One token of `gated_attention`."""
    state = torch.exp(log_decay)[..., None] * state + k[..., :, None] * v[..., None, :]
    return (q[..., :, None] * state).sum(-2), state
