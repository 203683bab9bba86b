"""Whether the contexts a model was tested on had been trained on: where few contexts exist, they must have been."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Int
from torch import Tensor

from separatrix.tasks import Problem, Task

SMALL = 2**24
"""Contexts, at most, of a space that is called small: a table of all of them takes 16 MiB."""

LONG = 4096
"""Tokens of a context whose space is not counted."""


def space(task: Problem) -> int | None:
    """How many contexts there could be, by the tokens that may stand at each position.

    None for more than `SMALL`, for vectors and for streams, whose questions stand among what they are asked of.

    >>> from separatrix.experiments.trial.overlap import space
    >>> space(sx.tasks.create("parity", length=10)), space(sx.tasks.create("parity", length=30))
    (1024, None)
    """
    if not isinstance(task, Task) or task.vector_size is not None or task.length > LONG:
        return None
    size = 1
    for position in range(task.length):
        size *= len(task.position_alphabet(position))
        if size > SMALL:
            return None
    return size


def overlap(task: Problem, tested: Iterable[Tensor], trained: Iterable[Tensor]) -> float | None:
    """The share of the tested contexts, Int[B, N] a batch, that were among the trained ones; None for a large space.

    Trained contexts of other lengths count as others. Stops when all tested ones have been met.

    >>> from separatrix.experiments.trial.overlap import overlap
    >>> task = sx.tasks.create("parity", length=2)
    >>> tested, trained = torch.tensor([[0, 0], [0, 1], [1, 1], [1, 1]]), torch.tensor([[1, 1], [1, 0]])
    >>> overlap(task, [tested], [trained])
    0.5
    """
    size = space(task)
    if size is None or not isinstance(task, Task):
        return None
    numbers = torch.cat([numbered(task, contexts) for contexts in tested])
    wanted, met = torch.zeros(size, dtype=torch.bool), torch.zeros(size, dtype=torch.bool)
    wanted[numbers] = True
    missing = int(wanted.sum())
    for contexts in trained:
        if contexts.shape[1] != task.length:
            continue
        number = numbered(task, contexts)
        new = number[wanted[number] & ~met[number]]
        if len(new):
            met[new] = True
            missing -= len(new.unique())
            if not missing:
                break
    return float(met[numbers].double().mean())


def numbered(task: Task, contexts: Int[Tensor, "B N"]) -> Int[Tensor, " B"]:
    """The number of each context among all there could be: its tokens are the digits."""
    number = torch.zeros(len(contexts), dtype=torch.int64)
    for position, tokens in enumerate(contexts.unbind(1)):
        alphabet = task.position_alphabet(position)
        number = number * len(alphabet) + (tokens.long() - alphabet.start) // alphabet.step
    return number
