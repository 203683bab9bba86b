"""From bits to sizes: the inequalities every solving model obeys, turned around. All in integers, at any length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from separatrix.errors import InputError
from separatrix.tasks import Task
from separatrix.tasks.base import LONGEST


def log_length(length: int) -> int:
    """L = ceil(log2 N), exact at any size."""
    return (length - 1).bit_length()


def recurrent_capacity(numbers: int, precision: int) -> int:
    """Bits a state of so many scalars of p bits holds: m p.

    >>> sx.bounds.recurrent_capacity(numbers=2 * 256, precision=32)
    16384
    """
    _positive(numbers=numbers, precision=precision)
    return numbers * precision


def attention_capacity(width: int, heads: int, precision: int, length: int) -> int:
    """Bits a one-layer Transformer's held part can send: m (2p + L + 1) + H (p + L).

    >>> sx.bounds.attention_capacity(width=64, heads=4, precision=16, length=400)
    2788
    """
    _positive(width=width, heads=heads, precision=precision, length=length)
    levels = log_length(length)
    return width * (2 * precision + levels + 1) + heads * (precision + levels)


def smallest_state(bits: int | float, precision: int) -> int:
    """The fewest scalars of p bits an exact recurrent model's state may have: m p >= bits.

    >>> sx.bounds.smallest_state(bits=2400, precision=32)
    75
    """
    _positive(precision=precision)
    return max(0, _ceil(bits, precision))


def smallest_width(bits: int | float, precision: int, heads: int, length: int) -> int:
    """The least width of an exact one-layer Transformer: m (2p + L + 1) + H (p + L) >= bits, m a multiple of H.

    >>> sx.bounds.smallest_width(bits=2400, precision=32, heads=4, length=400)
    32
    """
    _positive(precision=precision, heads=heads, length=length)
    levels = log_length(length)
    least = max(1, _ceil(bits - heads * (precision + levels), 2 * precision + levels + 1))
    return heads * -(-least // heads)


@dataclass(frozen=True)
class Longest:
    """The largest length a model could ever handle exactly; None when the bound never rules it out."""

    length: int | None

    def __str__(self) -> str:
        return "every length" if self.length is None else f"at most {self.length:,}"


def longest_recurrent(task: Task, state_bits: int) -> Longest:
    """The largest context length at which a state of so many bits may still solve the task exactly.

    >>> task = sx.tasks.create("index-lookup", length=10, alphabet=64)
    >>> sx.bounds.longest_recurrent(task, state_bits=256 * 32).length  # 6 bits a token
    1364
    """
    return _longest(task, lambda at: at.recurrent_bits() <= state_bits)


def longest_attention(task: Task, width: int, heads: int, precision: int) -> Longest:
    """The largest context length at which a one-layer Transformer of this width may still solve the task exactly.

    >>> task = sx.tasks.create("equality", length=10)
    >>> str(sx.bounds.longest_attention(task, width=64, heads=4, precision=16))
    'at most 6,120'
    """
    return _longest(task, lambda at: at.attention_bits() <= attention_capacity(width, heads, precision, at.length))


def _longest(task: Task, admissible) -> Longest:  # type: ignore[no-untyped-def]
    """Doubling, then bisection: the bounds grow with the length. Only even lengths are tried, which every task has."""
    low, high = 0, 2
    while high <= LONGEST and _allows(task, high, admissible):
        low, high = high, 2 * high
    if high > LONGEST:
        return Longest(None)
    while high - low > 2:
        middle = (low + high) // 4 * 2
        low, high = (middle, high) if _allows(task, middle, admissible) else (low, middle)
    return Longest(low)


def _allows(task: Task, length: int, admissible) -> bool:  # type: ignore[no-untyped-def]
    try:
        return bool(admissible(task.at_length(length)))
    except InputError as error:  # shorter or longer than the task exists: pairs beyond the keys, say
        return "fit" not in str(error)


def _ceil(bits: int | float, divisor: int) -> int:
    return math.ceil(Fraction(bits) / divisor) if bits > 0 else 0


def _positive(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
