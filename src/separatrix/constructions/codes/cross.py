"""Cross products of all pairs, exactly: blocked matrix products of signs, the upper triangle only."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError

BLOCK = 1024
"""Vectors of a block: a product of two blocks stays in the processor's cache."""


class Cross(NamedTuple):
    """An inner product of two different vectors, and which two.

    >>> cross = sx.constructions.codes.Cross(value=5, first=0, second=1)
    >>> cross.value
    5
    """

    value: int
    first: int
    second: int


def largest_cross(signs: Float[Tensor, "N k"], enough: int | None = None, block: int = BLOCK) -> Cross:
    """The largest inner product of two different rows. Exact: float32 holds whole numbers up to 2^24.

    enough: return the first product found above this, without looking further
    Raises InputError for fewer than two vectors.

    >>> signs = sx.constructions.codes.create("binary", length=8).signs()
    >>> sx.constructions.codes.largest_cross(signs)
    Cross(value=1, first=0, second=1)
    """
    count = len(signs)
    if count < 2:
        raise InputError(f"cross products need at least two vectors, got {count}")
    found = Cross(-signs.shape[1] - 1, -1, -1)
    room = signs.new_empty(block * block)
    for i in range(0, count, block):
        rows = signs[i : i + block]
        for j in range(i, count, block):
            columns = signs[j : j + block]
            products = room[: len(rows) * len(columns)].view(len(rows), len(columns))
            torch.mm(rows, columns.T, out=products)
            if i == j:
                products.fill_diagonal_(-signs.shape[1] - 1)
            value = int(products.max())
            if value > found.value:
                first, second = divmod(int(products.argmax()), len(columns))
                found = Cross(value, i + first, j + second)
                if enough is not None and value > enough:
                    return found
    return found
