"""Two-way communication: fooling sets and the log-rank bound, each with a witness that anyone can check."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from separatrix.bounds.table import unique_rows
from separatrix.errors import InputError
from separatrix.notebook import Shown

PRIME = 2_147_483_629
"""The largest prime below 2^31 - 16: products of residues fit in 62 bits."""


@dataclass(frozen=True)
class FoolingSet(Shown):
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
class Rank(Shown):
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


@dataclass(frozen=True)
class CrossingSet(Shown):
    """Pairs (row, column) of which any two, exchanged, answer otherwise in the column of one of them.

    A fooling set for messages after which only the holder of the column must know the answer. Pairs of one transcript
    may be exchanged, and in each column the answer stays the same: so no two pairs share a transcript, and any
    protocol, two-way or not, needs log2 of their number bits. There are at most as many as different rows.

    >>> import numpy as np
    >>> found = sx.bounds.crossing_set(np.array([[0, 1], [0, 0]]))
    >>> found.pairs, found.bits
    (((0, 1), (1, 1)), 1.0)
    """

    pairs: tuple[tuple[int, int], ...]

    @property
    def bits(self) -> float:
        """The bound in bits."""
        return math.log2(max(1, len(self.pairs)))

    def check(self, matrix: np.ndarray, undefined: int | None = None) -> None:
        """Raises InputError, naming the pairs, unless any two are told apart by defined entries."""
        for i, one in enumerate(self.pairs):
            for other in self.pairs[:i]:
                if not any(_differ(matrix, one, other, pair[1], undefined) for pair in (one, other)):
                    raise InputError(f"no fooling set: {one} and {other} do not fool")


def _differ(
    matrix: np.ndarray, one: tuple[int, int], other: tuple[int, int], column: int, undefined: int | None
) -> bool:
    a, b = matrix[one[0], column], matrix[other[0], column]
    return bool(a != b and undefined not in (int(a), int(b)))


RESTARTS = 12
"""Random orders in which the rows of a small matrix are taken besides the first one."""

SMALL = 128
"""Rows of which several orders are tried."""

TRIES = 16
"""Columns tried for each row."""


def crossing_set(matrix: np.ndarray, undefined: int | None = None) -> CrossingSet:
    """A large crossing set, greedily: each row with a column in which few others answer as it does. A proved bound.

    >>> import numpy as np
    >>> len(sx.bounds.crossing_set(np.tri(8, dtype=int)).pairs)  # greater or equal
    8
    """
    first = np.sort(unique_rows(matrix)[0])
    rows = matrix[first]
    blank = np.zeros(rows.shape, dtype=bool) if undefined is None else rows == undefined
    lonely = np.zeros(rows.shape, dtype=np.int64)  # rows that answer so in this column
    for value in np.unique(rows[~blank]):
        lonely += (rows == value) * (rows == value).sum(axis=0)
    lonely[blank] = len(rows) + 1
    draw, best = np.random.default_rng(0), _greedily(rows, blank, lonely, lonely.min(axis=1))
    for _ in range(RESTARTS if len(rows) <= SMALL else 0):
        if len(best) == len(rows):
            break
        shuffled = lonely + draw.random(rows.shape)
        best = max(best, _greedily(rows, blank, shuffled, draw.random(len(rows))), key=len)
    return CrossingSet(tuple((int(first[row]), column) for row, column in best))


def _greedily(rows: np.ndarray, blank: np.ndarray, lonely: np.ndarray, order: np.ndarray) -> list[tuple[int, int]]:
    """Rows in an order, each with the loneliest of its columns that tells it from all pairs before."""
    kept: tuple[list[int], list[int]] = ([], [])
    for row in np.argsort(order, kind="stable").tolist():
        for column in np.argsort(lonely[row], kind="stable")[:TRIES].tolist():
            if blank[row, column]:
                break
            before, columns = kept
            here = (rows[row, columns] != rows[before, columns]) & ~blank[row, columns]
            there = (rows[before, column] != rows[row, column]) & ~blank[before, column]
            if (here | there).all():
                before.append(row)
                columns.append(column)
                break
    return list(zip(*kept, strict=True))
