"""Binary codes: the binary digits of the position, as signs. The shortest codes there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.codes.base import Code


def binary_signs(numbers: Tensor, width: int) -> Float[Tensor, "count k"]:
    """The last `width` binary digits of whole numbers, lowest first: +1 for 0, -1 for 1."""
    signs = torch.empty(len(numbers), width, device=numbers.device)
    for digit in range(width):  # column by column: wide tables of whole numbers take more memory than the signs
        signs[:, digit] = 1 - 2 * (numbers >> digit & 1)
    return signs


@dataclass(frozen=True)
class Binary(Code):
    """k = ceil(log2 N) signs: <c(i), c(j)> = k - 2 hamming(i, j), and different numbers differ in a digit."""

    length: int
    name: ClassVar[str] = "binary"

    @property
    def width(self) -> int:
        return (self.length - 1).bit_length()

    @property
    def cross(self) -> int:
        return self.width - 2

    def signs(self, start: int = 0, stop: int | None = None) -> Float[Tensor, "positions k"]:
        return binary_signs(torch.arange(start, self.length if stop is None else stop), self.width)

    def record(self) -> dict[str, int | float | str]:
        return {"code": self.name}
