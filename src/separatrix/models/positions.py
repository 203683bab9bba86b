"""Absolute position embeddings."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from separatrix.errors import InputError
from separatrix.models.computed import Computed


class LearnedPositions(nn.Module):
    """One trained vector per position (as in GPT-2)."""

    def __init__(self, length: int, width: int, std: float = 1.0) -> None:
        super().__init__()
        self.length = length
        self.table = nn.Embedding(length, width)
        nn.init.normal_(self.table.weight, std=std)

    def forward(self, count: int, start: int = 0) -> Float[Tensor, "N D"]:
        check_positions(self.length, start + count)
        return self.table.weight[start : start + count]


class SinusoidalPositions(Computed):
    """Fixed sines and cosines of geometrically spaced frequencies (Vaswani et al. 2017)."""

    table: Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.length, self.width = length, width
        self.compute()

    def tables(self) -> dict[str, Tensor]:
        position = torch.arange(self.length, dtype=torch.float64)[:, None]
        frequency = torch.exp(torch.arange(0, self.width, 2, dtype=torch.float64) * (-math.log(10000.0) / self.width))
        waves = torch.stack([torch.sin(position * frequency), torch.cos(position * frequency)], dim=-1)
        return {"table": waves.reshape(self.length, -1)[:, : self.width].float()}

    def forward(self, count: int, start: int = 0) -> Float[Tensor, "N D"]:
        check_positions(self.length, start + count)
        return self.table[start : start + count]


def check_positions(length: int, needed: int) -> None:
    """InputError when a context is longer than the positions a model has."""
    if needed > length:
        raise InputError(
            f"context of {needed} tokens is longer than the model's {length} positions: "
            f"build the model for a task of length at least {needed}"
        )
