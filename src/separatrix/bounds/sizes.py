"""From bits to sizes: the inequalities every solving model obeys, turned around. All in integers, at any length."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from separatrix.bounds.arithmetic import ArithmeticModel
from separatrix.bounds.formats import of_precision
from separatrix.errors import InputError
from separatrix.tasks import Task
from separatrix.tasks.base import LONGEST


def recurrent_capacity(numbers: int, precision: int) -> int:
    """Bits a state of so many scalars of p bits holds: m p.

    >>> sx.bounds.recurrent_capacity(numbers=2 * 256, precision=32)
    16384
    """
    _positive(numbers=numbers, precision=precision)
    return numbers * precision


def smallest_state(bits: int | float, precision: int) -> int:
    """The fewest scalars of p bits an exact recurrent model's state may have: m p >= bits.

    >>> sx.bounds.smallest_state(bits=2400, precision=32)
    75
    """
    _positive(precision=precision)
    return max(0, _ceil(bits, precision))


@dataclass(frozen=True)
class Longest:
    """The largest length a model could ever handle exactly; None when the bound never rules it out.

    known: whether the task has a bound in closed form; where it has none, nothing is said of any length
    """

    length: int | None
    known: bool = True

    def __str__(self) -> str:
        if not self.known:
            return "unknown: no closed form"
        return "every length" if self.length is None else f"at most {self.length:,}"


def longest_recurrent(task: Task, state_bits: int) -> Longest:
    """The largest context length at which a state of so many bits may still solve the task exactly.

    >>> task = sx.tasks.create("index-lookup", length=10, alphabet=64)
    >>> sx.bounds.longest_recurrent(task, state_bits=256 * 32).length  # 6 bits a token
    1364
    """
    return _longest(task, lambda at: at.recurrent_bits(), lambda length: state_bits)


def longest_attention(
    task: Task, width: int, heads: int, precision: int, arithmetic: ArithmeticModel | None = None
) -> Longest:
    """The largest context length at which a one-layer Transformer of this width may still solve the task exactly.

    arithmetic: what it computes in; None for the one that allows most, of all that numbers of p bits may mean

    >>> task = sx.tasks.create("equality", length=10)
    >>> fixed = sx.bounds.FixedPointSums(16)
    >>> str(sx.bounds.longest_attention(task, width=64, heads=4, precision=16, arithmetic=fixed))
    'at most 5,992'
    """
    models = of_precision(precision) if arithmetic is None else [arithmetic]
    found = [
        _longest(task, each.needed, lambda length, each=each: each.capacity(width, heads, length))  # type: ignore[misc]
        for each in models
    ]
    return max(found, key=lambda longest: (not longest.known, longest.length is None, longest.length or 0))


def _longest(task: Task, needed: Callable[[Task], float | None], capacity: Callable[[int], int]) -> Longest:
    """Doubling, then bisection: the bounds grow with the length. Only even lengths are tried, which every task has."""
    if needed(task) is None:
        return Longest(None, known=False)

    def allows(length: int) -> bool:
        try:
            bits = needed(task.at_length(length))
        except InputError as error:  # shorter or longer than the task exists: pairs beyond the keys, say
            return "fit" not in str(error)
        return bits is None or bits <= capacity(length)

    low, high = 0, 2
    while high <= LONGEST and allows(high):
        low, high = high, 2 * high
    if high > LONGEST:
        return Longest(None)
    while high - low > 2:
        middle = (low + high) // 4 * 2
        low, high = (middle, high) if allows(middle) else (low, middle)
    return Longest(low)


def _ceil(bits: int | float, divisor: int) -> int:
    return math.ceil(Fraction(bits) / divisor) if bits > 0 else 0


def _positive(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
