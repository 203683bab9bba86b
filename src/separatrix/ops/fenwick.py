"""Log-linear attention: a memory of every power of two of tokens, merged as a binary counter counts (Guo et al. 2025).

After N tokens there is one memory for every 1 among N's binary digits: of the last 2^i tokens for the lowest of them,
of the 2^j before those for the next. A token reads itself at level 0, and the memory of 2^i tokens at level i + 1,
each weighed by the token. So the state grows with the number of ones, at most log2(N + 1) matrices.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.linear_attention import between
from separatrix.ops.precision import in_full_precision

CHUNK = 32
"""Tokens computed in parallel at a time: a power of two."""

Memories = tuple[Tensor, ...]
"""Float[B, 1, H, K, V] where N has the digit, Float[B, 0, H, K, V] where it has not, lowest digit first."""


def count(memories: Memories) -> int:
    """Tokens that have been read."""
    return sum(memory.shape[1] << digit for digit, memory in enumerate(memories))


def carried(memories: Memories, added: Float[Tensor, "B H K V"], digit: int) -> Memories:
    """The memories after 2^digit tokens more, of which `added` is the memory; none of fewer tokens may be held."""
    held, more = list(memories), added[:, None]
    none = more.new_empty(more.shape[0], 0, *more.shape[2:])  # a slice would keep the whole in memory
    held += [none] * (digit + 1 - len(held))
    while digit < len(held) and held[digit].shape[1]:
        more, held[digit] = held[digit] + more, none
        digit += 1
    return (*held[:digit], more, *held[digit + 1 :])


def level(weights: Float[Tensor, "*B L"], number: int) -> Float[Tensor, "*B"]:
    """The weight of a level; of all beyond the last, the last's."""
    return weights[..., min(number, weights.shape[-1] - 1)]


@in_full_precision
def log_linear_attention(
    q: Float[Tensor, "B N H K"],
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    log_decay: Float[Tensor, "B N H"],
    weights: Float[Tensor, "B N H L"],
    memories: Memories = (),
    chunk: int = CHUNK,
) -> tuple[Float[Tensor, "B N H V"], Memories]:
    """Outputs and the memories after the last token; from a count that chunks do not divide, by steps up to one."""
    outputs, start, length = [], 0, v.shape[1]
    while start < length and count(memories) % chunk:
        at = (slice(None), start)
        y, memories = log_linear_step(q[at], k[at], v[at], log_decay[at], weights[at], memories)
        outputs.append(y[:, None])
        start += 1
    for begin in range(start, length, chunk):
        part = (slice(None), slice(begin, min(length, begin + chunk)))
        y, memories = _chunk(q[part], k[part], v[part], log_decay[part], weights[part], memories, chunk)
        outputs.append(y)
    return torch.cat(outputs, dim=1) if outputs else torch.zeros_like(v), memories


def _chunk(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, weights: Tensor, memories: Memories, chunk: int
) -> tuple[Tensor, Memories]:
    """The tokens of one chunk, or of the beginning of one."""
    q, k, v, weights = (x.transpose(1, 2) for x in (q, k, v, weights))  # (B, H, C, ·)
    steps = log_decay.transpose(1, 2)  # (B, H, C)
    decay, since = torch.exp(between(steps)), torch.exp(steps.cumsum(-1))  # (B, H, C, C), (B, H, C)
    size = q.shape[2]
    levels = fenwick_levels(size, q.device).expand(*q.shape[:2], size, size)
    chosen = weights.gather(-1, levels.clamp(0, weights.shape[-1] - 1))  # (B, H, C, C)
    y = ((q @ k.transpose(-1, -2)) * decay * chosen) @ v
    faded = q * since[..., None]
    for digit, memory in enumerate(memories):
        if memory.shape[1]:
            y = y + level(weights, digit + 1)[..., None] * (faded @ memory[:, 0])
    memories = tuple(memory * since[..., -1, None, None][:, None] for memory in memories)
    kept, begin = k * decay[..., -1, :, None], 0  # (B, H, C, K)
    for digit in range(chunk.bit_length() - 1, -1, -1):  # the largest powers of two come first
        if size >> digit & 1:
            part = slice(begin, begin + (1 << digit))
            memories = carried(memories, kept[:, :, part].transpose(-1, -2) @ v[:, :, part], digit)
            begin += 1 << digit
    return y.transpose(1, 2), memories


def fenwick_levels(size: int, device: torch.device) -> Tensor:
    """At which level token i of a chunk reads token j: one more than the highest digit they differ in, 0 of itself.

    Below the diagonal only; elsewhere 0.
    """
    at = torch.arange(size, device=device)
    differ = (at[:, None] ^ at).tril()
    levels = torch.zeros_like(differ)
    for digit in range(size.bit_length()):
        levels = torch.where(differ >> digit > 0, digit + 1, levels)
    return levels


@in_full_precision
def log_linear_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    log_decay: Float[Tensor, "B H"],
    weights: Float[Tensor, "B H L"],
    memories: Memories,
) -> tuple[Float[Tensor, "B H V"], Memories]:
    """One token of `log_linear_attention`."""
    kept = torch.exp(log_decay)[:, None, :, None, None]
    memories = tuple(kept * memory for memory in memories)
    y = ((q * k).sum(-1) * level(weights, 0))[..., None] * v
    for digit, memory in enumerate(memories):
        if memory.shape[1]:
            y = y + level(weights, digit + 1)[..., None] * (q[..., None] * memory[:, 0]).sum(-2)
    return y, carried(memories, k[..., None] * v[..., None, :], 0)
