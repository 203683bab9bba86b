"""What recognisers share: a flag that falls with the first violation and never rises again.

Two units of 0 and 1: `begun` is on from the first token, `alive' = relu(alive + 1 - begun - violations)`. Before the
first token both are 0, and alive becomes 1; from then on it can only stay or fall. A violation found by a token is a
unit of its own that is on in the state after that token; `alive` falls one token later, at the latest with the query.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.basis import Space

BLOCKS = {"alive": 1, "begun": 1}
"""Coordinates of the flag."""


def install(space: Space, recurrent: Float[Tensor, "D D"], bias: Float[Tensor, " D"], *violations: str) -> None:
    """Set the weights of the flag, which falls with any unit of the blocks named."""
    alive, begun = space["alive"], space["begun"]
    recurrent[alive, alive] = 1
    recurrent[alive, begun] = -1
    for name in violations:
        recurrent[alive, space[name]] = -1
    bias[alive] = bias[begun] = 1


def accept(space: Space, *pending: str) -> tuple[Float[Tensor, "2 D"], Float[Tensor, " 2"]]:
    """Head and bias: logit 1 is alive minus the units of the blocks named, logit 0 is 1 minus that. Margin 1."""
    row = torch.zeros(space.width)
    row[space["alive"]] = 1
    for name in pending:
        row[space[name]] = -1
    return torch.stack([-row, row]), torch.tensor([1.0, 0.0])
