"""Brackets and their partners: heights, levels and pairs of whole batches, without a pass over positions."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from separatrix.tasks.sampling import sort_rows


def balanced(opening: Bool[Tensor, "B N"], depth: int) -> Bool[Tensor, " B"]:
    """Which rows open and close in balance, never deeper than `depth` (kinds aside)."""
    height = heights(opening)
    return (height.amin(dim=1) >= 0) & (height.amax(dim=1) <= depth) & (height[:, -1] == 0)


def heights(opening: Bool[Tensor, "B N"]) -> Int[Tensor, "B N"]:
    """How many brackets are open after each one."""
    return (opening.to(torch.int32) * 2 - 1).cumsum(dim=1, dtype=torch.int32)


def pairs(opening: Bool[Tensor, "B N"]) -> tuple[Int[Tensor, "B N/2"], Int[Tensor, "B N/2"]]:
    """Where each pair of a balanced row opens and closes.

    The brackets of one level open and close in turn, so ordering the places by level, then from left to right, brings
    every opening bracket next to its partner.
    """
    order = by_level(heights(opening) + ~opening).long()
    return order[:, 0::2], order[:, 1::2]


def by_level(level: Int[Tensor, "B N"]) -> Int[Tensor, "B N"]:
    """The places of each row by level, and from left to right within one. Levels are 0 at least."""
    length = level.shape[1]
    shift = length.bit_length()
    level = level.to(torch.int32 if shift < 16 else torch.int64)  # a level is at most as high as the row is long
    keys = (level << shift) + torch.arange(length, device=level.device, dtype=level.dtype)
    return sort_rows(keys) & ((1 << shift) - 1)
