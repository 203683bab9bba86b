"""A second layer that sees whether any position objects: exact without an average being exact.

After the first layer a linear functional of every position, its *objection*, is at most -1 where nothing is wrong, at
least 1 where something is, and 0 at the end token. The end token attends to the largest: to itself when nobody
objects, and then reads exactly -2; otherwise to positions that object, alone or tied, whose values 2 (objection - 1)
are at least 0, and so is their average, however its sums are rounded. Added to a coordinate that holds 1, this is -1,
or at least 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.attention.layers import Head, head
from separatrix.constructions.attention.one_hot import leak, require_exact, temperature, ties_are_finite
from separatrix.constructions.basis import Action, Space
from separatrix.constructions.certificate import CertificateError
from separatrix.numerics import FloatingPoint, Format, Real

INSIDE = Space(objection=1)


@dataclass(frozen=True)
class Veto:
    """What one set of weights needs in a format.

    fetch, object: inverse temperatures of the two layers
    order:         of the sums the claim holds for
    margin:        least difference of the two logits
    leaks:         in real arithmetic, the weight of all wrong positions in the two layers
    """

    fetch: float
    object: float
    order: Literal["any", "sequential"]
    margin: float
    leaks: tuple[float, float]

    def quantities(self, width: int) -> dict[str, float | int | str]:
        """What a certificate says of them."""
        return {
            "width": width,
            "fetch_beta": self.fetch,
            "object_beta": self.object,
            "fetch_leak": self.leaks[0],
            "object_leak": self.leaks[1],
        }


def veto(
    number_format: Format,
    length: int,
    fetch_units: int,
    objection: int,
    loudest: int,
    slope: int,
    units: int,
    fetch_gap: float = 2.0,
    unit: float = 1.0,
) -> Veto:
    """The temperatures and the margin, or a CertificateError where the format is too narrow.

    fetch_units: largest sum of the terms of a score of the first layer
    fetch_gap:   by how much these scores tell positions apart
    objection:   largest sum of an objection's terms of either sign
    loudest:     largest value of a position that objects
    slope:       how far an objection moves per unit of wrong weight in the first layer
    units:       largest number inside the MLP, all of them multiples of `unit`
    """
    fetch, object_ = temperature(fetch_gap, number_format), temperature(1.0, number_format)
    require_exact(number_format, fetch_units, fetch, "the scores of the first layer")
    require_exact(number_format, objection, object_, "the scores of the second layer")
    require_exact(number_format, 2 * objection, 1.0, "the values of the second layer")
    require_exact(number_format, math.ceil(units / unit), unit, "the numbers inside the MLP")
    if not ties_are_finite(number_format, float(loudest)):
        raise CertificateError(
            f"averages of values up to {loudest} may overflow in {number_format}: it has no infinity"
        )
    if not isinstance(number_format, Real):
        finite = isinstance(number_format, FloatingPoint) and number_format.finite
        return Veto(fetch, object_, "sequential" if finite else "any", 2.0, (0.0, 0.0))
    first = leak(length, fetch_gap * fetch)
    moved = slope * first
    second = leak(length, object_ * (1 - 2 * moved))
    return Veto(fetch, object_, "any", 2 - 2 * (3 * moved + 4 * (objection + 1) * second), (first, second))


def head_of(objection: Mapping[str, Action], shift: float, beta: float, into: Mapping[str, Action]) -> Head:
    """The second layer's head: `objection` sums blocks up, `shift` is added to it; the verdict goes `into` a block."""
    reads = {(block, "objection"): action for block, action in objection.items()}
    doubled = {key: 2 * action for key, action in reads.items()}
    return head(
        INSIDE,
        query_bias={"objection": beta},
        key=reads,
        key_bias={"objection": shift},
        value=doubled,
        value_bias={"objection": 2 * shift - 2},
        out={("objection", block): action for block, action in into.items()},
    )


def answers(space: Space, coordinate: int, accept: int) -> Float[Tensor, "2 D"]:
    """The output layer: answer `accept` where nobody objected, where the coordinate is -1; the other above 0."""
    rows = torch.zeros(2, space.width)
    rows[accept, coordinate], rows[1 - accept, coordinate] = -1.0, 1.0
    return rows
