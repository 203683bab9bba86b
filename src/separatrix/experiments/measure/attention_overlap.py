"""Learned against constructed: whether two models attend to the same places on the same inputs."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.trace import query_attention
from separatrix.tasks.base import context_task
from separatrix.tasks.randomness import stream


class Likeness(Config):
    """How alike one head's attention is to a constructed head's, over the queries of test contexts.

    >>> head = dict(layer=1, head=1, learned_layer=1, learned_head=2, overlap=0.97, same_place=0.99, queries=1024)
    >>> sx.experiments.Likeness(**head).overlap
    0.97
    """

    layer: int = Field(description="the constructed model's layer, from 1")
    head: int = Field(description="the constructed model's head, from 1")
    learned_layer: int = Field(description="layer of the learned head most like it, from 1")
    learned_head: int = Field(description="the learned head most like it, from 1")
    overlap: float = Field(description="mean weight both give to the same places, 1 less total variation")
    same_place: float = Field(description="share of queries for which both attend most to one place")
    queries: int = Field(description="queries compared")


@torch.no_grad()
def likeness(
    learned: SequenceModel, constructed: SequenceModel, seed: int = 0, contexts: int = 64, queries: int = 16
) -> list[Likeness]:
    """For each head of a construction, the learned head most like it (observed on contexts of the split "test").

    Raises InputError for models of different tasks, and for models without attention.

    >>> built = sx.constructions.create("index-lookup", length=16, alphabet=4)
    >>> found = sx.experiments.likeness(built.model, built.model, contexts=4)  # a construction beside itself
    >>> [round(head.overlap, 3) for head in found]
    [1.0]
    """
    if learned.task != constructed.task:
        raise InputError(f"expected two models of one task, got {learned.task!r} and {constructed.task!r}")
    task = context_task(constructed.task)
    batch = task.sample(contexts, stream(seed, "test"), queries=min(queries, task.query_count))
    theirs, ours = (query_attention(model.eval(), batch.context, batch.queries) for model in (learned, constructed))
    if not theirs or not ours:
        raise InputError("expected two models with attention: a recurrent model attends to nothing")
    found = []
    for layer, weights in enumerate(ours, start=1):
        for head, own in enumerate(weights.unbind(dim=1), start=1):
            compared = [
                (*_compare(own, other), at, which)
                for at, layer_weights in enumerate(theirs, start=1)
                for which, other in enumerate(layer_weights.unbind(dim=1), start=1)
            ]
            overlap, same, learned_layer, learned_head = max(compared)
            found.append(
                Likeness(
                    layer=layer,
                    head=head,
                    learned_layer=learned_layer,
                    learned_head=learned_head,
                    overlap=overlap,
                    same_place=same,
                    queries=batch.queries.shape[0] * batch.queries.shape[1],
                )
            )
    return found


def _compare(a: Tensor, b: Tensor) -> tuple[float, float]:
    """(overlap, share of the same heaviest place) of two heads: Float[B, Q, places] each."""
    return float(torch.minimum(a, b).sum(-1).mean()), float((a.argmax(-1) == b.argmax(-1)).double().mean())
