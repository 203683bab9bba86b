"""Showing where a construction fails: an input that a network answers wrongly in a number format."""

from __future__ import annotations

import torch

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.rounding.recurrent import RoundedRecurrent
from separatrix.models import SequenceModel
from separatrix.tasks.base import context_task
from separatrix.tasks.randomness import stream

STEPS = 2**12
"""Sums at most, units times tokens: what a search may cost."""


def with_input(error: CertificateError, model: SequenceModel, number_format: str) -> CertificateError:
    """The error, with an input that shows it where one is found among drawn contexts and contexts of one token."""
    task = context_task(model.task)
    if model.config.width * task.length > STEPS:
        return error
    batch = task.sample(32, stream(0, "test"))
    contexts = torch.cat([torch.arange(min(16, task.alphabet_size))[:, None].expand(-1, task.length), batch.context])
    queries = batch.queries[:1].expand(len(contexts), 1)
    said = RoundedRecurrent(model, number_format).forward(contexts, queries).argmax(dim=-1)
    right = task.answer(contexts, queries)
    for row in torch.nonzero(said != right)[:1, 0].tolist():
        context = task.show(contexts[row])
        shown = context if len(context) <= 80 else context[:80] + " …"
        return CertificateError(
            f"{error}; e.g. {shown} is answered {int(said[row, 0])} instead of {int(right[row, 0])}"
        )
    return error
