"""From counts at several lengths to a law: constant, linear, linear up to a window, or in blocks."""

from __future__ import annotations

from dataclasses import dataclass

from separatrix.errors import InputError

BLOCKS = range(2, 17)
"""Blocks of tokens, in which a past may be kept, that are looked for."""


@dataclass(frozen=True)
class Law:
    """Numbers after N tokens: constant + per_token * min(N, window), or per block as in `separatrix.bounds.Part`."""

    constant: int
    per_token: int = 0
    window: int | None = None
    block: int = 1
    rest: bool = False

    def tokens(self, length: int) -> int:
        """How many times `per_token` counts after so many tokens."""
        seen = length if self.window is None else min(length, self.window)
        return seen % self.block if self.rest else seen // self.block

    def __call__(self, length: int) -> int:
        return self.constant + self.per_token * self.tokens(length)


def law(counts: dict[int, int]) -> Law:
    """The law that all counts, by length, obey. Raises InputError when there is none.

    Example: `law({3: 6, 4: 8, 6: 10, 9: 10})` is 2 a token, for the last 5 tokens
    """
    lengths = sorted(counts)
    if len(set(counts.values())) == 1:
        return Law(counts[lengths[0]])
    for block in (1, *BLOCKS):
        for rest in (False, True) if block > 1 else (False,):
            found = _line(counts, block, rest)
            if found is not None:
                return found
    raise InputError(f"the state grows neither constantly, linearly, to a window nor in blocks: numbers {counts}")


def _line(counts: dict[int, int], block: int, rest: bool) -> Law | None:
    """The law through the first two lengths that differ, when every other length obeys it."""
    plain = Law(0, 1, None, block, rest)
    lengths = sorted(counts)
    first = lengths[0]
    second = next((n for n in lengths if plain.tokens(n) != plain.tokens(first)), None)
    if second is None:
        return None
    slope, odd = divmod(counts[second] - counts[first], plain.tokens(second) - plain.tokens(first))
    if odd or slope <= 0:
        return None
    constant = counts[first] - slope * plain.tokens(first)
    most, over = divmod(counts[lengths[-1]] - constant, slope)
    for window in (None, most * block) if block == 1 and not over else (None,):
        found = Law(constant, slope, window, block, rest)
        if all(found(n) == count for n, count in counts.items()):
            return found
    return None


def polynomial(values: dict[int, int], at: int) -> int:
    """The value, at another place, of the polynomial of least degree through all but the last of the values.

    Raises InputError when the last one is not on it: the values then are no polynomial.
    """
    places = sorted(values)
    *known, last = places

    def through(x: int) -> tuple[int, int]:
        total, denominator = 0, 1
        for i in known:
            above, below = values[i], 1
            for j in known:
                if j != i:
                    above, below = above * (x - j), below * (i - j)
            total, denominator = total * below + above * denominator, denominator * below
        return divmod(total, denominator)

    if through(last) != (values[last], 0):
        raise InputError(f"the state is no polynomial of the scale: numbers {values}")
    value, odd = through(at)
    if odd:
        raise InputError(f"the state at scale {at} would be no whole number: numbers {values}")
    return value
