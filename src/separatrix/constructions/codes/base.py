"""The Code contract: a vector of signs for every position, and how far apart any two of them are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor


class Code(ABC):
    """N vectors of k signs. Inner products are whole numbers, k for a vector with itself.

    Everything but the signs is known without making them, at any N.

    >>> code = sx.constructions.codes.create("binary", length=100)
    >>> signs = code.signs()
    >>> signs.shape, code.cross, int((signs @ signs.T).fill_diagonal_(-code.width).max())
    (torch.Size([100, 7]), 5, 5)
    """

    name: ClassVar[str]
    length: int

    @property
    @abstractmethod
    def width(self) -> int:
        """Number of signs k of each vector."""

    @property
    @abstractmethod
    def cross(self) -> int:
        """A proved bound: no two different vectors have a larger inner product."""

    @property
    def gap(self) -> int:
        """What is proved of the distance: k less `cross`, at least 1."""
        return self.width - self.cross

    @abstractmethod
    def signs(self, start: int = 0, stop: int | None = None) -> Float[Tensor, "positions k"]:
        """The vectors of positions start … stop - 1, up to N when None, as ±1."""

    @abstractmethod
    def record(self) -> dict[str, int | float | str]:
        """What tells this code from others of its kind, e.g. which draw it is."""
