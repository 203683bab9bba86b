"""Equality of two strings by weighing: one layer, one head, whose sums are 0 just when the strings are equal.

Bit j of the first string adds w 2^e, the same bit of the second takes it away; a 0 weighs nothing. Each coordinate of
the values carries as many bits as there are products 2^a 2^b of a weight and a value: nearly what its sum can say.
"""

from __future__ import annotations

import math

import torch

from separatrix.bounds.arithmetic import ArithmeticModel, FixedPointSums, FloatingPointSums, RoundedSums
from separatrix.errors import InputError
from separatrix.models.transformer import Transformer
from separatrix.tasks import create

NOTHING = -240.0
"""The score of what shall weigh nothing: e^-240 is 0 in every format here."""


def powers(arithmetic: ArithmeticModel) -> list[tuple[int, int]]:
    """(a, b): weights 2^a and values 2^b whose products are all different, as many as there are."""
    if isinstance(arithmetic, FixedPointSums):
        unit, top, most = int(math.log2(arithmetic.unit)), arithmetic.bits - 1, arithmetic.bits - 2
        first, last, highest = unit, unit + top, unit + most
    elif isinstance(arithmetic, FloatingPointSums):
        first, highest = round(math.log2(arithmetic.format.smallest)), int(math.log2(arithmetic.format.largest))
        last = highest
    else:
        return [(0, 0)]  # rounded sums of more than one power forget
    if isinstance(arithmetic, FloatingPointSums) and arithmetic.subtract:
        return [(0, b) for b in range(first, highest + 1)]  # weights other than 1 are no powers of 2 there
    return [(a, first) for a in range(first, last)] + [(last, b) for b in range(first, highest + 1)]


def weighing(arithmetic: ArithmeticModel, width: int) -> Transformer:
    """Equality of as many bits as `width` coordinates carry, as weights.

    Residual stream: the score of a token, and its values; the query scores 0 and adds nothing.
    Raises InputError for a width below 1.
    """
    if width < 1:
        raise InputError(f"width must be at least 1, got {width}")
    carried = [(c, a, b) for c in range(width) for a, b in powers(arithmetic)]
    bits = len(carried)
    task = create("equality", length=2 * bits)
    model = Transformer.for_task(
        task, width=1 + width, head_width=width, mlp=2 * width, norm="none", scale=1.0, bias=True
    )
    places = torch.zeros(2 * bits, 1 + width)
    for j, (c, a, b) in enumerate(carried):
        places[[j, bits + j], 0] = a * math.log(2)
        places[j, 1 + c], places[bits + j, 1 + c] = 2.0**b, -(2.0**b)
    eye = torch.eye(width)
    weights = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    mixer, mlp = "blocks.0.mixer", "blocks.0.mlp"
    weights["embed.weight"][0, 0] = NOTHING - places[:, 0].max()  # a 0
    weights["positions.table.weight"][:] = places
    weights[f"{mixer}.query.bias"][0] = 1.0
    weights[f"{mixer}.key.weight"][0, 0] = 1.0
    weights[f"{mixer}.value.weight"][:, 1:] = eye
    weights[f"{mixer}.out.weight"][1:] = eye
    weights[f"{mlp}.1.weight"][:, 1:] = torch.cat([eye, -eye])  # the absolute value of every sum
    weights[f"{mlp}.3.weight"][0] = 1.0
    weights["head.weight"][0, 0] = 1.0
    weights["head.bias"][1] = 2.0**-8 if isinstance(arithmetic, RoundedSums) else 2.0**-100
    model.load_state_dict(weights)
    return model.eval()
