"""How two symbols that stand opposite one another are compared: what the MLP makes of their difference or sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from separatrix.constructions.attention.layers import Unit


@dataclass(frozen=True)
class Comparison:
    """How two symbols are compared.

    sign:  what is read is added (1) or taken away (-1)
    units: the MLP's units, from the coordinates of the token and the one of the string: tokens become the positions'
           objections, 0 or at least 2 in all
    """

    sign: float
    units: Callable[[range, int], list[Unit]]


def sizes(tokens: range, string: int) -> list[Unit]:
    """X + 2 relu(-x) = |x| in every coordinate of the token.

    The symbol opposite is taken from a position's own: the difference is 0 everywhere if and only if the strings are
    equal. Its size, 2 for every sign that differs, is the objection.
    """
    return [Unit({token: -1.0}, 0.0, {token: 2.0}) for token in tokens]


def both(tokens: range, string: int) -> list[Unit]:
    """The sum x becomes 2 where it is -2 and stands in the second string (+1), 0 elsewhere.

    The bit opposite is added to a position's own, 1 as -1: the sum is -2 where an element is in both sets. There the
    second string objects.
    """
    (token,) = tokens
    common = Unit({token: -1.0, string: 1.0}, -2.0, {token: 2.0})
    erase = [Unit({token: 1.0}, 0.0, {token: -1.0}), Unit({token: -1.0}, 0.0, {token: 1.0})]
    return [common, *erase]


DIFFERENT = Comparison(sign=-1.0, units=sizes)
COMMON = Comparison(sign=1.0, units=both)
