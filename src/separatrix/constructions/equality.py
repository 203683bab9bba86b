"""Equality of two strings with two layers of one head and width ceil(log2 n) + 1 + ceil(log2 S).

The symbol opposite is taken from a position's own: the difference is 0 everywhere if and only if the strings are
equal. Its size, 2 for every sign that differs, is the objection.
"""

from __future__ import annotations

from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.layers import Unit
from separatrix.constructions.registry import Theorem
from separatrix.constructions.two_strings import PAPER, Comparison, construct, trials
from separatrix.tasks.equality import Equality


def sizes(tokens: range, string: int) -> list[Unit]:
    """X + 2 relu(-x) = |x| in every coordinate of the token."""
    return [Unit({token: -1.0}, 0.0, {token: 2.0}) for token in tokens]


DIFFERENT = Comparison(sign=-1.0, units=sizes)


def build(task: Equality, options: Options) -> Construction:
    """Equality in either layout. Interleaved strings of every length are compared by one set of weights."""
    return construct(task, options, NAME, DIFFERENT)


NAME = "equality"

THEOREMS = {
    NAME: Theorem(
        NAME,
        "equality",
        "2 layers of one head and width ceil(log2 n) + 1 + ceil(log2 S) suffice",
        PAPER,
        build,
        trials=lambda task, options: trials(task, options, DIFFERENT),
    )
}
