"""Base-2 logarithms of counts too large for a float, to the precision of one."""

from __future__ import annotations

import math

_EXACT = 2048
"""Up to about so many bits counts are computed as integers."""


def log2_binomial(n: int, k: int) -> float:
    """log2 of C(n, k), 0 <= k <= n of any size."""
    k = min(k, n - k)
    if k * n.bit_length() <= 8 * _EXACT:
        return math.log2(math.comb(n, k))
    # Stirling's series, with the terms of order n log n, which cancel, written as an entropy
    share = k / n
    entropy = -k * math.log2(share) - (n - k) * math.log1p(-share) / math.log(2)
    correction = _stirling(n) - _stirling(k) - _stirling(n - k)
    return entropy + 0.5 * math.log2(n / (2 * math.pi * k * (n - k))) + correction / math.log(2)


def log2_power_sum(base: int, low: int, high: int, step: int = 1, plus: int = 0) -> float:
    """log2 of plus + base^low + base^(low + step) + … + base^h, h the last such exponent <= high; high >= low >= 0."""
    terms = (high - low) // step + 1
    if base == 1:
        return math.log2(terms + plus)
    last = low + (terms - 1) * step
    ratio = base**step
    if last * math.log2(base) <= _EXACT:
        return math.log2(base**low * (ratio**terms - 1) // (ratio - 1) + plus)
    # base^last (1 - ratio^-terms) / (1 - 1 / ratio); `plus` is behind the last digit of so large a number
    shortfall = math.log1p(-(2.0 ** (-terms * math.log2(ratio)))) - math.log1p(-1 / ratio)
    return last * math.log2(base) + shortfall / math.log(2)


def log2_add(*logs: float) -> float:
    """log2 of a sum, from the log2 of its terms."""
    top = max(logs)
    return top + math.log2(math.fsum(2.0 ** (log - top) for log in logs))


def _stirling(n: int) -> float:
    """What Stirling's ln(sqrt(2 pi n) (n / e)^n) lacks of ln n!."""
    return 1 / (12 * n) - 1 / (360 * n**3) + 1 / (1260 * n**5)
