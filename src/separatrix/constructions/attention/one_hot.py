"""Attention so sharp that it reads one position: temperatures, leaks, and what a format adds without rounding.

Scores are whole multiples of beta, a power of two. Where a format adds them exactly, in any order, and the exponential
of minus a gap rounds to 0 in it, the position with the largest score gets weight exactly 1: attention is a lookup.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from separatrix.constructions.certificate import CertificateError
from separatrix.numerics import FORMATS, FloatingPoint, Format, Real

LOG_SAFETY = 0.01
"""Exponents are this much (as a logarithm) below the tie with 0: exponentials need not be correctly rounded."""


def vanishing(number_format: Format) -> float:
    """The least x from which on exp(-x) is rounded to 0. In real arithmetic it never is: fp32's stands in for it."""
    smallest = (FORMATS["fp32"] if isinstance(number_format, Real) else number_format).smallest
    return math.log(2) - math.log(smallest) + LOG_SAFETY


def temperature(gap: float, number_format: Format) -> float:
    """The least inverse temperature, a power of two, that makes weights vanish over a gap between scores."""
    return 2.0 ** math.ceil(math.log2(vanishing(number_format) / gap))


def temperatures(number_format: Format) -> Iterator[float]:
    """The powers of two a format holds, as far as they can be sharp: for the search of inputs that fail in it."""
    for exponent in range(-2, 12):
        if number_format.round_number(2.0**exponent) == 2.0**exponent:
            yield 2.0**exponent


def leak(others: int, gap: float) -> float:
    """In real arithmetic the weight of all other positions together is less than this, when all are so far below."""
    return math.exp(math.log(others) - gap) if others else 0.0


def require_exact(number_format: Format, most: int, unit: float, what: str) -> None:
    """CertificateError unless sums of `what`, up to `most` multiples of `unit`, are exact in any order."""
    if most * unit > (there := number_format.exact_up_to(unit)):
        raise CertificateError(
            f"{number_format} adds multiples of {unit:g} exactly up to {there:g}, {what} go up to {most * unit:g}: "
            "take a wider format or a shorter length"
        )


def require_room(number_format: Format, apart: float, what: str) -> None:
    """CertificateError where differences of `what`, up to `apart`, are infinite; in fixed point they saturate."""
    if isinstance(number_format, FloatingPoint) and apart > number_format.largest:
        raise CertificateError(
            f"differences of {what} go up to {apart:g}, {number_format} ends at {number_format.largest:g}: take a "
            "wider format or a shorter length"
        )


def ties_are_finite(number_format: Format, largest_value: float) -> bool:
    """Whether averages over tied positions, each of weight at most 1, stay finite.

    Where too many ones overflow, infinities make weights 0, which is harmless; a format without infinities has NaN.
    Summed one by one, equal terms stop growing at 2^(mantissa + 1) of them: in such a format that order is asked for.
    """
    if not isinstance(number_format, FloatingPoint) or not number_format.finite:
        return True
    return 2 ** (number_format.mantissa + 2) * max(1.0, largest_value) <= number_format.largest
