"""Numbers of a format as bit patterns: what a message of p bits a number really says."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.numerics.formats import FixedPoint, FloatingPoint, Format


def patterns(number_format: Format, x: Float[Tensor, "*B"]) -> Int[Tensor, "*B"]:
    """The p-bit pattern of each value, in 0 … 2^p - 1: IEEE 754 order of the bits, or two's complement.

    Raises InputError for values that the format does not hold.
    """
    wide = x.double()
    if not bool((number_format.round(wide).nan_to_num(7.5) == wide.nan_to_num(7.5)).all()):
        raise InputError(f"these are no values of {number_format}")
    if isinstance(number_format, FixedPoint):
        return (wide / number_format.smallest).long() % 2**number_format.p
    assert isinstance(number_format, FloatingPoint)
    step = 2**number_format.mantissa
    size = wide.abs()
    finite = torch.where(size.isfinite(), size, 1.0)
    power = (torch.frexp(finite).exponent - 1).clamp(min=number_format.lowest)  # of the binade; subnormals': the first
    within = torch.ldexp(finite, number_format.mantissa - power).long()  # in units of the last digit
    code = (power - number_format.lowest) * step + within
    top = 2 ** (number_format.bits - 1)
    code = torch.where(size == 0, 0, code)
    code = torch.where(size.isinf(), (2**number_format.exponent - 1) * step, code)
    code = torch.where(wide.isnan(), top - 1, code)  # all ones
    return code + torch.where(torch.signbit(wide), top, 0)


def values(number_format: Format, code: Int[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """The values of p-bit patterns, in float64: the inverse of `patterns`."""
    if isinstance(number_format, FixedPoint):
        half = 2 ** (number_format.p - 1)
        return ((code + half) % (2 * half) - half).double() * number_format.smallest
    assert isinstance(number_format, FloatingPoint)
    step, top = 2**number_format.mantissa, 2 ** (number_format.bits - 1)
    size = code % top
    field = size // step
    within = size % step + torch.where(field > 0, step, 0)
    x = torch.ldexp(within.double(), field.clamp(min=1) - 1 + number_format.lowest - number_format.mantissa)
    special = field == 2**number_format.exponent - 1
    if number_format.finite:
        x = torch.where(size == top - 1, math.nan, x)
    else:
        x = torch.where(special, torch.where(size % step == 0, math.inf, math.nan), x)
    return torch.where(code >= top, -x, x)
