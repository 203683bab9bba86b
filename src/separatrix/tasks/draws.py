"""Random choices that several tasks make, vectorised over the batch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def distinct(population: int, count: int, batch_size: int, generator: torch.Generator) -> Int[Tensor, "B k"]:
    """`count` distinct numbers below `population` for each row, uniformly, in uniformly random order."""
    device = generator.device
    if count * count > population:  # repetitions would be common: order random marks instead
        return torch.rand(batch_size, population, generator=generator, device=device).topk(count, dim=1).indices
    numbers = torch.randint(population, (batch_size, count), generator=generator, device=device)
    while True:
        (again,) = torch.nonzero((numbers.sort(dim=1).values.diff(dim=1) == 0).any(dim=1), as_tuple=True)
        if not len(again):
            return numbers
        numbers[again] = torch.randint(population, (len(again), count), generator=generator, device=device)


def several(population: int, count: int, batch_size: int, generator: torch.Generator) -> Int[Tensor, "B Q"]:
    """`count` numbers below `population` for each row: distinct when there are enough, independent otherwise."""
    if count <= population:
        return distinct(population, count, batch_size, generator)
    return torch.randint(population, (batch_size, count), generator=generator, device=generator.device)


def places(count: Int[Tensor, " B"], n: int, generator: torch.Generator) -> Bool[Tensor, "B n"]:
    """For each row that many of n places, uniformly without replacement: those of the smallest random marks."""
    marks = torch.rand(len(count), n, generator=generator, device=count.device, dtype=torch.float64)
    ordered = marks.sort(dim=1).values
    threshold = ordered.gather(1, (count[:, None] - 1).clamp(min=0))
    return (marks <= threshold) & (count > 0)[:, None]
