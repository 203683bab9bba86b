"""Bits recalled: how much of its context a model provably still holds, by what it can answer (rate–distortion).

For contexts of independent uniform tokens a model whose cross-entropy at position i is CE_i bits retains at least
sum_i max(0, log2 S - CE_i) bits: the answers' mutual information with the tokens is at most that of the state, and
cross-entropy is at least conditional entropy. What is reported is an estimate of this lower bound from samples.
In associative recall the values are the tokens, independent and uniform whatever the keys are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.trial.evaluation import CHUNK
from separatrix.experiments.trial.size import check_room
from separatrix.machine import memory
from separatrix.models import state_bits
from separatrix.notebook import Shown
from separatrix.tasks import Batch, Task
from separatrix.tasks.associative_recall import AssociativeRecall
from separatrix.tasks.index_lookup import IndexLookup
from separatrix.tasks.randomness import stream


class Capacity(Shown, Config):
    """Bits of the context that a model's answers prove it to hold, with a confidence interval over contexts.

    >>> bits = {"recalled_bits": 96, "low": 90, "high": 100, "context_bits": 120, "state_bits": 512}
    >>> sx.experiments.Capacity(**bits, confidence=0.95, contexts=128).utilisation  # bits recalled per bit of state
    0.1875
    """

    recalled_bits: float = Field(description="estimated lower bound on the mutual information of context and state")
    low: float = Field(description="lower end of the confidence interval, in bits")
    high: float = Field(description="upper end of the confidence interval, in bits")
    confidence: float
    context_bits: float = Field(description="bits there are to recall: N log2 S, or those of the values")
    state_bits: int = Field(description="bits of the state as stored, measured")
    contexts: int = Field(description="contexts measured")

    @property
    def utilisation(self) -> float:
        """State utilisation: bits recalled per bit of state."""
        return self.recalled_bits / self.state_bits


@dataclass(frozen=True)
class Symbols:
    """What is there to recall: independent uniform symbols, each asked for by one query.

    task: asks for every symbol of a context when it is sampled with `count` queries
    """

    task: Task
    count: int
    alphabet: int

    @property
    def bits(self) -> float:
        """Bits of one symbol."""
        return math.log2(self.alphabet)


def symbols(task: Task) -> Symbols:
    """What a context of the task gives to recall. Raises InputError when that is not independent uniform symbols."""
    match task:
        case IndexLookup():
            return Symbols(task, task.length, task.alphabet)
        case AssociativeRecall():
            return Symbols(task.replace(absent=0.0), task.pairs, task.values)
        case _:
            raise InputError(
                "bits recalled are defined for index-lookup and associative-recall (independent uniform symbols), "
                f"got {task.name}"
            )


def bits_recalled(model: Any, task: Task, seed: int, contexts: int = 512, confidence: float = 0.95) -> Capacity:
    """Measure the bits a model (prefill, forward) recalls of contexts it has never seen (split "test").

    The positions counted (those with log2 S - CE_i > 0) are chosen on one half of the contexts and measured on the
    other, so that choosing them does not inflate the estimate. The interval is Student's t over contexts.
    Raises InputError for a task whose contexts are not independent uniform symbols, or fewer than 4 contexts.

    >>> built = sx.constructions.create("index-lookup", length=16, alphabet=4)
    >>> held = sx.experiments.bits_recalled(built.model, built.task, seed=0, contexts=8)
    >>> round(held.recalled_bits, 2), held.context_bits  # right everywhere, but never quite sure
    (26.14, 32.0)
    """
    asked = symbols(task)
    if contexts < 4:
        raise InputError(f"contexts must be at least 4, got {contexts}")
    check_room(2 * 8 * contexts * asked.count, f"{contexts:,} contexts", _fitting(asked.count))
    gains = position_gains(model, asked, seed, contexts)
    chosen = gains[: contexts // 2].mean(dim=0) > 0
    per_context = gains[contexts // 2 :][:, chosen].sum(dim=1)
    mean, margin = mean_and_margin(per_context, confidence)
    context_bits = asked.count * asked.bits
    example = task.sample(1, stream(seed, "test", 0))
    return Capacity(
        recalled_bits=max(0.0, mean),
        low=max(0.0, mean - margin),
        high=min(context_bits, max(0.0, mean + margin)),
        confidence=confidence,
        context_bits=context_bits,
        state_bits=state_bits(model.prefill(example.context.to(next(model.parameters()).device))),
        contexts=contexts,
    )


def _fitting(symbols: int) -> int:
    return memory() // (2 * 8 * symbols)


def batches(asked: Symbols, seed: int, contexts: int, device: torch.device) -> Iterator[Batch]:
    """Contexts never trained on, each with a query for every symbol of it."""
    for chunk, first in enumerate(range(0, contexts, CHUNK)):
        size = min(CHUNK, contexts - first)
        yield asked.task.sample(size, stream(seed, "test", chunk), queries=asked.count).to(device)


@torch.no_grad()
def position_gains(model: Any, asked: Symbols, seed: int, contexts: int) -> Tensor:
    """Float64[contexts, symbols]: log2 S minus the loss in bits, for every symbol of every context."""
    device = next(model.parameters()).device
    rows = []
    for batch in batches(asked, seed, contexts, device):
        logits = model(batch.context, batch.queries)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="none").double()
        by_position = torch.empty(len(batch.context), asked.count, dtype=torch.float64, device=device)
        by_position.scatter_(1, batch.groups, loss.view_as(batch.targets))
        rows.append(asked.bits - by_position.cpu() / math.log(2))
    return torch.cat(rows)


def mean_and_margin(values: Tensor, confidence: float) -> tuple[float, float]:
    """Mean and half-width of Student's t interval of independent values."""
    from scipy import stats  # noqa: PLC0415  # slow to import, rarely needed

    error = float(values.std()) / math.sqrt(len(values))
    return float(values.mean()), float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
