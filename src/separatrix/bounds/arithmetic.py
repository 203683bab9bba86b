"""Models of arithmetic: what one-layer attention hands over across a cut, counted in the arithmetic it computes in.

"p bits a number" is not an arithmetic. Here N is the context's length, L = ceil(log2 N), H the heads and m the numbers
in the values of all heads together (heads times head width). The query is public; its own place is nobody's secret.
Scores, weights and values at a place are any function of the token, the place and the query; everything after the
quotients is any function of them. What differs is how weighted sums are formed, and so what two parties must tell each
other to form them together. Every model of arithmetic is executed by `separatrix.bounds.protocols`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

from separatrix.errors import InputError
from separatrix.notebook import Shown
from separatrix.numerics import FloatingPoint, Format, parse
from separatrix.tasks import Problem

Kind = Literal["fixed", "float", "rounded"]
Quantity = Literal["one-way, prefix cut", "one-way, any cut", "two-way, any cut", "two-way, prefix cut"]

KINDS: tuple[Kind, ...] = ("fixed", "float", "rounded")

ANY = "any arithmetic"
"""The arithmetic of recurrent bounds: the state is what is handed over, whatever computed it."""

ANY_ASSUMES = "bits are counted on the tensors handed over, each as it is stored"

STATE: Quantity = "one-way, prefix cut"
"""What a state's bits are compared with: rows of a prefix, the query not known."""

STATE_FORMULA = "state bits >= log2 rows of a prefix"


def log_length(length: int) -> int:
    """L = ceil(log2 N), exact at any size."""
    return (length - 1).bit_length()


class ArithmeticModel(Shown, ABC):
    """In which arithmetic a bound on one-layer attention holds. `m · per_value + H · per_head` bits cross the cut.

    >>> model = sx.bounds.RoundedSums(16)
    >>> model.capacity(width=8, heads=1, length=100), model.smallest_width(bits=192, heads=1, length=100)
    (192, 8)
    """

    kind: ClassVar[Kind]
    quantity: ClassVar[Quantity]
    """What the bits that cross are compared with: rows of any cut (one message), or a fooling set (messages both ways)
    of any cut or of a prefix cut."""

    @property
    @abstractmethod
    def bits(self) -> int:
        """Bits p of one number."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The arithmetic in words, for people."""

    @property
    @abstractmethod
    def assumptions(self) -> str:
        """What is assumed of the model, in one sentence."""

    @property
    @abstractmethod
    def formula(self) -> str:
        """The inequality that every exact model obeys."""

    @abstractmethod
    def per_value(self, length: int) -> int:
        """Bits that cross for each number of the values."""

    @abstractmethod
    def per_head(self, length: int) -> int:
        """Bits that cross for each head."""

    def _values(self) -> Iterator[tuple[str, Any]]:
        yield "holds in", self.words
        yield "every exact model obeys", self.formula
        yield "assumed", self.assumptions

    def capacity(self, width: int, heads: int, length: int) -> int:
        """Bits that may cross a cut of attention with values of m = `width` numbers."""
        _positive(width=width, heads=heads, length=length)
        return width * self.per_value(length) + heads * self.per_head(length)

    def needed(self, task: Problem) -> float | None:
        """Bits that must cross, proved for the task; None where no closed form is known (`separatrix analyze`)."""
        if self.quantity == "one-way, any cut":
            return task.attention_bits()
        return task.two_way_bits(prefix=self.quantity == "two-way, prefix cut")

    def smallest_width(self, bits: int | float, heads: int, length: int) -> int:
        """The least m, a multiple of H, across whose cut so many bits fit: no exact model is narrower."""
        _positive(heads=heads, length=length)
        rest = Fraction(bits) - heads * self.per_head(length)
        least = max(1, math.ceil(rest / self.per_value(length)))
        return heads * -(-least // heads)


@dataclass(frozen=True)
class FixedPointSums(ArithmeticModel):
    """Fixed point of p bits, exact sums: the paper's model.

    Weights are k u with k in 0 … 2^p - 1, values k u' with k in -2^(p-1) … 2^(p-1) - 1. At most N places are held,
    so a weighted sum is a multiple of u u' below N (2^p - 1) 2^(p-1) < 2^(2p + L - 1) in absolute value: 2p + L bits,
    the sign among them. A sum of weights is below N 2^p: p + L bits. Alice sends both for each head; whoever holds the
    other places adds theirs. One message, so that rows of the cut count. With N = 2^L places at their extremes the
    sums need all of these bits, so that neither constant can be lowered.

    fraction: bits behind the point, of weights and values (p // 2 when None); the bound does not depend on it

    >>> model = sx.bounds.FixedPointSums(16)
    >>> model.formula, model.per_value(length=100), model.per_head(length=100)
    ('m (2p + L) + H (p + L) >= log2 rows', 39, 23)
    """

    precision: int
    fraction: int | None = None
    kind: ClassVar[Kind] = "fixed"
    quantity: ClassVar[Quantity] = "one-way, any cut"

    def __post_init__(self) -> None:
        _positive(precision=self.precision)

    @property
    def bits(self) -> int:
        return self.precision

    @property
    def unit(self) -> float:
        """What weights and values are multiples of."""
        return 2.0 ** -(self.precision // 2 if self.fraction is None else self.fraction)

    @property
    def words(self) -> str:
        return f"{self.precision}-bit fixed point, exact sums"

    @property
    def assumptions(self) -> str:
        return "weights and values are p-bit fixed-point numbers, no maximum is subtracted, sums are not rounded"

    @property
    def formula(self) -> str:
        return "m (2p + L) + H (p + L) >= log2 rows"

    def per_value(self, length: int) -> int:
        return 2 * self.precision + log_length(length)

    def per_sum(self, length: int) -> int:
        """Bits of a sum of weights."""
        return self.precision + log_length(length)

    def per_head(self, length: int) -> int:
        return self.per_sum(length)


@dataclass(frozen=True)
class FloatingPointSums(ArithmeticModel):
    """Floating point of t significant bits and E binades, exact sums.

    A number is a multiple of the least one, u, and below 2^(E + t - 1) u: subnormals are multiples below 2^(t - 1),
    each binade doubles that, and the first one is counted in it. So a weighted sum is a multiple of u^2 below
    N 2^(2E + 2t - 2), which takes 2E + 2t + L - 1 bits with its sign, and a sum of weights E + t + L - 1.

    With the maximum subtracted weights are at most 1 = 2^(B + t - 1) u, for the B binades below 1: E + B + 2t + L - 1
    bits and B + t + L. Both parties must know the maximum: H scores of p bits each way. That is a message from the
    other side first, so that only two-way bounds (fooling sets) count.

    >>> bf16 = sx.numerics.parse("bf16")
    >>> [sx.bounds.FloatingPointSums(bf16, subtract).capacity(64, 4, length=100) for subtract in (False, True)]
    [34992, 26420]
    """

    format: FloatingPoint
    subtract: bool = False
    kind: ClassVar[Kind] = "float"

    @property
    def quantity(self) -> Quantity:  # type: ignore[override]
        """Messages go both ways once a maximum has to be agreed on."""
        return "two-way, any cut" if self.subtract else "one-way, any cut"

    @property
    def bits(self) -> int:
        return self.format.bits

    @property
    def significant(self) -> int:
        """Significant bits t."""
        return self.format.mantissa + 1

    @property
    def binades(self) -> int:
        """Exponents E of normal numbers."""
        return math.frexp(self.format.largest)[1] - self.format.lowest

    @property
    def words(self) -> str:
        return f"{self.format}, {'maximum subtracted, ' if self.subtract else ''}exact sums"

    @property
    def assumptions(self) -> str:
        maximum = (
            "the largest score is subtracted" if self.subtract else "no maximum is subtracted, no weight overflows"
        )
        t, e = self.significant, self.binades
        return f"weights and values are {self.format} (t = {t}, E = {e}), {maximum}, sums are not rounded"

    @property
    def formula(self) -> str:
        if self.subtract:
            return "m (E + B + 2t + L - 1) + H (B + t + L + 2p) >= log2 fooling set"
        return "m (2E + 2t + L - 1) + H (E + t + L - 1) >= log2 rows"

    @property
    def weight_bits(self) -> int:
        """Weights are at most 2^weight_bits u."""
        below = -self.format.lowest if self.subtract else self.binades
        return below + self.significant - 1

    def per_value(self, length: int) -> int:
        return self.weight_bits + self.binades + self.significant + log_length(length)

    def per_sum(self, length: int) -> int:
        """Bits of a sum of weights."""
        return self.weight_bits + log_length(length) + self.subtract

    def per_head(self, length: int) -> int:
        return self.per_sum(length) + (2 * self.format.bits if self.subtract else 0)


@dataclass(frozen=True)
class RoundedSums(ArithmeticModel):
    """Every result rounded to p bits, sums in order of position.

    Only a prefix cut is a cheap protocol. Per head Alice, who holds the prefix, sends her largest score, Bob the
    largest of all; Alice her running normaliser, Bob the whole one; last Alice sends the m running sums, which Bob goes
    on with: p (m + 4H) bits, both ways, so that a fooling set of a prefix cut counts. Quotients taken after the sums
    need less. Nothing is proved for other held sets: every change of sides costs another message, and sums rounded in
    order carry information from place to place as a recurrent state does.

    format: of p bits; the bound depends on its bits alone, an execution on the format

    >>> model = sx.bounds.RoundedSums(16)
    >>> model.formula, model.smallest_width(bits=111, heads=1, length=222)  # equality of two halves of 111 bits
    ('p (m + 4H) >= log2 fooling set of a prefix', 3)
    """

    precision: int
    format: Format | None = None
    kind: ClassVar[Kind] = "rounded"
    quantity: ClassVar[Quantity] = "two-way, prefix cut"

    def __post_init__(self) -> None:
        _positive(precision=self.precision)

    @property
    def bits(self) -> int:
        return self.precision

    @property
    def words(self) -> str:
        return f"every result rounded to {self.format or f'{self.precision} bits'}, sums in order"

    @property
    def assumptions(self) -> str:
        return "every result is rounded to a format of p bits, sums run over the places in their order, one by one"

    @property
    def formula(self) -> str:
        return "p (m + 4H) >= log2 fooling set of a prefix"

    def per_value(self, length: int) -> int:
        return self.precision

    def per_head(self, length: int) -> int:
        return 4 * self.precision


TRAINED = FloatingPointSums(parse("fp32"), subtract=True)  # type: ignore[arg-type]
"""What a Transformer trained in fp32 comes closest to: PyTorch subtracts the maximum, and the order of its sums is its
own affair, so that nothing is proved of its rounding."""


def _positive(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
