"""Numbers of things in words, for every floor."""

from __future__ import annotations


def plural(number: float, noun: str) -> str:
    """`1 seed`, `2 seeds`.

    >>> plural(1, "bit"), plural(4096, "bit"), plural(2.5, "bit")
    ('1 bit', '4,096 bits', '2.5 bits')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
