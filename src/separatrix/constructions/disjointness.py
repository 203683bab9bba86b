"""Disjointness of two sets of bits with two layers of one head and width ceil(log2 n) + 2.

The bit opposite is added to a position's own, 1 as -1: the sum is -2 where an element is in both sets. There the
second string objects.
"""

from __future__ import annotations

from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.layers import Unit
from separatrix.constructions.registry import Theorem
from separatrix.constructions.two_strings import PAPER, Comparison, construct, trials
from separatrix.tasks.disjointness import Disjointness


def both(tokens: range, string: int) -> list[Unit]:
    """The sum x becomes 2 where it is -2 and stands in the second string (+1), 0 elsewhere."""
    (token,) = tokens
    common = Unit({token: -1.0, string: 1.0}, -2.0, {token: 2.0})
    erase = [Unit({token: 1.0}, 0.0, {token: -1.0}), Unit({token: -1.0}, 0.0, {token: 1.0})]
    return [common, *erase]


COMMON = Comparison(sign=1.0, units=both)


def build(task: Disjointness, options: Options) -> Construction:
    """Disjointness in either layout. Interleaved sets of every size are compared by one set of weights."""
    return construct(task, options, NAME, COMMON)


NAME = "disjointness"

THEOREMS = {
    NAME: Theorem(
        NAME,
        "disjointness",
        "2 layers of one head and width ceil(log2 n) + 2 suffice",
        PAPER,
        build,
        trials=lambda task, options: trials(task, options, COMMON),
    )
}
