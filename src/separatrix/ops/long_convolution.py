"""Causal convolution with filters as long as the text, in blocks: exact, where a Fourier transform would let
rounding errors of later tokens into earlier outputs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from separatrix.ops.precision import in_full_precision

BLOCK = 64
"""Tokens whose products with as many others are one matrix product."""


@in_full_precision
def long_convolution(
    x: Float[Tensor, "B M D"], taps: Float[Tensor, "M D"], tokens: int, block: int = BLOCK
) -> Float[Tensor, "B {tokens} D"]:
    """y_t = sum over j <= t of taps_{t-j} x_j, for the last `tokens` of M."""
    batch, length, width = x.shape
    if not tokens:
        return x[:, :0]
    block = min(block, length)
    short = -length % block  # filled with zeros in front
    x = F.pad(x, (0, 0, short, 0)).unflatten(1, (-1, block)).permute(3, 0, 1, 2)  # (D, B, T, C)
    count = x.shape[2]
    first = count - -(-tokens // block)  # block of the first output that is asked for
    at = torch.arange(block, device=x.device)
    lags, y = at[:, None] - at, x.new_zeros(width, batch, count - first, block)
    padded = F.pad(taps, (0, 0, 0, short)).T  # (D, T * C)
    for offset in range(count):
        here = lags + offset * block  # (C, C)
        near = torch.where(here >= 0, padded[:, here.clamp_min(0)], 0)  # (D, C, C)
        begin = max(offset, first)
        inputs = x[:, :, begin - offset : count - offset].flatten(1, 2)  # (D, B (T - begin), C)
        added = (inputs @ near.transpose(-1, -2)).unflatten(1, (batch, -1))
        y = y + F.pad(added, (0, 0, begin - first, 0))
    return y.flatten(2).permute(1, 2, 0)[:, -tokens:]
