"""Average-case ceilings of decisions: what one message of M bits can ever score, by the norm of a signed matrix.

Held part x, rest y, distribution D(x, y), answers f(x, y) = ±1, marginals p and q, B = D f / sqrt(p q). A message
splits the x into 2^M classes; with 1_m the class of message m and g_m(y) = ±1 the answers given to it,

    sum_m 1_m^T (D f) g_m <= ||B|| sum_m sqrt(p(class m)) sqrt(q(all)) <= 2^(M/2) ||B||

by Cauchy's inequality twice. This is the share of right answers minus that of wrong ones, so that the accuracy is at
most 1/2 + 2^(M/2) ||B|| / 2. With uniform marginals of R and C values ||B|| = sqrt(R C) ||D f||. It holds for any
one-way message, and so for a state of M bits after the held prefix, trained or not; it says nothing of messages both
ways.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from separatrix.errors import InputError

LARGEST = 10
"""Rows whose splits into classes are all tried: 115,975 of 10."""


def decision_ceiling(norm: Any, bits: Any) -> Any:
    """1/2 + 2^(M/2) ||B|| / 2, and 1 at most. Numbers, or arrays that broadcast.

    >>> round(sx.bounds.decision_ceiling(norm=2**-8, bits=4), 4)  # inner product of two strings of 16 bits
    0.5078
    """
    if np.any(np.asarray(bits) < 0) or np.any(np.asarray(norm) < 0):
        raise InputError(f"expected bits >= 0 and a norm >= 0, got {bits} and {norm}")
    exponent = np.minimum(np.asarray(bits, dtype=np.float64) / 2, 1000.0)
    ceiling = np.minimum(1.0, 0.5 + np.exp2(exponent) * norm / 2)
    return float(ceiling) if ceiling.ndim == 0 else ceiling


def correlation_norm(signed: np.ndarray) -> float:
    """||B|| of a matrix D f: probabilities with the sign of the answer, of any distribution.

    >>> import numpy as np
    >>> bits = np.arange(8)
    >>> common = np.array([[bin(x & y).count("1") for y in bits] for x in bits])
    >>> round(sx.bounds.correlation_norm((-1.0) ** common / 64), 6), round(2 ** -(3 / 2), 6)  # inner product
    (0.353553, 0.353553)
    """
    signed = np.asarray(signed, dtype=np.float64)
    total = np.abs(signed).sum()
    if signed.ndim != 2 or not math.isclose(total, 1.0, rel_tol=1e-9):
        raise InputError(f"expected a matrix of probabilities with signs, summing to 1, got a sum of {total:g}")
    p, q = np.abs(signed).sum(axis=1), np.abs(signed).sum(axis=0)
    kept = signed[p > 0][:, q > 0]
    return float(np.linalg.norm(kept / np.sqrt(np.outer(p[p > 0], q[q > 0])), 2))


def best_accuracy(signed: np.ndarray, bits: int) -> float:
    """What the best message of so many bits scores: every split of the rows into 2^bits classes, tried.

    Raises InputError for more than `LARGEST` rows.

    >>> import numpy as np
    >>> sx.bounds.best_accuracy(np.array([[1, -1], [-1, 1]]) / 4, bits=0)  # which of two equal bits? nobody knows
    0.5
    """
    signed = np.asarray(signed, dtype=np.float64)
    if len(signed) > LARGEST:
        raise InputError(f"every split of {len(signed)} rows is too many: {LARGEST} at most")
    best = max(
        sum(float(np.abs(signed[group].sum(axis=0)).sum()) for group in groups)
        for groups in splits(list(range(len(signed))), 2**bits)
    )
    return 0.5 + best / 2


def splits(items: Sequence[int], classes: int) -> Iterator[list[list[int]]]:
    """Every split of items into so many classes at most.

    >>> len(list(splits([0, 1, 2, 3], 2)))
    8
    """
    if not items:
        yield []
        return
    *rest, last = items
    for groups in splits(rest, classes):
        for i in range(len(groups)):
            yield [*groups[:i], [*groups[i], last], *groups[i + 1 :]]
        if len(groups) < classes:
            yield [*groups, [last]]


def inner_product_ceiling(length: int, bits: int | float) -> float:
    """1/2 + 2^((M - n) / 2 - 1) for the inner product modulo 2 of two uniform strings of n bits, one held.

    Its signs are a Hadamard matrix, of norm 2^(n/2), so that ||B|| = 2^(-n/2): accuracy grows past 1/2 only with
    nearly all of the n bits held.

    >>> sx.bounds.inner_product_ceiling(64, bits=32), sx.bounds.inner_product_ceiling(64, bits=62)
    (0.5000076293945312, 0.75)
    """
    if length < 1:
        raise InputError(f"length must be at least 1, got {length}")
    return float(decision_ceiling(2.0 ** (-length / 2), bits))


def difference_norm(length: int, signed: Mapping[int, float], alphabet: int = 2) -> float:
    """||B|| where x is uniform and the answer and its probability depend on the weight of y - x alone.

    length:   symbols n of each string
    signed:   by Hamming distance d: the probability of that distance, with the sign of its answer
    alphabet: S; differences are taken in each place modulo S, uniform among those of one distance
    B is a convolution: its eigenvalues are sum_d signed(d) K_d(s) / K_d(0), s = 0 … n, with the Krawtchouk polynomials
    K_d(s) = sum_j (-1)^j (S-1)^(d-j) C(s, j) C(n-s, d-j); in whole numbers until the quotient.

    >>> equal_or_one_apart = {0: 0.5, 1: -0.5}
    >>> sx.bounds.difference_norm(4, equal_or_one_apart)
    1.0
    """
    if not math.isclose(sum(map(abs, signed.values())), 1.0, rel_tol=1e-9):
        raise InputError(f"expected probabilities with signs, summing to 1, got {dict(signed)}")
    if not all(0 <= d <= length for d in signed):
        raise InputError(f"distances must be in 0 … {length}, got {sorted(signed)}")
    least = [krawtchouk(length, d, 0, alphabet) for d in signed]
    return max(
        abs(
            sum(
                weight * krawtchouk(length, d, s, alphabet) / most
                for (d, weight), most in zip(signed.items(), least, strict=True)
            )
        )
        for s in range(length + 1)
    )


def krawtchouk(length: int, degree: int, s: int, alphabet: int = 2) -> int:
    """K_d(s): the sum of a character of s places over all strings of weight d.

    >>> [krawtchouk(4, 1, s) for s in range(5)]
    [4, 2, 0, -2, -4]
    """
    return sum(
        (-1) ** j * (alphabet - 1) ** (degree - j) * math.comb(s, j) * math.comb(length - s, degree - j)
        for j in range(degree + 1)
    )
