"""Linear attention with decay in chunks: the parallel form of retention, Mamba-2, gated linear attention and mLSTM.

A state S (K x V) per head follows S_t = decay_t S_{t-1} + k_t v_t^T and is read as y_t = q_t^T S_t. In chunks of C
tokens, what a chunk adds to its own outputs is a masked C x C attention and what earlier chunks add is one product
with the state before the chunk (Hua et al. 2022; Yang et al. 2024; Dao and Gu 2024).

Log decays may be anything from -inf to 0. Each exponent is a sum of the decays between two tokens, never a difference
of sums: nothing grows, and a token that forgets everything hides no decay after it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.chunks import check_heads, chunked
from separatrix.ops.fla import fast
from separatrix.ops.native import takes
from separatrix.ops.precision import in_full_precision

CHUNK = 64
"""Tokens in a chunk, where the caller names no other."""

GATED_CHUNK = 16
"""The most tokens in a chunk where every key coordinate has a decay of its own."""


def decayed_attention(
    q: Float[Tensor, "B N G K"],
    k: Float[Tensor, "B N G K"],
    v: Float[Tensor, "B N H V"],
    log_decay: Float[Tensor, "#B N H"],
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = CHUNK,
) -> tuple[Float[Tensor, "B N H V"], Float[Tensor, "B H K V"]]:
    """Outputs and last state with one decay a head and token; G is H, or 1 for queries and keys all heads share."""
    batch, _, heads, _ = v.shape
    if (run := fast("simple_gla", "chunk_simple_gla", k, v)) is not None:
        q, k = q.expand(-1, -1, heads, -1), k.expand(-1, -1, heads, -1)
        return run(q, k, v, g=log_decay.expand(batch, -1, -1), state=state)
    return _decayed_chunks(q, k, v, log_decay.expand(batch, -1, -1), state, chunk)


def decayed_state(
    k: Float[Tensor, "B N G K"],
    v: Float[Tensor, "B N H V"],
    log_decay: Float[Tensor, "#B N H"],
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = CHUNK,
) -> Float[Tensor, "B H K V"]:
    """The last state of `decayed_attention`, without its outputs."""
    if fast("simple_gla", "chunk_simple_gla", k, v) is not None:
        return decayed_attention(k, k, v, log_decay, state, chunk)[1]
    return _decayed_chunks(None, k, v, log_decay.expand(v.shape[0], -1, -1), state, chunk)[1]


@in_full_precision
def _decayed_chunks(
    q: Tensor | None, k: Tensor, v: Tensor, log_decay: Tensor, state: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor]:
    batch, length, heads, width = v.shape
    check_heads("decayed_attention", q, k, v, state, log_decay=(log_decay, (batch, length, heads)))
    if takes(v):
        return chunked(q, k, v, log_decay, None, state, chunk)
    state = v.new_zeros(batch, heads, k.shape[-1], width) if state is None else state
    if not length:
        return torch.zeros_like(v), state
    chunk = min(chunk, length)
    k, v = in_chunks(k, chunk), in_chunks(v, chunk)  # (B, G or H, T, C, ·)
    steps = in_chunks(log_decay[..., None], chunk)[..., 0]  # (B, H, T, C)
    decay, since = torch.exp(between(steps)), torch.exp(steps.cumsum(-1))  # (B, H, T, C, C), (B, H, T, C)
    added = (k * decay[..., -1, :, None]).transpose(-1, -2) @ v  # (B, H, T, K, V)
    before, state = carry(state, since[..., -1:, None], added)  # (B, H, T, K, V), (B, H, K, V)
    if q is None:
        return v.new_empty(0), state
    q = in_chunks(q, chunk)
    within = ((q @ k.transpose(-1, -2)).masked_fill(decay == 0, 0) * decay) @ v  # (B, H, T, C, V)
    across = (q * since[..., None]) @ before  # (B, H, T, C, V)
    return out_of_chunks(within + across, length), state


@in_full_precision
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


def between(steps: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C C"]:
    """The log decays after the token of a column up to that of a row, summed; -inf above the diagonal."""
    chunk = steps.shape[-1]
    earlier = torch.ones(chunk, chunk, dtype=torch.bool, device=steps.device).triu()  # the row not after the column
    apart = steps[..., None].expand(*steps.shape, chunk).masked_fill(earlier, 0).cumsum(-2)
    return apart.masked_fill(earlier.triu(1), -torch.inf)


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
    """Outputs and last state with one decay for every key coordinate, head and token."""
    if (run := fast("gla", "chunk_gla", k, v)) is not None:
        return run(q, k, v, g=log_decay, state=state)
    return _gated_chunks(q, k, v, log_decay, state, chunk)


def gated_state(
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    log_decay: Float[Tensor, "B N H K"],
    state: Float[Tensor, "B H K V"] | None = None,
    chunk: int = GATED_CHUNK,
) -> Float[Tensor, "B H K V"]:
    """The last state of `gated_attention`, without its outputs."""
    if fast("gla", "chunk_gla", k, v) is not None:
        return gated_attention(k, k, v, log_decay, state, chunk)[1]
    return _gated_chunks(None, k, v, log_decay, state, chunk)[1]


@in_full_precision
def _gated_chunks(
    q: Tensor | None, k: Tensor, v: Tensor, log_decay: Tensor, state: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor]:
    batch, length, heads, width = v.shape
    chunk = min(chunk, GATED_CHUNK)
    check_heads("gated_attention", q, k, v, state, log_decay=(log_decay, tuple(k.shape)))
    if takes(v):
        return chunked(q, k, v, log_decay, None, state, chunk)
    state = v.new_zeros(batch, heads, k.shape[-1], width) if state is None else state
    if not length:
        return torch.zeros_like(v), state
    chunk = 1 << (min(chunk, length) - 1).bit_length()  # halved down to single tokens
    k, v, steps = (in_chunks(x, chunk) for x in (k, v, log_decay))  # (B, H, T, C, ·)
    since = torch.exp(steps.cumsum(-2))  # (B, H, T, C, K)
    added = (k * torch.exp(after_each(steps))).transpose(-1, -2) @ v  # (B, H, T, K, V)
    before, state = carry(state, since[..., -1:, :].transpose(-1, -2), added)  # (B, H, T, K, V), (B, H, K, V)
    if q is None:
        return v.new_empty(0), state
    q = in_chunks(q, chunk)
    return out_of_chunks(gated_scores(q, k, steps) @ v + (q * since) @ before, length), state


def after_each(steps: Float[Tensor, "*B C K"]) -> Float[Tensor, "*B C K"]:
    """The log decays of the tokens after each one, summed."""
    later = F.pad(steps[..., 1:, :], (0, 0, 0, 1))
    return later.flip(-2).cumsum(-2).flip(-2)


def gated_scores(
    q: Float[Tensor, "*#B C K"], k: Float[Tensor, "*#B C K"], steps: Float[Tensor, "*#B C K"]
) -> Float[Tensor, "*#B C C"]:
    """What each of 2^n tokens takes of those up to it: sum over k of q_i k_j e^(decays after j up to i), 0 after it.

    A chunk is halved: queries of its second half fade from the middle on and keys of the first half up to the middle,
    so that neither grows (secondary chunks of Yang et al. 2024); the halves are halved in turn.
    """
    chunk = q.shape[-2]
    if chunk == 1:
        return (q * k).sum(-1, keepdim=True)
    half = chunk // 2
    faded_q = q[..., half:, :] * torch.exp(steps[..., half:, :].cumsum(-2))  # (*B, C/2, K)
    faded_k = k[..., :half, :] * torch.exp(after_each(steps[..., :half, :]))  # (*B, C/2, K)
    across = faded_q @ faded_k.transpose(-1, -2)  # (*B, C/2, C/2)
    first, second = gated_scores(*(x.unflatten(-2, (2, half)) for x in (q, k, steps))).unbind(-3)
    return torch.cat([F.pad(first, (0, half)), torch.cat([across, second], dim=-1)], dim=-2)


@in_full_precision
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
