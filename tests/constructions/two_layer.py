"""What the tests of the two-layer constructions share: all inputs of small tasks, and how they are answered."""

from __future__ import annotations

from itertools import permutations, product

import torch

from separatrix import constructions
from separatrix.constructions.rounding.transformer import RoundedTransformer

FORMATS = ["real", "fp32", "bf16", "fp16", "fixed(20,10)", "e4m3"]


def contexts(task, length=None):
    """Every valid context of a length."""
    length = length or task.length
    if task.name == "associative-recall":
        k = length // 2
        tables = product(permutations(range(task.keys), k), product(range(task.values), repeat=k))
        rows = [
            [t for key, value in zip(*table, strict=True) for t in (key, value + task.value_offset)] for table in tables
        ]
        return torch.tensor(rows)
    return torch.tensor(list(product(range(task.alphabet_size), repeat=length)))


def queries(task, context):
    return torch.tensor(list(task.query_values)).expand(len(context), -1)


def lengths(built):
    """The lengths a certificate speaks of."""
    return built.task.lengths if built.certificate.scope == "lengths up to N" else [built.task.length]


def least_margin(task, logits, context, asked):
    """The least difference between the right logit and any other: negative where an answer is wrong."""
    right = task.answer(context, asked)[..., None]
    others = logits.scatter(2, right, -torch.inf).amax(dim=2)
    return float((logits.gather(2, right)[..., 0] - others).min())


def exhaustive_margin(built, order=None):
    """The least margin over all inputs in the certificate's scope; rounded to its format when an order is given."""
    name, margins = built.certificate.number_format, []
    for length in lengths(built):
        context = contexts(built.task, length)
        asked = queries(built.task, context)
        with torch.no_grad():
            if order is None:
                logits = built.model(context, asked).double()
            else:
                logits = RoundedTransformer(built.model, name, order).forward(context, asked)
        margins.append(least_margin(built.task, logits, context, asked))
    return min(margins)


def sampled_wrong(built, rows, seed=0, asked=None):
    """How many answers to sampled inputs are wrong."""
    batch = built.task.sample(rows, torch.Generator().manual_seed(seed), queries=asked)
    with torch.no_grad():
        return int((built.model(batch.context, batch.queries).argmax(dim=-1) != batch.targets).sum())


def create(name, **parameters):
    return constructions.create(name, **parameters)
