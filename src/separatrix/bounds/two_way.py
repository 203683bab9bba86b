"""Two-way communication: fooling sets and the log-rank bound, each with a witness that anyone can check."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from separatrix.errors import InputError

PRIME = 2_147_483_629
"""The largest prime below 2^31 - 16: products of residues fit in 62 bits."""


@dataclass(frozen=True)
class FoolingSet:
    """Pairs (row, column) that all answer `value`, while of any two exchanged pairs one does not.

    Any protocol, two-way or not, needs log2 of their number bits, and one more to tell other answers apart.

    >>> import numpy as np
    >>> found = sx.bounds.fooling_set(np.eye(4, dtype=int))  # equality of two numbers below 4
    >>> found.value, len(found.pairs)
    (1, 4)
    """

    value: int
    pairs: tuple[tuple[int, int], ...]

    @property
    def bits(self) -> float:
        """The bound in bits."""
        return math.log2(len(self.pairs)) if self.pairs else 0.0

    def check(self, matrix: np.ndarray) -> None:
        """Raises InputError, naming the pairs, unless this is a fooling set of the matrix."""
        for i, (row, column) in enumerate(self.pairs):
            if matrix[row, column] != self.value:
                raise InputError(f"no fooling set: {(row, column)} answers {matrix[row, column]}, not {self.value}")
            for other_row, other_column in self.pairs[:i]:
                if matrix[row, other_column] == self.value == matrix[other_row, column]:
                    raise InputError(f"no fooling set: {(row, column)} and {(other_row, other_column)} do not fool")


def fooling_set(matrix: np.ndarray, restarts: int = 8, seed: int = 0) -> FoolingSet:
    """The largest fooling set found greedily from several random orders: a proved bound, not the best there is.

    >>> import numpy as np
    >>> found = sx.bounds.fooling_set(np.eye(8, dtype=int))  # equality of two numbers below 8
    >>> len(found.pairs)  # the equal ones: exchange their partners, and they are no longer equal
    8
    """
    draw = np.random.default_rng(seed)
    best = FoolingSet(0, ())
    for value in np.unique(matrix).tolist():
        places = np.argwhere(matrix == value)
        for _ in range(restarts):
            rows: list[int] = []
            columns: list[int] = []
            for row, column in places[draw.permutation(len(places))].tolist():
                if not ((matrix[row, columns] == value) & (matrix[rows, column] == value)).any():
                    rows.append(row)
                    columns.append(column)
            if len(rows) > len(best.pairs):
                best = FoolingSet(int(value), tuple(zip(rows, columns, strict=True)))
    return best


@dataclass(frozen=True)
class Rank:
    """Rows and columns of a square submatrix that is regular modulo PRIME, and hence over the rationals.

    Any protocol for a 0/1 matrix, two-way or not, needs log2 of its rank bits (Mehlhorn and Schmidt 1982).

    >>> import numpy as np
    >>> found = sx.bounds.rank(np.array([[1, 1], [1, 1]]))
    >>> len(found.rows)
    1
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def bits(self) -> float:
        """The bound in bits."""
        return math.log2(len(self.rows)) if self.rows else 0.0

    def check(self, matrix: np.ndarray) -> None:
        """Raises InputError unless the submatrix is regular."""
        if rank(matrix[np.ix_(self.rows, self.columns)]).rows != tuple(range(len(self.rows))):
            raise InputError("no witness of rank: the submatrix is singular modulo the prime")


def rank(matrix: np.ndarray) -> Rank:
    """The rank modulo a prime, which never exceeds the rank over the rationals, by Gaussian elimination.

    >>> import numpy as np
    >>> numbers = np.arange(8)
    >>> len(sx.bounds.rank((numbers[:, None] >= numbers[None, :]).astype(int)).rows)  # greater or equal has full rank
    8
    """
    work = np.asarray(matrix, dtype=np.int64) % PRIME
    order = np.arange(len(work))
    columns, done = [], 0
    for column in range(work.shape[1]):
        (pivots,) = np.nonzero(work[done:, column])
        if not len(pivots):
            continue
        pivot = done + int(pivots[0])
        work[[done, pivot]], order[[done, pivot]] = work[[pivot, done]], order[[pivot, done]]
        work[done] = work[done] * pow(int(work[done, column]), -1, PRIME) % PRIME
        below = work[done + 1 :, column].copy()
        work[done + 1 :] = (work[done + 1 :] - below[:, None] * work[done][None]) % PRIME
        columns.append(column)
        done += 1
        if done == len(work):
            break
    return Rank(tuple(sorted(int(i) for i in order[:done])), tuple(columns))
