"""Where the features of a sparse threshold function stand, and what each position reads to evaluate its own.

A position may read itself, earlier positions, and, if attention is not causal, later ones. Three ways are tried: each
feature stands at the last of its positions, whose bit need not be fetched; or at some later position, the features
with the last positions last; or, where too many features need the end of the string, anywhere, with the whole context
in sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from separatrix.tasks.features import Feature

Bits = tuple[int, ...]
"""The bits a position sees: its own first where that counts, then those its heads read."""


@dataclass(frozen=True)
class Placed:
    """One feature at its position. ones: the bits seen for which it holds; reads: the positions its heads read."""

    position: int
    reads: tuple[int, ...]
    ones: frozenset[Bits]


@dataclass(frozen=True)
class Plan:
    """All features in their places.

    own:    whether a position's own bit is one of those its feature looks at
    heads:  bits fetched from other positions, by one head each
    causal: whether every head reads backwards
    """

    placed: tuple[Placed, ...]
    own: bool
    heads: int
    causal: bool

    @property
    def bits(self) -> int:
        """Bits a feature looks at."""
        return self.heads + self.own

    @cached_property
    def clauses(self) -> list[Bits] | None:
        """The one assignment for which each feature holds; None unless every feature has just one."""
        if any(len(each.ones) != 1 for each in self.placed):
            return None
        return [next(iter(each.ones)) for each in self.placed]

    @cached_property
    def kinds(self) -> tuple[list[list[Bits]], list[list[int]]]:
        """Sets of assignments, and which of them make up each feature: by function or by assignment, the fewer."""
        functions = sorted({each.ones for each in self.placed if each.ones}, key=sorted)
        assignments = sorted({bits for each in self.placed for bits in each.ones})
        if len(functions) <= len(assignments):
            sets, index = [sorted(ones) for ones in functions], {ones: i for i, ones in enumerate(functions)}
            return sets or [[]], [[index[each.ones]] if each.ones else [] for each in self.placed]
        order = {bits: i for i, bits in enumerate(assignments)}
        return [[bits] for bits in assignments], [[order[bits] for bits in each.ones] for each in self.placed]


def plan(features: Sequence[Feature], length: int, negated: bool) -> Plan:
    """Places among `length` for the features, or for what they exclude (`negated`)."""
    widest = max(len(feature.positions) for feature in features)
    last = [max(feature.positions) for feature in features]
    if len(set(last)) == len(last):
        return Plan(_placed(features, last, negated, widest, own=True), True, widest - 1, causal=True)
    order = sorted(range(len(features)), key=lambda j: -last[j])
    places = {j: length - 1 - rank for rank, j in enumerate(order)}
    if all(places[j] >= last[j] for j in places):
        standing = [places[j] for j in range(len(features))]
        return Plan(_placed(features, standing, negated, widest, own=False), False, widest, causal=True)
    return Plan(_placed(features, range(len(features)), negated, widest, own=False), False, widest, causal=False)


def _placed(
    features: Sequence[Feature], places: Sequence[int], negated: bool, widest: int, own: bool
) -> tuple[Placed, ...]:
    return tuple(_place(feature, at, negated, widest, own) for feature, at in zip(features, places, strict=True))


def _place(feature: Feature, at: int, negated: bool, widest: int, own: bool) -> Placed:
    """One feature. Heads it has no use for read a bit it already looks at."""
    seen = sorted(feature.positions, key=lambda position: position != at) if own else list(feature.positions)
    spare = widest - len(seen)
    rank = [feature.positions.index(position) for position in seen]
    ones = set()
    for code, value in enumerate(feature.table):
        if value != negated:
            bits = tuple(code >> j & 1 for j in rank)
            ones.add(bits + bits[:1] * spare)
    seen += [seen[0]] * spare
    return Placed(at, tuple(seen[1:] if own else seen), frozenset(ones))
