"""The memory wall: bits recalled from a state that is sent in p bits a scalar, p = 1 … 12, against the bits sent.

No code passes the line *recalled = sent*: what is recalled is information about the context, and the message is all
there is of it. The quantiser is fixed before the contexts that are measured: each scalar has 2^p cells of equal size
between its extremes on other contexts, so that p bits a scalar are exactly what is sent. So are the positions that are
counted, and one temperature that softens answers read from a rounded state; any decoder gives a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.utils import _pytree as pytree

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.measure.capacity import Symbols, batches, mean_and_margin, symbols
from separatrix.models import state_numbers
from separatrix.notebook import Shown
from separatrix.tasks import Task

PRECISIONS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
"""Bits a scalar that the state is sent in."""

TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
"""What logits may be divided by."""


class WallPoint(Config):
    """One message: how long it is, and what is recalled from it."""

    precision: int = Field(description="bits a scalar")
    sent: int = Field(description="bits sent per context, exact")
    recalled: float = Field(description="estimated lower bound on the bits of the context that the message holds")
    low: float = Field(description="lower end of the confidence interval over contexts")
    high: float = Field(description="upper end of the confidence interval over contexts")


class MemoryWall(Shown, Config):
    """The curve of one model.

    >>> task = sx.tasks.create("index-lookup", length=4, alphabet=2)
    >>> wall = sx.experiments.memory_wall(sx.models.create("lstm", task, width=4), task, seed=0, contexts=128)
    >>> wall.context_bits, wall.numbers
    (4.0, 8)
    """

    points: list[WallPoint]
    context_bits: float = Field(description="bits there are to recall")
    numbers: int = Field(description="scalars of the state")
    contexts: int = Field(description="contexts measured; as many others fixed the code")
    confidence: float


@torch.no_grad()
def memory_wall(
    model: Any,
    task: Task,
    seed: int,
    contexts: int = 256,
    precisions: Sequence[int] = PRECISIONS,
    confidence: float = 0.95,
) -> MemoryWall:
    """Measure what a model (prefill, decode) answers from its rounded state, on contexts it has never seen.

    The first half of the contexts fixes ranges, temperature and positions; the second half is measured. The interval
    is Student's t over contexts. Raises InputError for tasks without independent symbols, or fewer than 8 contexts.

    >>> task = sx.tasks.create("index-lookup", length=4, alphabet=2)
    >>> wall = sx.experiments.memory_wall(sx.models.create("gru", task, width=3), task, 0, 128, precisions=[1, 2])
    >>> len(wall.points)
    2
    """
    if contexts < 8:
        raise InputError(f"contexts must be at least 8, got {contexts}")
    asked = symbols(task)
    device = next(model.parameters()).device
    read = [(batch, model.prefill(batch.context)) for batch in batches(asked, seed, contexts, device)]
    half = max(1, len(read) // 2)
    if len(read) == 1:
        raise InputError(f"{contexts} contexts are one batch: give more than 64, so that one half can fix the code")
    ranges = _ranges([state for _, state in read[:half]])
    numbers = state_numbers(read[0][1])
    points = []
    for precision in precisions:
        logits = [model.decode(rounded(state, ranges, precision), batch.queries) for batch, state in read]
        fixed, measured = (
            [(one, batch.targets, batch.groups) for one, (batch, _) in zip(part, group, strict=True)]
            for part, group in ((logits[:half], read[:half]), (logits[half:], read[half:]))
        )
        temperature = max(TEMPERATURES, key=lambda t: float(_gains(fixed, asked, t).mean(0).clamp(min=0).sum()))
        counted = _gains(fixed, asked, temperature).mean(0) > 0
        held = _gains(measured, asked, temperature)[:, counted].sum(dim=1)
        mean, margin = mean_and_margin(held, confidence)
        points.append(
            WallPoint(
                precision=precision,
                sent=precision * numbers,
                recalled=max(0.0, mean),
                low=max(0.0, mean - margin),
                high=min(asked.count * asked.bits, max(0.0, mean + margin)),
            )
        )
    return MemoryWall(
        points=points,
        context_bits=asked.count * asked.bits,
        numbers=numbers,
        contexts=sum(len(batch.context) for batch, _ in read[half:]),
        confidence=confidence,
    )


def rounded(state: Any, ranges: Sequence[tuple[Tensor, Tensor]], precision: int) -> Any:
    """The state as it arrives: each scalar the centre of one of 2^p equal cells of its range.

    state:  a pytree of Float[B, ...]; ranges: the least and greatest value of every scalar, a pair of Float[...] a leaf
    """
    leaves, form = pytree.tree_flatten(state)
    received = []
    for leaf, (low, high) in zip(leaves, ranges, strict=True):
        cell = ((high - low) / 2**precision).clamp(min=torch.finfo(leaf.dtype).tiny)
        index = ((leaf - low) / cell).floor().clamp(0, 2**precision - 1)  # exactly 2^p values
        received.append(low + (index + 0.5) * cell)
    return pytree.tree_unflatten(received, form)


def _ranges(states: Sequence[Any]) -> list[tuple[Tensor, Tensor]]:
    """The least and greatest value of each scalar. Raises InputError for a state that is not real."""
    leaves = [pytree.tree_leaves(state) for state in states]
    if any(not leaf.is_floating_point() for leaf in leaves[0]):
        raise InputError("only real states are rounded, and this one has other tensors")
    every = [torch.cat([one[index] for one in leaves]) for index in range(len(leaves[0]))]
    return [(leaf.amin(dim=0), leaf.amax(dim=0)) for leaf in every]


def _gains(answered: Sequence[tuple[Tensor, Tensor, Tensor]], asked: Symbols, temperature: float) -> Tensor:
    """Float64[contexts, symbols]: log2 S minus the loss in bits, symbol by symbol."""
    rows = []
    for logits, targets, groups in answered:
        loss = F.cross_entropy(logits.flatten(0, 1) / temperature, targets.flatten(), reduction="none").double()
        by_symbol = torch.empty(len(targets), asked.count, dtype=torch.float64, device=loss.device)
        by_symbol.scatter_(1, groups, loss.view_as(targets))
        rows.append(asked.bits - by_symbol.cpu() / math.log(2))
    return torch.cat(rows)
