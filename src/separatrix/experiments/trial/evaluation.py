"""Measuring a model on a fixed stream of examples, overall and group by group."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F

from separatrix.experiments.trial.result import Measurement
from separatrix.models import SequenceModel
from separatrix.tasks import Examples, Problem
from separatrix.tasks.randomness import Split, stream

CHUNK = 64
"""Contexts per forward pass. Part of what decides the data, so the same everywhere."""


class NotFinite(ArithmeticError):
    """A loss became NaN or infinite."""


def sampled(task: Problem, seed: int, split: Split, contexts: int, queries: int) -> Iterator[Examples]:
    """The first `contexts` contexts of a split, `queries` of each, at full length."""
    for chunk, first in enumerate(range(0, contexts, CHUNK)):
        yield task.sample(min(CHUNK, contexts - first), stream(seed, split, chunk), queries=queries)


@torch.no_grad()
def evaluate(
    model: SequenceModel,
    task: Problem,
    seed: int,
    split: Split,
    contexts: int,
    queries: int,
    device: torch.device | str,
) -> Measurement:
    """Accuracy and loss in bits on the first `contexts` contexts of a split, `queries` answers each, at full length.

    Raises NotFinite when a loss is no number.
    """
    groups = len(task.groups)
    right = torch.zeros(groups, dtype=torch.int64)
    asked = torch.zeros(groups, dtype=torch.int64)
    bits = torch.zeros(groups, dtype=torch.float64)
    model.eval()
    for examples in sampled(task, seed, split, contexts, queries):
        answered = examples.to(device).ask(model)
        loss = F.cross_entropy(answered.logits, answered.targets, reduction="none").double() / math.log(2)
        group = answered.groups.cpu()
        hit = (answered.logits.argmax(-1) == answered.targets).cpu()
        right.index_add_(0, group, hit.long())
        asked.index_add_(0, group, torch.ones_like(group))
        bits.index_add_(0, group, loss.cpu())
    model.train()
    if not bits.isfinite().all():
        raise NotFinite(f"the {split} loss was not finite")
    met = [(name, i) for i, name in enumerate(task.groups) if asked[i] > 0]
    return Measurement(
        accuracy=int(right.sum()) / int(asked.sum()),
        loss_bits=float(bits.sum()) / int(asked.sum()),
        answers=int(asked.sum()),
        accuracy_by_group={name: int(right[i]) / int(asked[i]) for name, i in met},
        loss_bits_by_group={name: float(bits[i]) / int(asked[i]) for name, i in met},
    )
