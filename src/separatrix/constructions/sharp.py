"""Attention so sharp that it reads one position: temperatures, leaks, and which whole numbers a format adds exactly.

Scores are whole multiples of beta, a power of two. Where a format adds them exactly, in any order, and the exponential of
minus a gap rounds to 0 in it, the position with the largest score gets weight exactly 1: attention is a lookup.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float as FloatArray
from jaxtyping import Int
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.numerics import FORMATS, Fixed, Float, Format, Real

LOG_SAFETY = 0.01
"""Exponents are this much (as a logarithm) below the tie with 0: exponentials need not be correctly rounded."""


def signs(numbers: Int[Tensor, " n"], bits: int) -> FloatArray[Tensor, "n bits"]:
    """The binary digits of numbers, lowest first, as -1 and +1."""
    return (numbers[:, None] >> torch.arange(bits) & 1).float() * 2 - 1


def vanishing(number_format: Format) -> float:
    """The least x from which on exp(-x) is rounded to 0. In real arithmetic it never is: fp32's stands in for it."""
    smallest = (FORMATS["fp32"] if isinstance(number_format, Real) else number_format).smallest
    return math.log(2) - math.log(smallest) + LOG_SAFETY


def temperature(gap: float, number_format: Format) -> float:
    """The least inverse temperature, a power of two, that makes weights vanish over a gap between scores."""
    return 2.0 ** math.ceil(math.log2(vanishing(number_format) / gap))


def leak(others: int, gap: float) -> float:
    """In real arithmetic the weight of all other positions together is less than this, when all are so far below."""
    return math.exp(math.log(others) - gap) if others else 0.0


def whole_numbers(number_format: Format, unit: float) -> int:
    """The largest M such that every sum of multiples of `unit` that stays within M of them is exact, in any order."""
    match number_format:
        case Real():
            return 2**62
        case Float():
            most = min(2 ** (number_format.mantissa + 1), math.floor(number_format.largest / unit))
        case _:
            most = math.floor(number_format.largest / unit)
    return most if unit >= number_format.smallest else 0


def require_exact(number_format: Format, most: int, unit: float, what: str) -> None:
    """CertificateError unless sums of `what`, up to `most` multiples of `unit`, are exact in any order."""
    if (there := whole_numbers(number_format, unit)) < most:
        raise CertificateError(
            f"{number_format} adds whole multiples of {unit:g} exactly up to {there}, {what} go up to {most}: "
            "take a wider format or a shorter length"
        )


def ties_are_finite(number_format: Format, largest_value: float) -> bool:
    """Whether averages over tied positions, each of weight at most 1, stay finite in any order of the sums.

    Where too many ones overflow, infinities make weights 0, which is harmless; a format without infinities has NaN. Summed
    one by one, equal terms stop growing at 2^(mantissa + 1) of them.
    """
    if isinstance(number_format, Float) and number_format.finite:
        return 2 ** (number_format.mantissa + 2) * max(1.0, largest_value) <= number_format.largest
    return isinstance(number_format, Fixed | Float | Real)
