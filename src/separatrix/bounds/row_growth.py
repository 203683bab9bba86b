"""How exact numbers of rows grow with the length: by a rule that all enumerated lengths obey, or not decided.

Rows are counted, not measured: there is no noise to fit through. A rule such as rows(N + 2) = 2 rows(N) either holds at
every length or it does not. Bits, their logarithm, grow at most linearly: a cut has at most S^N rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Literal

from separatrix.bounds.growth import growth_law
from separatrix.errors import InputError
from separatrix.notebook import Shown

RowLaw = Literal["constant", "logarithmic", "linear", "undecided"]

PERIODS = (1, 2)
"""Steps of the rules looked for, in enumerated lengths: 2 where even and odd lengths differ."""

FEWEST = 3
"""Lengths a rule must hold at; one more where more than a quarter of the lengths, the first ones, are left out."""


@dataclass(frozen=True)
class RowGrowth(Shown):
    """How the bits of a cut, log2 rows, grow over the lengths that were enumerated: an extrapolation beyond them.

    law:            constant, logarithmic or linear in the length
    rule:           what the rows obey at every length from `since` on
    bits_per_token: of the linear law
    interval:       exponents of N between which the bits grow where no rule is found, within the possible 0 … 1

    >>> str(sx.bounds.row_growth([2, 4, 6, 8], rows=[5, 7, 9, 11]))
    'logarithmic (rows(N + 2) = rows(N) + 2 at every length enumerated from 2 on)'
    """

    law: RowLaw
    rule: str
    since: int
    bits_per_token: float | None = None
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        start = f"{self.rule} at every length enumerated from {self.since} on"
        if self.law == "linear":
            return f"linear, {self.bits_per_token:.3g} bits a token ({start})"
        if self.law != "undecided":
            return f"{self.law} ({start})"
        low, high = self.interval or (0.0, 1.0)
        return f"undecided ({self.rule}); as a power of N, exponent {low:.2f} to {high:.2f}: enumerate more lengths"


def row_growth(lengths: Sequence[int], rows: Sequence[int]) -> RowGrowth:
    """The rule that rows counted at evenly spaced lengths obey. Raises InputError when there is no length.

    >>> growth = sx.bounds.row_growth([1, 2, 3, 4], rows=[4, 16, 64, 256])
    >>> growth.law, growth.bits_per_token
    ('linear', 2.0)
    """
    if not lengths or len(lengths) != len(rows):
        raise InputError(f"expected as many rows as lengths, got {len(rows)} and {len(lengths)}")
    steps = {after - before for before, after in pairwise(lengths)}
    if len(steps) > 1:
        return _undecided(lengths, rows, "lengths are not evenly spaced")
    for first in range(len(lengths) // 2 + 1):
        if first > 0 and len(lengths) - first <= _longest_plateau(rows[:first]):
            break
        if len(lengths) - first < FEWEST + (first > len(lengths) // 4):
            break
        for period in PERIODS:
            found = _rule(lengths[first:], rows[first:], period)
            if found is not None:
                return found
    few = len(lengths) <= FEWEST
    why = f"{len(lengths)} lengths are too few" if few else "no rule of one step or two holds at enough of them"
    return _undecided(lengths, rows, why)


def _rule(lengths: Sequence[int], rows: Sequence[int], period: int) -> RowGrowth | None:
    pairs = list(zip(rows, rows[period:], strict=False))
    if len(rows) < FEWEST or len(pairs) < 2:
        return None
    step, since = (lengths[1] - lengths[0]) * period, lengths[0]
    if all(before == after for before, after in pairs):
        return RowGrowth("constant", f"rows(N + {step}) = rows(N)", since)
    slope = next((Fraction(c - a, d - b) for (b, a), (d, c) in pairwise(pairs) if d != b), Fraction(1))
    rest = pairs[0][1] - slope * pairs[0][0]
    affine = all(after == slope * before + rest for before, after in pairs)
    if affine and slope > 1 and slope.denominator == rest.denominator == 1 and len(pairs) > 2:
        rule = f"rows(N + {step}) = {slope} rows(N){_signed(rest)}"
        return RowGrowth("linear", rule, since, math.log2(slope) / step)
    if affine and slope == 1 and rest > 0 and len(pairs) > 2:
        return RowGrowth("logarithmic", f"rows(N + {step}) = rows(N) + {rest}", since)
    seconds = _differences(_differences(list(rows), period), period)
    if len(seconds) > 2 and len(set(seconds)) == 1 and seconds[0] > 0:
        return RowGrowth("logarithmic", f"rows grow as a square, second differences {seconds[0]}", since)
    return None


def _longest_plateau(rows: Sequence[int]) -> int:
    """How long rows stayed the same so far: a plateau at the end that is no longer than that shows nothing."""
    return max(len(list(run)) for _, run in groupby(rows))


def _differences(values: list[int], period: int) -> list[int]:
    return [after - before for before, after in zip(values, values[period:], strict=False)]


def _signed(number: Fraction) -> str:
    return "" if not number else f" {'+' if number > 0 else '-'} {abs(number)}"


def _undecided(lengths: Sequence[int], rows: Sequence[int], why: str) -> RowGrowth:
    points = [(n, math.log2(count)) for n, count in zip(lengths, rows, strict=True) if count > 1]
    interval = (0.0, 1.0)
    if len(points) >= 3:
        low, high = growth_law([n for n, _ in points], [bits for _, bits in points]).interval
        if low <= 1 and high >= 0:  # otherwise the first lengths mislead, and nothing follows
            interval = (max(0.0, low), min(1.0, high))
    return RowGrowth("undecided", why, lengths[0], interval=interval)
