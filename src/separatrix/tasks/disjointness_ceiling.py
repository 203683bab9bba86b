"""Average-case ceilings of disjointness: what a message of M bits about one set tells of its meeting another.

Disjoint pairs D1 have independent elements: each is in the first set alone with chance r, in the second alone with
chance r, in neither else. Pairs D0 with c common elements have c random places set to both. Two ceilings, both proved.

Information (Bar-Yossef, Jayram, Kumar and Sivakumar 2004 bound worst cases so; here averages, one way, with constants).
Accuracy is at most 1/2 + TV / 2, TV the total variation of (message, y) under D1 and D0. On the way from D1 to D0:
(1) D1 with c random places conditioned on y = 1 has density C(|y|, c) / (C(n, c) r^c) against D1, a function of y; half
    its standard deviation bounds this step.
(2) Then x is set to 1 at these places, one after the other. With the others fixed, m = n - c + 1 places are left. Let
    I_k be the information of x_k in (message, y but y_k). I_k <= I(x_k; message | x_<k, y_>k); telescoping from y to x,
    sum_k I(x_k; message | x_<k, y_>k) - I(y_k; message | x_<k, y_>k) = I(x; message) - I(y; message) <= M. What y_k
    knows is at most the contraction r / (1 - r) of what x_k knows (Dobrushin): sum_k I_k <= M (1 - r) / (1 - 2r). By
    Pinsker's inequality I_k >= (2 / ln 2) r (1 - r) TV_k^2, and by Jensen's the mean TV_k of a random place is at most
    sqrt(ln 2 M / (2 r (1 - 2r) m)).

Norm: the matrix of `decision_ceiling` commutes with permutations of the places. By Schur and Weyl it falls into blocks
of n - 2j + 1 rows, j = 0 … n / 2, in which a tensor power of a 2 x 2 matrix A acts as det(A)^j Sym^(n - 2j)(A); those
that hold exactly c ones of both are the coefficient of t^c of A = [[1 - 2r, r], [r, t]].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np

from separatrix.errors import InputError
from separatrix.tasks.decision_ceiling import decision_ceiling

MOST = 32
"""Common elements of which step (2) speaks, with more TV is taken to be 1; elements up to which blocks are computed."""
LEAST = 1e-9
"""Density from which on powers of it are numbers."""


def disjointness_ceiling(n: int, density: float, common: Mapping[int, float], bits: int | float) -> float:
    """What a message of so many bits about one set can score: the lower of both ceilings.

    n:       elements, of which each is in one set alone with chance `density`
    common:  how many elements the pairs that meet have in common → share of these pairs

    >>> round(sx.bounds.disjointness_ceiling(1000, 1 / 3, {1: 1.0}, bits=10), 4)  # 1,000 bits are exact
    0.5995
    """
    first = information_ceiling(n, density, common, bits)
    if n > MOST or density < LEAST:
        return first
    return min(first, float(decision_ceiling(disjointness_norm(n, density, tuple(common.items())), bits)))


def information_ceiling(n: int, density: float, common: Mapping[int, float], bits: int | float) -> float:
    """The first ceiling, 1 where density is 1/2: then y is the complement of x, and the parity of x tells.

    bits: information in the message, at most its length

    >>> round(information_ceiling(10000, 1 / 3, {1: 1.0}, bits=2500), 4)
    0.9451
    """
    _check(n, density, common, bits)
    return 0.5 + sum(share * _distance(n, density, c, bits) for c, share in common.items()) / 2


def _distance(n: int, r: float, common: int, bits: int | float) -> float:
    """Total variation of (message, y) between disjoint pairs and those with so many common elements."""
    if not LEAST <= r < 0.5 or common > MOST:
        return 1.0
    overlaps = (_hypergeometric(n, common, j) * r**-j for j in range(common + 1))
    spread = math.sqrt(max(0.0, sum(overlaps) - 1)) / 2
    step = math.sqrt(math.log(2) * bits / (2 * r * (1 - 2 * r) * (n - common + 1)))
    return min(1.0, spread + common * step)


def _hypergeometric(n: int, c: int, j: int) -> float:
    """The chance that two random sets of c of n places have j in common."""
    return math.comb(c, j) * math.comb(n - c, c - j) / math.comb(n, c)


@cache
def disjointness_norm(n: int, density: float, common: tuple[tuple[int, float], ...]) -> float:
    """||B|| of half disjoint pairs and half such as meet: the second ceiling, by blocks. `common` as pairs.

    >>> round(disjointness_norm(16, 1 / 3, ((1, 1.0),)), 4)
    0.2414
    """
    _check(n, density, dict(common), 0)
    return max(float(np.linalg.norm(_block(n, j, density, common), 2)) for j in range(n // 2 + 1))


def _block(n: int, j: int, r: float, common: tuple[tuple[int, float], ...]) -> np.ndarray:
    """[n - 2j + 1, n - 2j + 1] by the ones of x and y beyond j; rows and columns are scaled by r^W (1 - r)^(n - W)."""
    from scipy.special import comb  # noqa: PLC0415  (slow to import, and no other part of a task needs it)

    size = n - 2 * j
    w, v = np.meshgrid(np.arange(size + 1), np.arange(size + 1), indexing="ij")
    ones = np.arange(size + 1) + j
    met = sum((share * comb(ones, c) / math.comb(n, c) * r**-c for c, share in common), np.zeros(size + 1))
    chance = (1 + met) / 2  # of one x with so many ones, in that scale
    total = np.zeros((size + 1, size + 1))
    for c, share in ((0, -1.0), *common):
        for i in range(min(c, j) + 1):
            a = c - i
            neither = size - w - v + a
            fits = (w >= a) & (v >= a) & (neither >= 0)
            ways = comb(size, w) * comb(w, a) * comb(size - w, np.maximum(v - a, 0))
            ways = np.where(fits, ways / np.sqrt(comb(size, w) * comb(size, v)), 0.0)
            exponent = (w + v) / 2 + j - 2 * c
            factor = r**exponent * (1 - 2 * r) ** np.where(fits, neither + i, 0.0) / (1 - r) ** (n - j - (w + v) / 2)
            total -= share / 2 / math.comb(n, c) * math.comb(j, i) * (-1.0) ** (j - i) * ways * factor
    return total / np.sqrt(np.outer(chance, chance))


def _check(n: int, density: float, common: Mapping[int, float], bits: int | float) -> None:
    if n < 1 or not 0 < density <= 0.5 or bits < 0:
        raise InputError(f"expected n >= 1, a density in 0 … 1/2 and bits >= 0, got {n}, {density} and {bits}")
    if not all(1 <= c <= n for c in common) or not math.isclose(sum(common.values()), 1.0, rel_tol=1e-9):
        raise InputError(f"expected shares of 1 … {n} common elements, summing to 1, got {dict(common)}")
