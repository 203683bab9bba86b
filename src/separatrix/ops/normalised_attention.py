"""Linear attention with exponential input gates and a normaliser, in chunks: the parallel form of mLSTM.

C_t = f_t C_{t-1} + i_t k_t v_t^T and n_t = f_t n_{t-1} + i_t k_t are kept divided by e^m, m_t = max(log f_t + m_{t-1},
log i_t), so that no exponential overflows; y_t = C_t^T q_t / max(|n_t · q_t|, 1) does not depend on m.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.linear_attention import CHUNK, above_diagonal, in_chunks, out_of_chunks

Memory: TypeAlias = tuple[Tensor, ...]
"""C (B, H, K, V), n (B, H, K) and m (B, H)."""


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
    batch, length, heads, width = v.shape
    keys = k.shape[-1]
    if memory is None:
        memory = (v.new_zeros(batch, heads, keys, width), v.new_zeros(batch, heads, keys), v.new_zeros(batch, heads))
    if not length:
        return torch.zeros_like(v), memory
    chunk = min(chunk, length)
    short = -length % chunk
    if short:  # tokens that neither enter nor forget
        log_enter = torch.nn.functional.pad(log_enter, (0, 0, 0, short), value=-torch.inf)
    q, k, v, enter = (in_chunks(x, chunk) for x in (q, k, v, log_enter[..., None]))  # (B, H, T, C, ·)
    total = in_chunks(log_forget[..., None], chunk).cumsum(-2)  # (B, H, T, C, 1)
    pairs = total - total.transpose(-1, -2) + enter.transpose(-1, -2)  # how much j counts for at i
    pairs = pairs.masked_fill(above_diagonal(chunk, v.device), -torch.inf)
    nearest = pairs.amax(-1, keepdim=True)  # (B, H, T, C, 1)
    scores = q @ k.transpose(-1, -2)
    state, normaliser, top = memory
    outputs = []
    for t in range(v.shape[2]):
        passed = total[:, :, t] + top[..., None, None]  # (B, H, C, 1)
        m = torch.maximum(nearest[:, :, t], passed)
        weights = torch.exp(pairs[:, :, t] - m) * scores[:, :, t]
        faded = q[:, :, t] * torch.exp(passed - m)
        y = weights @ v[:, :, t] + faded @ state
        weight = weights.sum(-1, keepdim=True) + faded @ normaliser[..., None]
        outputs.append(y / torch.maximum(weight.abs(), torch.exp(-m)))
        last, top = m[:, :, -1:], m[:, :, -1, 0].clone()  # a view would hold on to the chunk
        kept = k[:, :, t] * torch.exp(total[:, :, t, -1:] - total[:, :, t] + enter[:, :, t] - last)
        fade = torch.exp(passed[:, :, -1:] - last)
        state = fade * state + kept.transpose(-1, -2) @ v[:, :, t]
        normaliser = fade[..., 0] * normaliser + kept.sum(-2)
    return out_of_chunks(torch.stack(outputs, dim=2), length), (state, normaliser, top)


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
    keep, add = torch.exp(log_forget + top - m), torch.exp(log_enter - m)
    state = keep[..., None, None] * state + (add[..., None] * k)[..., None] * v[..., None, :]
    normaliser = keep[..., None] * normaliser + add[..., None] * k
    weight = (normaliser * q).sum(-1)
    y = (q[..., None] * state).sum(-2) / torch.maximum(weight.abs(), torch.exp(-m))[..., None]
    return y, (state, normaliser, m)
