"""Accuracy ceilings: what a state of M bits can ever score, by the rate–distortion function of uniform tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from separatrix.errors import InputError


def accuracy_ceiling(length: Any, alphabet: Any, bits: Any) -> Any:
    """Proved ceiling on the average accuracy of recalling uniform tokens from a state of so many bits.

    length:   number of independent tokens N, >= 1
    alphabet: their alphabet size S, >= 2
    bits:     bits of the state M, >= 0
    Numbers, or arrays that broadcast; a float, or a float64 array, in [1/S, 1], exact to 1e-9.

    1 - D with log2 S - h2(D) - D log2(S - 1) = M / N. Proof: the answers recovered from one state have
    sum_i I(s_i; answer_i) <= I(s; state) <= M, each I is at least the rate–distortion function at that position's
    error, and the function is convex, so the average error has at most the average rate.

    >>> round(sx.bounds.accuracy_ceiling(length=400, alphabet=64, bits=1024), 3)  # 2400 bits are asked for
    0.588
    >>> sx.bounds.accuracy_ceiling(400, 64, [0, 1200, 2400]).round(3).tolist()
    [0.016, 0.654, 1.0]
    """
    if np.any(np.asarray(length) < 1) or np.any(np.asarray(alphabet) < 2) or np.any(np.asarray(bits) < 0):
        raise InputError(f"expected length >= 1, alphabet >= 2 and bits >= 0, got {length}, {alphabet} and {bits}")
    n, s, m = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (length, alphabet, bits)))
    rate = m / n
    low, high = np.zeros_like(rate), 1 - 1 / s
    for _ in range(200):  # bisection on the accuracy above chance, past the resolution of a float
        middle = (low + high) / 2
        enough = _rate(middle, s) <= rate
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    ceiling = np.where(rate >= np.log2(s), 1.0, np.where(rate == 0, 1 / s, 1 / s + low))
    return float(ceiling) if ceiling.ndim == 0 else ceiling


def _rate(above: Any, s: Any) -> Any:
    """Bits per token needed for accuracy 1/S + above: a divergence, written so that it is exact near chance."""
    right, wrong = 1 / s + above, 1 - 1 / s - above
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(wrong > 0, wrong * np.log1p(-above * s / (s - 1)), 0.0)
    return (right * np.log1p(above * s) + lost) / math.log(2)
