"""The size of a state as a function of the context's length: sums of parts, each with its own number format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from separatrix.notebook import Shown
from separatrix.words import plural

Kind = Literal["constant", "windowed", "linear"]


@dataclass(frozen=True)
class Part:
    """Numbers of one format handed over after N tokens: constant + per_token * min(N, window); window None: no limit.

    `block` tokens are kept as one (`per_token` numbers each time it is full); with `rest`, what is kept is the block
    not full yet.

    >>> cache = sx.bounds.Part(bits_each=16, constant=0, per_token=128, window=1024)
    >>> cache.numbers(100), cache.numbers(5000), cache.growth
    (12800, 131072, 'windowed')
    """

    bits_each: int
    constant: int
    per_token: int = 0
    window: int | None = None
    block: int = 1
    rest: bool = False

    def numbers(self, length: int) -> int:
        """Scalars after so many tokens."""
        seen = length if self.window is None else min(length, self.window)
        return self.constant + self.per_token * (seen % self.block if self.rest else seen // self.block)

    def bits(self, length: int) -> int:
        """Bits after so many tokens."""
        return self.numbers(length) * self.bits_each

    @property
    def growth(self) -> Kind:
        """How the part grows with the length."""
        if not self.per_token:
            return "constant"
        return "linear" if self.window is None and not self.rest else "windowed"

    @property
    def settled(self) -> int:
        """The length from which a part that does not grow without end is as large as it gets."""
        if self.growth != "windowed":
            return 0
        return self.window if self.window is not None else self.block - 1


@dataclass(frozen=True)
class StateSize(Shown):
    """What is handed over after N tokens, and how that was found: `source` says on what it was measured.

    >>> size = sx.bounds.StateSize((sx.bounds.Part(bits_each=16, constant=0, per_token=128),), source="a cache")
    >>> size.bits(length=1000), size.growth
    (2048000, 'linear')
    """

    parts: tuple[Part, ...]
    source: str

    def numbers(self, length: int) -> int:
        """Scalars after so many tokens."""
        return sum(part.numbers(length) for part in self.parts)

    def bits(self, length: int) -> int:
        """Bits after so many tokens, each scalar in the format it is stored in."""
        return sum(part.bits(length) for part in self.parts)

    @property
    def growth(self) -> Kind:
        """How the state grows with the length."""
        kinds = {part.growth for part in self.parts}
        return "linear" if "linear" in kinds else "windowed" if "windowed" in kinds else "constant"

    @property
    def settled(self) -> int:
        """The length from which a state that is not linear is as large as it gets."""
        return max((part.settled for part in self.parts), default=0)

    @property
    def most_bits(self) -> int | None:
        """The most bits it ever takes, None where it grows without end."""
        return None if self.growth == "linear" else sum(part.bits(part.settled) for part in self.parts)

    def formats(self, length: int) -> str:
        """Its scalars by number format, e.g. `1,024 of 16 bits and 64 of 32 bits`."""
        counts: dict[int, int] = {}
        for part in self.parts:
            counts[part.bits_each] = counts.get(part.bits_each, 0) + part.numbers(length)
        return (
            " and ".join(f"{count:,} of {plural(bits, 'bit')}" for bits, count in sorted(counts.items()) if count)
            or "none"
        )


def merged(parts: list[Part]) -> tuple[Part, ...]:
    """The parts that grow alike as one each."""
    sums: dict[tuple, list[int]] = {}
    for part in parts:
        window = part.window if part.per_token else None
        total = sums.setdefault((part.bits_each, window, part.block, part.rest), [0, 0])
        total[0] += part.constant
        total[1] += part.per_token
    found = [
        Part(bits, constant, per_token, window, block, rest)
        for (bits, window, block, rest), (constant, per_token) in sums.items()
    ]
    return tuple(part for part in found if part.constant or part.per_token)
