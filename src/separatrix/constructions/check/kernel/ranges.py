"""Interval arithmetic of a number format: what is known of vectors, coordinate by coordinate, and of sums of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.kernel.exact import carrier, column_units, may_overflow, units
from separatrix.numerics import FixedPoint, FloatingPoint, Format


@dataclass(frozen=True)
class Range:
    """Every vector's coordinate lies in [low, high] and is a multiple of `unit`, a power of two; infinity for zeros.

    low, high, unit: [D]
    """

    low: np.ndarray
    high: np.ndarray
    unit: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """[D] the largest absolute value."""
        return np.maximum(-self.low, self.high)

    def join(self, other: Range) -> Range:
        """What holds of vectors of either kind."""
        return Range(
            np.minimum(self.low, other.low), np.maximum(self.high, other.high), np.minimum(self.unit, other.unit)
        )

    def meet(self, other: Range) -> Range:
        """What holds of vectors of which both are known."""
        return Range(
            np.maximum(self.low, other.low), np.minimum(self.high, other.high), np.maximum(self.unit, other.unit)
        )

    @staticmethod
    def of(rows: np.ndarray, known: np.ndarray | bool = True) -> Range:
        """What is known of rows [M, D], in the coordinates that are `known`."""
        low, high = rows.min(axis=0), rows.max(axis=0)
        return Range(
            np.where(known, low, -np.inf), np.where(known, high, np.inf), np.where(known, column_units(rows), 0)
        )

    def cut(self) -> Range:
        """After a ReLU."""
        return Range(np.maximum(self.low, 0), np.maximum(self.high, 0), self.unit)

    def within(self, size: float) -> Range:
        """Grown to [-size, size]: any values of the format."""
        return Range(np.full_like(self.low, -size), np.full_like(self.high, size), self.unit)


@dataclass(frozen=True)
class Sums:
    """Sums before they are rounded. up, down: [O] what their positive and their negative terms add up to, at most.

    Any partial sum, in any order, lies in [-down, up]. results: [O] products and sums on the way that may be rounded
    """

    value: Range
    up: np.ndarray
    down: np.ndarray
    results: np.ndarray


class Rounding:
    """The format's arithmetic on ranges."""

    def __init__(self, number_format: Format) -> None:
        self.format = carrier(number_format)

    def settle(self, sums: Sums, what: str, exact: bool) -> Range:
        """The rounded sums. CertificateError where one may overflow, or, if it must be `exact`, be rounded."""
        mass = np.maximum(sums.up, sums.down)
        least = sums.value.unit
        bounds = np.array([math.inf if unit == math.inf else self.format.exact_up_to(unit) for unit in least.tolist()])
        rounded = ~(mass <= bounds)
        if not rounded.any():
            return sums.value
        if exact:
            o = int(rounded.argmax())
            raise CertificateError(
                f"{what} are rounded in {self.format}: they go up to {mass[o]:g}, multiples of {least[o]:g} are exact "
                f"up to {bounds[o]:g}"
            )
        grown, slack = self.inflation(sums.results)
        mass = np.where(rounded, mass * grown + slack, mass)
        if may_overflow(self.format, largest := float(mass.max())):
            raise CertificateError(f"{what} may overflow in {self.format}: they go up to {largest:g}")
        error = np.where(rounded, mass * (grown - 1) + slack, 0)
        unit = np.where(rounded, self.format.smallest, least)
        return Range(sums.value.low - error, sums.value.high + error, unit)

    def inflation(self, results: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A sum with so many rounded results is at most `first` times its terms' sizes plus `second`, in any order."""
        if isinstance(self.format, FloatingPoint):
            grown = (1 + self.format.unit) ** results
            return grown, grown * (results + 1) * self.format.smallest
        half = self.format.smallest / 2 if isinstance(self.format, FixedPoint) else 0.0
        return np.ones(results.shape), (results + 1) * half

    def linear(self, x: Range, weight: np.ndarray, bias: np.ndarray | float, what: str, exact: bool) -> Range:
        """W x + b, [D] to [O]."""
        above, below = np.maximum(weight, 0), np.maximum(-weight, 0)
        high, low = np.maximum(x.high, 0), np.maximum(-x.low, 0)
        used = weight != 0
        unit = np.where(used, units(weight) * np.where(used, x.unit, np.inf), np.inf).min(axis=1, initial=np.inf)
        bias = np.broadcast_to(bias, unit.shape)
        value = Range(
            above @ x.low - below @ x.high + bias, above @ x.high - below @ x.low + bias, np.minimum(unit, units(bias))
        )
        up, down = above @ high + below @ low + np.maximum(bias, 0), above @ low + below @ high + np.maximum(-bias, 0)
        products = (used & (np.abs(np.frexp(weight)[0]) != 0.5)).sum(axis=1)  # by powers of two none is rounded
        results = products + np.maximum(used.sum(axis=1) + (bias != 0) - 1, 0)
        return self.settle(Sums(value, up, down, results), what, exact)

    def add(self, *terms: Range, what: str, exact: bool) -> Range:
        """The sum of independent vectors."""
        low, high = np.sum([each.low for each in terms], axis=0), np.sum([each.high for each in terms], axis=0)
        unit = np.minimum.reduce([each.unit for each in terms])
        up = np.sum([np.maximum(each.high, 0) for each in terms], axis=0)
        down = np.sum([np.maximum(-each.low, 0) for each in terms], axis=0)
        return self.settle(Sums(Range(low, high, unit), up, down, np.full(low.shape, len(terms) - 1)), what, exact)

    def scores(self, queries: Range, keys: Range, heads: int, what: str, exact: bool) -> None:
        """Inner products of every head, and their differences: CertificateError where they overflow or are rounded."""
        corners = [a * b for a in (queries.low, queries.high) for b in (keys.low, keys.high)]
        low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
        unit = np.where((low == 0) & (high == 0), np.inf, queries.unit * keys.unit)
        split = [each.reshape(heads, -1) for each in (low, high, unit)]
        up, down = np.maximum(split[1], 0).sum(axis=1), np.maximum(-split[0], 0).sum(axis=1)
        value = Range(split[0].sum(axis=1), split[1].sum(axis=1), split[2].min(axis=1, initial=np.inf))
        found = self.settle(Sums(value, up, down, np.full(heads, 2 * low.size // heads)), what, exact)
        apart = float((np.maximum(found.high, up) + np.maximum(-found.low, down)).max(initial=0))
        if may_overflow(self.format, apart):
            raise CertificateError(f"differences of {what} up to {apart:g} overflow in {self.format}")
