"""Linear attention with exponential input gates and a normaliser, in chunks: the parallel form of mLSTM.

C_t = f_t C_{t-1} + i_t k_t v_t^T and n_t = f_t n_{t-1} + i_t k_t are kept divided by e^m, m_t = max(log f_t + m_{t-1},
log i_t), so that no exponential overflows; y_t = C_t^T q_t / max(|n_t · q_t|, 1) does not depend on m.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.linear_attention import CHUNK, decayed_attention, decayed_state
from separatrix.ops.precision import in_full_precision

Memory: TypeAlias = tuple[Tensor, ...]
"""C (B, H, K, V), n (B, H, K) and m (B, H)."""


@in_full_precision
def normalised_attention(
    q: Float[Tensor, "B N H K"],
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    log_enter: Float[Tensor, "B N H"],
    log_forget: Float[Tensor, "B N H"],
    memory: Memory | None = None,
    chunk: int = CHUNK,
) -> tuple[Float[Tensor, "B N H V"], Memory]:
    """Outputs and last memory; an empty memory when None."""
    if not v.shape[1]:
        return torch.zeros_like(v), empty(k, v) if memory is None else memory
    width = v.shape[-1]
    k, counted, log_decay, held, tops = inside(k, v, log_enter, log_forget, memory)
    y, held = decayed_attention(q, k, counted, log_decay, held, chunk)
    y = normalised(y[..., :width], y[..., width], tops)  # (B, N, H, V)
    return y, handed_on(held, tops, log_enter, log_forget, memory)


@in_full_precision
def normalised_memory(
    k: Float[Tensor, "B N H K"],
    v: Float[Tensor, "B N H V"],
    log_enter: Float[Tensor, "B N H"],
    log_forget: Float[Tensor, "B N H"],
    memory: Memory | None = None,
    chunk: int = CHUNK,
) -> Memory:
    """The last memory of `normalised_attention`, without its outputs."""
    if not v.shape[1]:
        return empty(k, v) if memory is None else memory
    k, counted, log_decay, held, tops = inside(k, v, log_enter, log_forget, memory)
    held = decayed_state(k, counted, log_decay, held, chunk)
    return handed_on(held, tops, log_enter, log_forget, memory)


def empty(k: Float[Tensor, "B N H K"], v: Float[Tensor, "B N H V"]) -> Memory:
    """The memory before the first token."""
    batch, _, heads, width = v.shape
    keys = k.shape[-1]
    return v.new_zeros(batch, heads, keys, width), v.new_zeros(batch, heads, keys), v.new_zeros(batch, heads)


def inside(
    k: Tensor, v: Tensor, log_enter: Tensor, log_forget: Tensor, memory: Memory | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Keys, values, log decays and state of the `decayed_attention` inside, and the running maxima."""
    state, normaliser, top = empty(k, v) if memory is None else memory
    tops = running_maximum(log_enter.detach(), log_forget.detach(), top.detach())  # (B, N, H)
    # What the maxima come to does not change the outputs, so they count as constants until the memory is handed on.
    previous = torch.cat([top.detach()[:, None], tops[:, :-1]], dim=1)  # (B, N, H)
    enter = torch.exp(log_enter - tops)  # (B, N, H)
    # one more value, of one, in each token and in the memory: (B, N, H, V + 1), (B, H, K, V + 1)
    held = torch.cat([state, normaliser[..., None]], dim=-1) * torch.exp(top - top.detach())[..., None, None]
    counted = F.pad(v, (0, 1), value=1.0)  # the normaliser is what values of one would leave
    return k * enter[..., None], counted, log_forget + (previous - tops), held, tops


def handed_on(
    held: Float[Tensor, "B H K counted"], tops: Tensor, log_enter: Tensor, log_forget: Tensor, memory: Memory | None
) -> Memory:
    """The memory from the state of the `decayed_attention` inside."""
    top = tops.new_zeros(tops.shape[0], tops.shape[2]) if memory is None else memory[2]
    last = last_maximum(log_enter, log_forget, top)  # (B, H)
    held = held * torch.exp(tops[:, -1] - last)[..., None, None]
    return held[..., :-1].contiguous(), held[..., -1].contiguous(), last


def normalised(
    total: Float[Tensor, "*B V"], weight: Float[Tensor, "*B"], m: Float[Tensor, "*B"]
) -> Float[Tensor, "*B V"]:
    """The total divided by max(|weight|, e^-m).

    e^-m may be too large for a number: where it wins, the total is multiplied by e^m instead, so that neither the
    quotient nor its gradient meets an infinity.
    """
    size = weight.abs()
    heavy = size > torch.exp(-m)
    light = torch.exp(m.clamp(max=math.log(torch.finfo(m.dtype).max) - 1))
    return total * torch.where(heavy, 1 / torch.where(heavy, size, 1), light)[..., None]


def running_maximum(
    log_enter: Float[Tensor, "B N H"], log_forget: Float[Tensor, "B N H"], top: Float[Tensor, "B H"]
) -> Float[Tensor, "B N H"]:
    """The maxima m after every token from the one before the first: m_t = max(log f_t + m_{t-1}, log i_t).

    Spans of tokens are joined to the spans before them, twice as long each time; forgetting is only ever added up,
    because differences of sums lose their digits.
    """
    best, forgotten, span = log_enter, log_forget, 1
    while span < best.shape[1]:
        joined = torch.maximum(best[:, span:], forgotten[:, span:] + best[:, :-span])
        best = torch.cat([best[:, :span], joined], dim=1)
        forgotten = torch.cat([forgotten[:, :span], forgotten[:, span:] + forgotten[:, :-span]], dim=1)
        span *= 2
    return torch.maximum(best, forgotten + top[:, None])


def last_maximum(
    log_enter: Float[Tensor, "B N H"], log_forget: Float[Tensor, "B N H"], top: Float[Tensor, "B H"]
) -> Float[Tensor, "B H"]:
    """The maximum after the last token, with its gradient: the largest of what the tokens still count for then."""
    after = log_forget.flip(1).cumsum(1).flip(1)  # (B, N, H), the forgetting from each token on
    since = torch.cat([after[:, 1:], torch.zeros_like(top)[:, None]], dim=1)
    return torch.maximum((log_enter + since).amax(1), top + after[:, 0])


@in_full_precision
def normalised_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    log_enter: Float[Tensor, "B H"],
    log_forget: Float[Tensor, "B H"],
    memory: Memory,
) -> tuple[Float[Tensor, "B H V"], Memory]:
    """One token of `normalised_attention`."""
    state, normaliser, top = memory
    m = torch.maximum(log_forget + top, log_enter)
    keep, add = torch.exp(log_forget + top - m), torch.exp(log_enter - m)  # (B, H)
    state = keep[..., None, None] * state + (add[..., None] * k)[..., None] * v[..., None, :]
    normaliser = keep[..., None] * normaliser + add[..., None] * k
    y = normalised((q[..., None] * state).sum(-2), (normaliser * q).sum(-1), m)
    return y, (state, normaliser, m)
