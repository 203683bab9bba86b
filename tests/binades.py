"""Interleaved equality by one head of width 2, every result rounded: a float's binades in the place of bits."""

from __future__ import annotations

import torch

import separatrix as sx
from separatrix.models import SequenceModel
from separatrix.numerics import Arithmetic, Format

APART = 2
"""Binades from one pair's values to the next's: what later pairs add never undoes an earlier difference."""


def exponents(pairs: int) -> list[int]:
    """The binade of each pair's values, falling."""
    return [pairs - APART * j for j in range(pairs)]


def float_equality(pairs: int) -> SequenceModel:
    """Pair j adds e^(x / 2) 2^a_j for its first bit x and takes as much for its second: equal iff the sum is 0.

    Residual stream: (score, value) of a token; the query's are 0, and its bias asks every place for its score. The sum
    arrives in the second coordinate, its absolute value in the first.
    """
    task = sx.tasks.create("equality", length=2 * pairs, layout="interleaved")
    model = sx.models.create(
        "transformer", task, width=2, heads=1, layers=1, mlp=2, norm="none", positions="learned", scale=1.0,
        bias=True,
    )  # fmt: skip
    block = model.blocks[0]
    sizes = torch.tensor([sign * 2.0**a for a in exponents(pairs) for sign in (1, -1)])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embed.weight[1] = torch.tensor([0.5, 0.0])  # a 1 scores 1/2 more
        model.positions.table.weight[:, 1] = sizes
        block.mixer.query.bias[0] = 1.0
        block.mixer.key.weight[0, 0] = 1.0
        block.mixer.value.weight[0, 1] = 1.0
        block.mixer.out.weight[1, 0] = 1.0
        block.mlp[1].weight[:] = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
        block.mlp[3].weight[:] = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
        model.head.weight[0, 0] = 1.0
        model.head.bias[1] = 2.0**-126  # "equal" when the sum is 0
    return model.eval()


def nearest_to_zero(pairs: int, number_format: Format) -> tuple[float, float]:
    """(least positive, greatest negative) weighted sum of any two unequal strings, over all normalisers there are.

    Rounded addition is monotone: of all running sums on one side of 0 the nearest to it gives the nearest one after the
    next two places. So two numbers are followed, for every normaliser that any context can have, and if neither reaches
    0 no unequal strings have the sum 0. Equal ones have: each pair adds and takes away the same number.
    """
    a = Arithmetic(number_format)
    low, high = (a.round(torch.exp(torch.tensor(s, dtype=torch.float64))) for s in (-0.5, 0.0))  # some bit is 1
    below = normalisers(pairs, a, low, high)
    low, high = a.round(low / below), a.round(high / below)
    above, under = torch.full_like(low, torch.inf), torch.full_like(low, -torch.inf)
    for power in exponents(pairs):
        small, large = (a.multiply(weight, 2.0**power) for weight in (low, high))
        bits = [(x, y) for x in (small, large) for y in (small, large)]
        above, under = (torch.stack([a.add(a.add(side, x), -y) for x, y in bits]) for side in (above, under))
        above = torch.minimum(above.amin(dim=0), a.add(large, -small))  # or the first difference is here
        under = torch.maximum(under.amax(dim=0), a.add(small, -large))
    return float(above.min()), float(under.max())


def normalisers(pairs: int, a: Arithmetic, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Every sum of weights that a context with a 1 can have, its places one by one, and then the query's own."""
    running = torch.zeros(1, dtype=torch.float64)
    for _ in range(2 * pairs):
        running = torch.cat([a.add(running, low), a.add(running, high)]).unique()
    return a.add(running, low).unique()
