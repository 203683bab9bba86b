"""Strings of bits as bytes of 0 and 1, and packed eight strings to a byte, so that one operation serves all eight."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.nn.functional import pad


def random_bits(strings: int, places: int, generator: torch.Generator) -> UInt8[Tensor, "B N"]:
    """Uniform bits, eight to a byte drawn."""
    count, device = places * strings, generator.device
    words = torch.empty(-(-count // 64), dtype=torch.int64, device=device).random_(-(2**63), None, generator=generator)
    return unpack(words.view(torch.uint8)[None], 64 * len(words)).flatten()[:count].view(strings, places)


def pack(rows: UInt8[Tensor, "B N"]) -> UInt8[Tensor, "N W"]:
    """Eight strings to a byte, W = ceil(B / 8): bit j of byte w is that of string j W + w."""
    spare = -len(rows) % 8
    eighths = (pad(rows, (0, 0, 0, spare)) if spare else rows).view(8, -1, rows.shape[1])
    return (eighths << _binary(rows.device)).sum(dim=0, dtype=torch.uint8).T.contiguous()


def unpack(packed: UInt8[Tensor, "N W"], strings: int) -> UInt8[Tensor, "B N"]:
    """The strings that `pack` packed."""
    rows = packed.T.contiguous()
    return (rows >> _binary(rows.device) & 1).view(-1, rows.shape[1])[:strings]


def ones(rows: UInt8[Tensor, "B N"]) -> Int[Tensor, " B"]:
    """How many ones each row has, adding eight bytes at a time: 255 such words at most, so that no byte overflows."""
    spare = -rows.shape[1] % 8
    words = (pad(rows, (0, spare)) if spare else rows).view(torch.int64).split(255, dim=1)
    return torch.stack([part.sum(dim=1, keepdim=True).view(torch.uint8).sum(dim=1) for part in words]).sum(dim=0)


@lru_cache(maxsize=8)
def _binary(device: torch.device) -> UInt8[Tensor, "8 1 1"]:
    return torch.arange(8, dtype=torch.uint8, device=device)[:, None, None]
