"""Sums that no format rounds: numbers known as multiples of a power of two, up to a bound.

A sum whose terms are multiples of u with absolute values adding up to B has only multiples of u up to B as partial
sums, in any order, with or without fused multiply-adds. Where a format holds all of these, nothing is ever rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.numerics.formats import Format

BLOCK = 2**12
"""Rows looked at at a time."""


@dataclass(frozen=True)
class Grid:
    """What is known of each coordinate of many vectors: a multiple of `unit`, absolutely at most `bound`.

    unit:  Float64[D], powers of two; infinity for coordinates that are always 0
    bound: Float64[D]

    >>> grid = sx.numerics.Grid(unit=torch.tensor([0.25]).double(), bound=torch.tensor([8.0]).double())
    >>> grid.unit.item(), grid.bound.item()  # multiples of a quarter up to 8
    (0.25, 8.0)
    """

    unit: Float[Tensor, " D"]
    bound: Float[Tensor, " D"]

    @classmethod
    def of(cls, rows: Float[Tensor, "R D"]) -> Grid:
        """The least grid that holds all these vectors."""
        bound = torch.zeros(rows.shape[1:], dtype=torch.float64, device=rows.device)
        unit = torch.full_like(bound, math.inf)
        for block in columns(rows):
            sizes = block.abs()
            most = sizes.amax(dim=1).double()
            bound, unit = torch.maximum(bound, most), torch.minimum(unit, _unit(sizes, most))
        return cls(unit, bound)

    def plus(self, other: Grid) -> Grid:
        """Sums of two vectors."""
        return Grid(torch.minimum(self.unit, other.unit), self.bound + other.bound)

    def linear(self, weight: Float[Tensor, "O D"], bias: Float[Tensor, " O"] | None = None) -> Grid:
        """W x + b, its partial sums and its products."""
        unit = (units_of(weight) * self.unit).amin(dim=1)
        bound = weight.double().abs() @ self.bound
        mapped = Grid(unit, bound)
        return mapped if bias is None else mapped.plus(Grid(units_of(bias), bias.double().abs()))

    def dot(self, other: Grid) -> Grid:
        """Inner products, as a single coordinate."""
        return Grid((self.unit * other.unit).amin()[None], (self.bound * other.bound).sum()[None])

    def exact_in(self, format: Format) -> bool:
        """Whether the format holds every multiple of the units up to the bounds."""
        pairs = zip(self.unit.tolist(), self.bound.tolist(), strict=True)
        return all(bound == 0 or bound <= format.exact_up_to(unit) for unit, bound in pairs)


def units_of(x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """The largest power of two each number is a multiple of, in float64; infinity for 0."""
    mantissa, exponent = torch.frexp(x.double())
    whole = torch.ldexp(mantissa, torch.tensor(53)).long()
    return torch.where(whole == 0, math.inf, torch.ldexp((whole & -whole).double(), exponent - 53))


def columns(rows: Float[Tensor, "R D"]) -> Iterator[Float[Tensor, "D block"]]:
    """Blocks of rows, turned: reductions over many rows of few coordinates take a fifth of the time."""
    for block in rows.split(BLOCK):
        yield block.T.contiguous()


def _unit(sizes: Float[Tensor, "D R"], most: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
    """The unit of each row of numbers that are at least 0, and at most `most`."""
    least = torch.where(sizes == 0, math.inf, sizes).amin(dim=1).double()
    if bool(((least == most) | (most == 0)).all()):  # 0 and one size: signs, flags, codes
        return units_of(most)
    return units_of(sizes).amin(dim=1)
