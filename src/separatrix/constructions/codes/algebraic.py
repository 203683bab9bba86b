"""Algebraic codes: duals of BCH codes, bounded by Weil, Carlitz and Uchiyama (MacWilliams and Sloane 1977, ch. 9)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.codes.base import Code
from separatrix.constructions.codes.binary import binary_signs
from separatrix.errors import InputError

LARGEST_DEGREE = 14
"""Degree r of the field GF(2^r) at most: codes have 2^r signs."""


@dataclass(frozen=True)
class DualBCH(Code):
    """The signs (-1)^Tr(f(x)) for all x of GF(2^r), one vector for each f = a_1 x + a_2 x^3 + … + a_t x^(2t-1).

    Products of two vectors are again vectors of the code, and |sum over x of (-1)^Tr(f(x))| <= (2t - 2) 2^(r/2) for
    f != 0: so every cross product is at most gamma k when (2t - 2) <= gamma 2^(r/2). There are 2^(r t) vectors of
    k = 2^r signs; the least r that suffices for N is taken, and the first N vectors in the order of their
    coefficients' binary digits.
    """

    length: int
    gamma: float = 0.5
    name: ClassVar[str] = "algebraic"

    @cached_property
    def parameters(self) -> tuple[int, int]:
        """(r, t): degree of the field and number of coefficients. Raises InputError when no field is large enough."""
        digits = max(1, (self.length - 1).bit_length())
        for r in range(1, LARGEST_DEGREE + 1):
            most = 1 + math.floor(self.gamma * 2 ** (r / 2) / 2)
            t = -(-digits // r)
            if t <= most:
                return r, t
        raise InputError(
            f"an algebraic code for {self.length:,} positions and cross products of at most {self.gamma:g} k needs "
            f"more than {2**LARGEST_DEGREE:,} signs: use a larger gamma, or the code 'binary'"
        )

    @property
    def width(self) -> int:
        return 2 ** self.parameters[0]

    @property
    def cross(self) -> int:
        r, t = self.parameters
        return math.isqrt((2 * t - 2) ** 2 << r) // 2 * 2  # 2^r less twice a weight: even

    @cached_property
    def generators(self) -> Float[Tensor, "digits k"]:
        """Signs of the vectors whose coefficients have a single binary digit: Tr(z^b x^(2j - 1)) for all x."""
        import flint  # noqa: PLC0415  # a compiled library that only this code needs

        r, t = self.parameters
        field = flint.fq_default_ctx(2, r)
        elements = [field(flint.nmod_poly([number >> b & 1 for b in range(r)], 2)) for number in range(2**r)]
        basis = [elements[2**b] for b in range(r)]
        rows = [
            [int((z * power).trace()) for power in powers]
            for powers in ([x ** (2 * j - 1) for x in elements] for j in range(1, t + 1))
            for z in basis
        ]
        return 1 - 2 * torch.tensor(rows, dtype=torch.float32)

    def signs(self, start: int = 0, stop: int | None = None) -> Float[Tensor, "positions k"]:
        numbers = torch.arange(start, self.length if stop is None else stop)
        digits = (1 - binary_signs(numbers, len(self.generators))) / 2
        return 1 - 2 * torch.remainder(digits @ ((1 - self.generators) / 2), 2)

    def largest(self, block: int = 2**14) -> int:
        """The largest cross product there is, measured.

        Products of two of the first 2^d vectors are among the first 2^d: so it is the largest sum of one vector's
        signs, but the first's. For an N that is no power of 2, of the first 2^d >= N: an upper bound.
        """
        count = 1 << (self.length - 1).bit_length()
        sums = torch.cat([self.signs(i, min(i + block, count)).sum(dim=1) for i in range(0, count, block)])
        return int(sums[1:].max()) if count > 1 else -self.width

    def record(self) -> dict[str, int | float | str]:
        r, t = self.parameters
        return {"code": self.name, "gamma": self.gamma, "degree": r, "coefficients": t}
