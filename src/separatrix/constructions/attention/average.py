"""Counting by an average that is exact: equal weights whose products with one value are short numbers.

The weight of each of Z tied positions is w = fl(1/Z), all of whose bits may be in use: adding w up rounds. So the
value averaged is not 1 but a number v with fl(w v) = a 2^-e for a small whole a. Multiples of that are exact, in any
order and with fused multiply-adds (whose unrounded product is within half a unit in the last place of it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from separatrix.constructions.attention.one_hot import require_exact
from separatrix.constructions.certificate import CertificateError
from separatrix.numerics import FixedPoint, FloatingPoint, Format, Real

MULTIPLIERS = range(1, 64, 2)
EXACT_FP32 = 2**24
"""Whole numbers up to here are exact in fp32, in which weights are stored also where the arithmetic is real."""


@dataclass(frozen=True)
class Share:
    """What one position adds to the average: `total` positions of equal weight, `value` averaged, `share` = fl(w v).

    The share is `multiple` times `unit`, of which sums are whole multiples.
    """

    total: int
    value: float
    share: float
    multiple: int
    unit: float


def share(total: int, counted: int, number_format: Format) -> Share:
    """A value whose sums over at most `counted` of `total` positions are exact. Raises CertificateError without one."""
    require_exact(number_format, total, 1.0, "the sums of equal weights")
    found = share_of(total, number_format)
    require_exact(number_format, (counted + 1) * found.multiple, found.unit, "averages")
    return found


def share_of(total: int, number_format: Format) -> Share:
    """A value whose product with one weight is short, whether or not sums of so many are exact."""
    weight = number_format.round_number(1 / total)
    if isinstance(number_format, Real):
        if total > EXACT_FP32:
            raise CertificateError(f"weights are stored in fp32, which holds no {total}: take a shorter length")
        unit = 2.0 ** -(total - 1).bit_length()
        return Share(total, total * unit, unit, 1, unit)
    if weight == 0:
        raise CertificateError(f"1/{total} is 0 in {number_format}: take a finer format or a shorter length")
    if isinstance(number_format, FixedPoint):
        return Share(total, 1.0, weight, 1, weight)
    assert isinstance(number_format, FloatingPoint)
    for multiple in MULTIPLIERS:
        unit = 2.0 ** math.floor(math.log2(weight / multiple) + 1)  # so that values are between 1 and 2
        near = number_format.round_number(multiple * unit / weight)
        gap = 2.0 ** (math.frexp(near)[1] - 1 - number_format.mantissa)
        for value in (near, near - gap, near + gap):
            if number_format.round_number(weight * number_format.round_number(value)) == multiple * unit:
                return Share(total, number_format.round_number(value), multiple * unit, multiple, unit)
    raise CertificateError(f"no value makes averages over {total} positions exact in {number_format}")
