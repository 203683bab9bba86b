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
        """The one assignment of bits for which each feature holds; None unless every feature has just one."""
        if not self.bits or any(len(each.ones) != 1 for each in self.placed):
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
    """Places among `length` for the features, or for what they exclude (`negated`).

    Bits that a feature does not depend on are not fetched: one that always holds stands anywhere, of no bits, and one
    that never does stands nowhere.
    """
    functions = [found for each in features if any((found := essential(each, negated)).table)]
    widest = max((len(each.positions) for each in functions), default=0)
    last = [max(each.positions, default=-1) for each in functions]
    own = [place for place in last if place >= 0]
    if len(set(own)) == len(own):
        free = iter(sorted(set(range(length)) - set(own)))
        standing = [place if place >= 0 else next(free) for place in last]
        return Plan(_placed(functions, standing, widest, own=True), widest > 0, max(0, widest - 1), causal=True)
    order = sorted(range(len(functions)), key=lambda j: -last[j])
    places = {j: length - 1 - rank for rank, j in enumerate(order)}
    if all(places[j] >= last[j] for j in places):
        standing = [places[j] for j in range(len(functions))]
        return Plan(_placed(functions, standing, widest, own=False), False, widest, causal=True)
    return Plan(_placed(functions, range(len(functions)), widest, own=False), False, widest, causal=False)


@dataclass(frozen=True)
class Function:
    """A feature of the bits it depends on: `table[b]` is its value where position j holds bit j of b."""

    positions: tuple[int, ...]
    table: tuple[bool, ...]


def essential(feature: Feature, negated: bool) -> Function:
    """The feature, or its negation, as a function of those bits alone that it depends on."""
    table, codes = feature.table, range(len(feature.table))
    bits = [j for j in range(len(feature.positions)) if any(table[code] != table[code ^ 1 << j] for code in codes)]
    within = [sum((code >> i & 1) << j for i, j in enumerate(bits)) for code in range(2 ** len(bits))]
    return Function(tuple(feature.positions[j] for j in bits), tuple(table[code] != negated for code in within))


def _placed(functions: Sequence[Function], places: Sequence[int], widest: int, own: bool) -> tuple[Placed, ...]:
    return tuple(_place(each, at, widest, own) for each, at in zip(functions, places, strict=True))


def _place(function: Function, at: int, widest: int, own: bool) -> Placed:
    """One function. Heads it has no use for read a bit it already looks at; of no bits, where it stands."""
    positions, table = function.positions, function.table
    if not positions and widest:
        positions, table = (at,), table * 2
    seen = sorted(positions, key=lambda position: position != at) if own else list(positions)
    spare = widest - len(seen)
    rank = [positions.index(position) for position in seen]
    ones = set()
    for code in range(len(table)):
        if table[code]:
            bits = tuple(code >> j & 1 for j in rank)
            ones.add(bits + bits[:1] * spare)
    seen += seen[:1] * spare
    return Placed(at, tuple(seen[1:] if own else seen), frozenset(ones))
