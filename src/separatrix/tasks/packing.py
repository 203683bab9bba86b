"""How many points are known to fit on a sphere or cube with inner products of at most 1 - margin."""

from __future__ import annotations

import math

MANY = 1 << 62
"""More points than any context holds."""


def sphere_points(dimension: int, margin: float) -> int:
    """Unit vectors in d dimensions, margin in [0, 2]: the best of polygon, cross-polytope, simplex and greedy choice.

    Greedy (Gilbert–Varshamov): new points fit until caps of angle t = arccos(1 - margin) around the old ones cover the
    sphere, and a cap of angle t < pi / 2 is at most (sin t)^(d - 1) / 2 of it.
    """
    inner = 1 - margin
    if margin == 0 and dimension >= 2:
        return MANY
    fits = 2
    if dimension == 2:
        fits = max(fits, math.floor(2 * math.pi / math.acos(inner) + 1e-9))
    if dimension >= 2 and margin <= 1 + 1 / dimension:
        fits = max(fits, dimension + 1)
    if dimension >= 2 and margin <= 1:
        fits = max(fits, 2 * dimension)
    if dimension >= 2 and inner > 0:
        bits = 1 - (dimension - 1) / 2 * math.log2(1 - inner**2)
        fits = max(fits, math.ceil(2.0 ** min(bits, 62) * (1 - 1e-12)))
    return fits


def cube_points(dimension: int, margin: float) -> int:
    """Sign vectors / sqrt(d), margin in [0, 2]: greedy choice of words at Hamming distance margin d / 2 or more."""
    distance = max(1, math.ceil(margin * dimension / 2 - 1e-9))
    ball = sum(math.comb(dimension, i) for i in range(distance))
    return max(2, -(-(1 << dimension) // ball))
