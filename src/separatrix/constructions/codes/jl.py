"""Drawn codes: random signs, all their cross products verified (Johnson and Lindenstrauss 1984; Achlioptas 2003)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.codes.base import Code
from separatrix.constructions.codes.cross import largest_cross
from separatrix.errors import InputError
from separatrix.tasks.randomness import keyed_generator

LARGEST = 2**17
"""Positions of a drawn code at most: all pairs are verified, which takes minutes there."""
DRAWS = 100


@dataclass(frozen=True)
class DrawnSigns(Code):
    """k = ceil(4 ln N / gamma^2) random signs, no cross product above gamma k.

    By Hoeffding's inequality a pair exceeds gamma k with probability at most exp(-gamma^2 k / 2) <= N^-2, so a draw
    fails with probability below 1/2. All pairs of a draw are verified, exactly, and a failed draw is drawn again.
    """

    length: int
    gamma: float = 0.5
    seed: int = 0
    name: ClassVar[str] = "jl"

    @property
    def width(self) -> int:
        return max(1, math.ceil(4 * math.log(self.length) / self.gamma**2))

    @property
    def cross(self) -> int:
        return math.floor(self.gamma * self.width)

    def drawing(self, draw: int) -> Float[Tensor, "N k"]:
        """The signs of one draw, verified or not: a function of the parameters alone."""
        generator = keyed_generator(f"separatrix/codes/jl/{self.length}/{self.gamma!r}/{self.seed}/{draw}")
        return (2 * torch.randint(2, (self.length, self.width), generator=generator, dtype=torch.int8) - 1).float()

    @cached_property
    def draw(self) -> int:
        """The first draw all of whose pairs were verified. Raises InputError above LARGEST positions."""
        if self.length > LARGEST:
            raise InputError(
                f"a drawn code is verified pair by pair, up to {LARGEST:,} positions; for {self.length:,} use the code "
                "'binary' or 'algebraic'"
            )
        for draw in range(DRAWS):
            if self.length == 1 or largest_cross(self.drawing(draw), enough=self.cross).value <= self.cross:
                return draw
        raise CertificateError(f"{DRAWS} draws of {self.width} signs each had a cross product above {self.cross}")

    def signs(self, start: int = 0, stop: int | None = None) -> Float[Tensor, "positions k"]:
        return self.drawing(self.draw)[start:stop]

    def record(self) -> dict[str, int | float | str]:
        return {"code": self.name, "gamma": self.gamma, "seed": self.seed, "draw": self.draw}
