"""Named coordinates: vector spaces whose directions have names, and linear maps given by what they do to them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError

Action = Tensor | float
"""How one block acts on another: a matrix [to, from], or a number (times the identity; blocks of one size)."""


class Space:
    """A vector space whose coordinates come in named blocks, e.g. `Space(position=7, token=6, flag=1)`.

    >>> space = sx.constructions.Space(position=7, token=6, flag=1)
    >>> space["token"], space.vectors(3, flag=1.0).shape
    (slice(7, 13, None), torch.Size([3, 14]))
    """

    def __init__(self, **blocks: int) -> None:
        self.blocks: dict[str, slice] = {}
        self.width = 0
        for name, size in blocks.items():
            self.blocks[name] = slice(self.width, self.width + size)
            self.width += size

    def __getitem__(self, name: str) -> slice:
        if name not in self.blocks:
            raise InputError(f"no coordinates are named {name!r}: there are {', '.join(self.blocks)}")
        return self.blocks[name]

    def size(self, name: str) -> int:
        """Number of coordinates of a block."""
        return self[name].stop - self[name].start

    def vectors(self, count: int, **parts: Tensor | float) -> Float[Tensor, "count width"]:
        """Vectors with the given values in the named blocks ([count, size], [size] or a number), 0 elsewhere."""
        made = torch.zeros(count, self.width)
        for name, value in parts.items():
            made[:, self[name]] = torch.as_tensor(value, dtype=made.dtype)
        return made


def linear(source: Space, target: Space, actions: Mapping[tuple[str, str], Action]) -> Float[Tensor, "to from"]:
    """The weight of `nn.Linear` from one space to another: `{("position", "key"): 2.0}` sends position to 2 position.

    Blocks that no action names are sent to 0; actions that end in one block are added up.

    >>> source, target = sx.constructions.Space(position=1, token=2), sx.constructions.Space(key=1, value=2)
    >>> sx.constructions.linear(source, target, {("position", "key"): 2.0, ("token", "value"): 1.0}).tolist()
    [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    weight = torch.zeros(target.width, source.width)
    for (start, end), action in actions.items():
        if not isinstance(action, Tensor) and source.size(start) != target.size(end):
            raise InputError(
                f"a number maps blocks of one size, got {start!r} ({source.size(start)}) and {end!r} "
                f"({target.size(end)}): give a matrix"
            )
        matrix = action if isinstance(action, Tensor) else action * torch.eye(source.size(start))
        weight[target[end], source[start]] += matrix
    return weight
