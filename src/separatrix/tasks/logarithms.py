"""Logarithms of numbers too large for a float."""

from __future__ import annotations

import math


def log2_binomial(n: int, k: int) -> float:
    """log2 of C(n, k), exact to rounding for integers of any size."""
    return log2_integer(math.comb(n, k)) if min(k, n - k) <= 10_000 else _log2_binomial_stirling(n, k)


def log2_integer(value: int) -> float:
    """log2 of an integer of any size."""
    shift = max(0, value.bit_length() - 64)
    return math.log2(value >> shift) + shift


def _log2_binomial_stirling(n: int, k: int) -> float:
    import mpmath  # noqa: PLC0415  # only for huge arguments

    with mpmath.workdps(50):
        return float((mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)) / mpmath.log(2))
