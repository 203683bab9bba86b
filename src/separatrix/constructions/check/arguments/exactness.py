"""Sums of given numbers that must not round, and gaps of scores that must vanish, as lemmas about rows need them."""

from __future__ import annotations

import math

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.kernel.exact import carrier, column_units, units
from separatrix.numerics import Format, Real


class Exactness:
    """Sums that must not round. In real arithmetic they must not round in float64, in which they are computed here.

    A sum is exact in any order, with or without fused multiply-adds, when all its terms are multiples of one unit (a
    power of two the format holds), and neither its positive nor its negative terms add up to more than the format
    holds all multiples of: no partial sum does then.
    """

    def __init__(self, number_format: Format) -> None:
        self.format = carrier(number_format)
        self.rounds = not isinstance(number_format, Real)

    def sums(self, mass: np.ndarray, unit: np.ndarray, what: str) -> None:
        """Sums whose terms are multiples of `unit`; those of either sign add up to at most `mass`."""
        for largest, least in zip(mass.tolist(), unit.tolist(), strict=True):
            if largest > 0 and not largest <= (bound := self.format.exact_up_to(least)):
                raise CertificateError(
                    f"{what} are rounded in {self.format}: they go up to {largest:g}, multiples of {least:g} are exact "
                    f"up to {bound:g}"
                )

    def linear(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, what: str) -> np.ndarray:
        """X W^T + b, [M, D] to [M, O], of which CertificateError unless no sum rounds."""
        rise, fall, unit = signed(x, weight)
        rise, fall = rise + np.maximum(bias, 0), fall + np.maximum(-bias, 0)
        self.sums(np.maximum(rise, fall).max(axis=0, initial=0), np.minimum(unit, units(bias)), what)
        return rise - fall

    def add(self, *terms: np.ndarray, what: str) -> np.ndarray:
        """The sum of arrays, of which CertificateError unless none rounds. Units are those of whole columns."""
        total = sum(terms[1:], start=terms[0])
        shaped = [np.broadcast_to(term, total.shape).reshape(-1, total.shape[-1]) for term in terms]
        unit = np.min([column_units(term) for term in shaped], axis=0)
        rise, fall = (sum(np.maximum(sign * term, 0) for term in shaped) for sign in (1, -1))
        self.sums(np.maximum(rise, fall).max(axis=0, initial=0), unit, what)
        return total


def vanishes(number_format: Format, gap: float) -> bool:
    """Whether a score this far below the largest, the difference rounded, has an exponential that rounds to 0."""
    if gap == math.inf:
        return True
    rounded = -number_format.round_number(-gap)
    return rounded == math.inf or (rounded > 0 and number_format.vanishes(rounded))  # -inf: far above the largest


def signed(x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The positive and the negative terms of x W^T, added up to [M, O] each, and what they are multiples of, [O]."""
    high, low = np.maximum(x, 0), np.maximum(-x, 0)
    up, down = np.maximum(weight, 0).T, np.maximum(-weight, 0).T
    terms = np.where(weight != 0, units(weight) * column_units(x), np.inf)
    return high @ up + low @ down, high @ down + low @ up, terms.min(axis=1, initial=np.inf)
