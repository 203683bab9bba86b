"""Which models of arithmetic a number format may mean, and numbers of p bits."""

from __future__ import annotations

from collections.abc import Sequence

from separatrix.bounds.arithmetic import ArithmeticModel, FixedPointSums, FloatingPointSums, Kind, RoundedSums
from separatrix.errors import InputError
from separatrix.numerics import FORMATS, FixedPoint, FloatingPoint, Format, parse


def of_format(number_format: str | Format) -> list[ArithmeticModel]:
    """The models of arithmetic that speak of a format. Raises InputError for one without a number of bits.

    >>> [model.words for model in sx.bounds.of_format("bf16")]
    ['bf16, exact sums', 'bf16, maximum subtracted, exact sums', 'every result rounded to bf16, sums in order']
    """
    found = parse(number_format)
    if isinstance(found, FloatingPoint):
        exact = [FloatingPointSums(found), FloatingPointSums(found, subtract=True)]
        return [*exact, RoundedSums(found.bits, found)]
    if isinstance(found, FixedPoint):
        return [FixedPointSums(found.bits, found.fraction), RoundedSums(found.bits, found)]
    raise InputError(f"{found} has no number of bits: choose a format such as bf16 or fixed(16)")


def of_precision(bits: int) -> list[ArithmeticModel]:
    """All that numbers of so many bits may mean: fixed point, the named formats of that size, every result rounded.

    >>> [model.words for model in sx.bounds.of_precision(24)]
    ['24-bit fixed point, exact sums', 'every result rounded to 24 bits, sums in order']
    """
    named = [found for found in FORMATS.values() if isinstance(found, FloatingPoint) and found.bits == bits]
    floats = [FloatingPointSums(found, subtract) for found in named for subtract in (False, True)]
    return [FixedPointSums(bits), *floats, RoundedSums(bits)]


def chosen(
    precision: int | None = None, number_format: str | None = None, kind: Kind | None = None
) -> Sequence[ArithmeticModel]:
    """The models of arithmetic that somebody asks for: of a format, or of numbers of p bits (32 when neither is given).

    Raises InputError when there is none, or when format and bits disagree.
    """
    every = of_precision(precision or 32) if number_format is None else of_format(number_format)
    if precision not in (None, every[0].bits):
        raise InputError(f"{number_format} has {every[0].bits} bits, got a precision of {precision}: leave one out")
    found = [each for each in every if kind in (None, each.kind)]
    if not found:
        has = ", ".join(dict.fromkeys(each.kind for each in every))
        where = f"numbers of {precision} bits without a format" if number_format is None else number_format
        other = "bf16" if kind == "float" else f"fixed({every[0].bits})"
        raise InputError(f"no arithmetic {kind!r} for {where}: expected one of {has}, or a --format such as {other}")
    return found
