"""How a model's state grows with the length of the context: measured by prefill, past its windows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from separatrix.bounds.state_size import Part, StateSize, merged
from separatrix.errors import InputError
from separatrix.models.growth import law
from separatrix.models.huggingface.shrink import windows
from separatrix.models.state import bits_per_number, tensors
from separatrix.tasks import Task

BATCH = 3
"""Contexts read at once: a cache's counters, of one number, do not look like a batch of them."""


def window_lengths(model: nn.Module) -> list[int]:
    """The windows, in tokens, that a model or one of its layers has: its state may change its growth there."""
    found: set[int] = set()
    for module in model.modules():
        found |= {value for name, value in vars(module).items() if name == "window" and isinstance(value, int)}
    config = getattr(getattr(model, "body", None), "config", None)
    return sorted(found | set(windows(config.to_dict()) if config is not None else []))


def measured_size(model: Any, task: Task, lengths: Iterable[int] | None = None) -> StateSize:
    """The state of a model with `prefill`, each tensor counted in its own format.

    lengths: contexts to read; None for the last four of the task's and those about the model's windows.
    Raises InputError for odd growth. Example: `measured_size(models.create("lstm", task), task).bits(400)`
    """
    if lengths is None:
        near = [w + d for w in window_lengths(model) for d in (-1, 0, 1)] if isinstance(model, nn.Module) else []
        lengths = [*list(task.lengths)[:2], *near, *list(task.lengths)[-4:]]
    read = sorted({n for n in lengths if n in task.lengths})
    counts: dict[int, list[tuple[int, int]]] = {}
    for length in read:
        context = task.sample(BATCH, torch.Generator().manual_seed(0), length=length).context
        with torch.no_grad():
            kept = tensors(model.prefill(context))
        counts[length] = [(tensor[0].numel(), bits_per_number(tensor.dtype)) for tensor in kept]
    if len({len(each) for each in counts.values()}) > 1:
        sizes = {length: sum(numbers for numbers, _ in each) for length, each in counts.items()}
        raise InputError(f"the state has tensors at some lengths that it has not at others: numbers {sizes}")
    parts = []
    for i, (_, bits) in enumerate(counts[read[0]]):
        found = law({length: counts[length][i][0] for length in read})
        parts.append(Part(bits, found.constant, found.per_token, found.window, found.block, found.rest))
    return StateSize(merged(parts), f"measured by prefill of {read[0]:,} to {read[-1]:,} tokens")
