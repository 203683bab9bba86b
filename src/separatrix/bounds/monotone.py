"""Diagonal recurrences on a constant input: from which length none tells lengths apart, at any width and depth.

One scalar of the state follows x' = fl(fl(a x) + b), in a format of finitely many values, with a and b functions of the
input and not of the state.

Lemma 1 (a >= 0). Rounding is monotone, and so are products with a >= 0 and sums with b: x <= y gives x' <= y'. This
holds also where -0 counts as less than +0, where product and sum are rounded once, together, and where they are taken
in a wider format first. While a and b stay the same the orbit x, x', x'', … is therefore monotone: once x' >= x, all
that follow are in order, and likewise for <=. A monotone sequence in a set of W values changes at most W - 1 times, and
once more if it ends as NaN, which stays. So the state is the same from W steps on, whatever a and b are.

Lemma 2 (any sign). Two steps of a < 0 are monotone, so every second state is the same from 2 W steps on: the period
divides 2. In a deeper layer the input has period P itself, P steps make a map that is monotone or antitone, and 2 P
steps one that is monotone: periods divide 2, 4, 8, … from layer to layer.

Theorem. In layer l the input (and with it a, b and what a convolution of so many taps takes in) has settled once layer
l - 1 has, and taps - 1 tokens more. The steps add up to the T of `settling`: any two lengths beyond T that differ by a
multiple of the period leave one and the same state, of all layers, at any width. (After Sarrof, Veitsman and Hahn 2024,
and Grazzi et al. 2025, who bound the state in real arithmetic; here every rounding is part of the argument.)

It is a statement about reading token by token. A form that reads a context in chunks rounds in another order: its state
after every whole chunk repeats likewise, and lengths a multiple of the chunk apart are what it cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from separatrix.errors import InputError
from separatrix.notebook import Shown
from separatrix.numerics import FixedPoint, FloatingPoint, Format, parse

Transitions = Literal["nonnegative", "signed", "rotating", "matrix", "nonlinear", "attention", "unknown"]
"""What one step does to the state, the input given: each scalar multiplied by a factor in [0, 1] or in [-1, 1] and
added to; pairs turned; all multiplied by a matrix; a nonlinear function; everything kept; not declared."""


@dataclass(frozen=True)
class Settling(Shown):
    """From which length on a constant input is no longer counted.

    steps:  T: at all lengths n >= T the state is that at n + period
    period: divides every period of the state there is

    >>> found = sx.bounds.Settling(steps=254, period=1)
    >>> found.ends_counting(2), found.ends_from(2)  # 0^255 1^254 and 0^254 1^255 are told apart by no such model
    (True, 509)
    """

    steps: int
    period: int

    def ends_counting(self, modulus: int) -> bool:
        """Whether no such model counts a token modulo `modulus`: lengths n and n + period have different counts."""
        return self.period % modulus != 0

    def ends_from(self, modulus: int) -> int | None:
        """The length N from which no such model is right on all strings of that one length; None where nothing ends.

        Of 0^a 1^b with a >= T + period and b >= T, a period's worth of zeros may be ones: the state after the zeros is
        the same, hence that after the ones, and the counts differ by the period. So N = 2 T + period.
        """
        return 2 * self.steps + self.period if self.ends_counting(modulus) else None


def settling(
    number_format: str | Format, layers: int, transitions: Transitions, taps: int = 1, stages: int = 1
) -> Settling:
    """T and the period of any model of so many layers with such transitions, its state kept in a format.

    taps:   length of the longest convolution before a recurrence; 1 for none
    stages: scalars of which each needs those before it to stand still: 2 where decays depend on a running maximum
    What is proved needs the signs of the factors alone. Raises InputError for other transitions, and for formats
    without a number of values.

    >>> sx.bounds.settling("bf16", layers=2, transitions="nonnegative", taps=4).steps
    130570
    >>> sx.bounds.settling("e4m3", layers=2, transitions="signed").period
    4
    """
    for name, value in {"layers": layers, "taps": taps, "stages": stages}.items():
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    values = values_of(number_format)
    if transitions == "nonnegative":
        return Settling(layers * (stages * values + taps - 1), 1)
    if transitions != "signed" or stages > 1:
        raise InputError(
            f"nothing is proved of {transitions} transitions in {stages} stages: nonnegative ones, or signed"
        )
    steps = sum(2**layer * values + taps - 1 for layer in range(1, layers + 1))
    return Settling(steps, 2**layers)


def values_of(number_format: str | Format) -> int:
    """W: patterns of a format that are no NaN, infinities and both zeros among them.

    >>> [sx.bounds.values_of(name) for name in ("e4m3", "e5m2", "fixed(8)", "bf16")]
    [254, 250, 256, 65282]
    """
    chosen = parse(number_format)
    match chosen:
        case FixedPoint():
            return 2**chosen.p
        case FloatingPoint(finite=True):
            return 2**chosen.bits - 2
        case FloatingPoint():
            return 2**chosen.bits - 2 * (2**chosen.mantissa - 1)
    raise InputError(f"{chosen} has no number of values: choose a format such as bf16 or fixed(16)")
