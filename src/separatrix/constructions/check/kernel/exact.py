"""What the checker computes with: formats, real arithmetic as float64 has it, and what numbers are multiples of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from separatrix.numerics import FloatingPoint, Format, Real


@dataclass(frozen=True)
class Carried(Real):
    """Real arithmetic as the checker computes it, in float64: only what float64 holds exactly counts as computed."""

    def exact_up_to(self, unit: float) -> float:
        return unit * 2.0**52 if 2.0**-900 <= unit <= 2.0**900 else 0.0


def carrier(number_format: Format) -> Format:
    """The format itself; for real arithmetic what float64 does not round."""
    return Carried() if isinstance(number_format, Real) else number_format


def may_overflow(number_format: Format, largest: float) -> bool:
    """Whether rounding results up to this size gives infinity or no number; fixed point saturates, reals do neither."""
    return isinstance(number_format, FloatingPoint) and not largest <= number_format.largest


def units(x: np.ndarray) -> np.ndarray:
    """The largest power of two that each number is a whole multiple of; infinity for 0."""
    fraction, exponent = np.frexp(x)
    whole = np.ldexp(fraction, 53).astype(np.int64)
    lowest = (whole & -whole).astype(np.float64)
    return np.where(x == 0, np.inf, np.ldexp(lowest, exponent - 53))


def column_units(x: np.ndarray) -> np.ndarray:
    """The largest power of two that all numbers of a column are whole multiples of; infinity for columns of 0."""
    whole = np.rint(x)
    if (whole != x).any() or np.abs(x).max(initial=0) >= 2**53:
        return units(x).min(axis=0, initial=np.inf)
    joined = np.bitwise_or.reduce(whole.astype(np.int64), axis=0)
    return np.where(joined == 0, np.inf, (joined & -joined).astype(np.float64))
