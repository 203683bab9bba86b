"""Which inputs a certificate speaks of."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from separatrix.constructions.certificate import Certificate
from separatrix.constructions.construction import Construction
from separatrix.tasks import Batch, Task
from separatrix.tasks.base import context_task
from separatrix.tasks.nearest_neighbor import NearestNeighbor


def within_guarantee(built: Construction, batch: Batch) -> Bool[Tensor, "B Q"]:
    """For every query, whether its answer is proved right: the others are answered as it happens.

    Lengths must be those the certificate is about, contexts the task's; points and queries of nearest neighbour no
    longer than `norm`, and a query's margin at least `gamma`, the quantities of these names.

    >>> built = sx.constructions.create("index-lookup", length=20, alphabet=8)
    >>> batch = built.task.sample(2, torch.Generator().manual_seed(0), queries=3)
    >>> sx.constructions.within_guarantee(built, batch).all().item()
    True
    """
    return covered(context_task(built.task), built.certificate, batch)


def covered(task: Task, certificate: Certificate, batch: Batch) -> Bool[Tensor, "B Q"]:
    """`within_guarantee` of a certificate by itself, as a file holds it."""
    length, queries = batch.context.shape[1], batch.queries.shape[:2]
    fits = length == task.length if certificate.scope == "length N" else length in task.lengths
    if certificate.scope == "all lengths":
        fits = True
    if not fits:
        return torch.zeros(queries, dtype=torch.bool, device=batch.queries.device)
    if isinstance(task, NearestNeighbor):
        return _resolved(task, certificate.quantities, batch)
    valid = task.valid(batch.context)
    asked = (batch.queries >= task.query_values[0]) & (batch.queries <= task.query_values[-1])
    return valid[:, None] & asked


def _resolved(task: NearestNeighbor, quantities: dict[str, float | int | str], batch: Batch) -> Bool[Tensor, "B Q"]:
    gamma, norm, d = float(quantities["gamma"]), float(quantities["norm"]), task.dimension
    context, queries = batch.context.double(), batch.queries.double()
    points, labels = context[:, 0::2], context[:, 1::2]
    one_hot = ((labels[..., d:] == 1).sum(dim=-1) == 1) & ((labels != 0).sum(dim=-1) == 1)
    formed = one_hot.all(dim=1) & ~points[..., d:].any(dim=-1).any(dim=1)
    short = (points.norm(dim=-1) <= norm).all(dim=1)
    asked = (queries.norm(dim=-1) <= norm) & ~queries[..., d:].any(dim=-1)
    return (formed & short)[:, None] & asked & (task.margins(context, queries) >= gamma)
