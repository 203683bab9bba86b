"""What is attacked: small instances of every construction in every kind of format, and all or hard inputs of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from separatrix import constructions
from separatrix.constructions import CertificateError, Construction
from separatrix.constructions.recurrent import gf2
from separatrix.experiments.theorems.upper import counter
from separatrix.tasks import UNLABELLED, StreamTask

INSTANCES: list[tuple[str, dict[str, Any]]] = [
    ("index-lookup", {"length": 3, "alphabet": 3}),
    ("index-lookup", {"length": 4, "alphabet": 2, "mixed_lengths": True}),
    ("index-lookup", {"length": 3, "alphabet": 2, "code": "algebraic"}),
    ("equality", {"length": 4, "alphabet": 3}),
    ("equality", {"length": 6, "layout": "interleaved"}),
    ("disjointness", {"length": 4}),
    ("sparse-threshold", {"length": 5}),
    ("sparse-threshold", {"length": 4, "instance": "inner-product", "threshold": 1, "combine": "count"}),
    ("sparse-threshold", {"length": 4, "instance": "k-cnf", "k": 2}),
    ("sparse-threshold", {"length": 4, "instance": "equality"}),
    ("associative-recall", {"pairs": 2, "keys": 3, "values": 2}),
    ("nearest-neighbor", {"points": 2, "dimension": 2, "margin": 0.5}),
    ("parity", {"length": 4}),
    ("modular-counter", {"length": 4, "modulus": 3}),
    ("group-word", {"length": 3, "group": "S3"}),
    ("automaton", {"length": 4, "transitions": [[0, 1], [2, 1], [2, 0]], "outputs": [0, 1, 1]}),
    ("bounded-dyck-automaton", {"length": 6, "kinds": 1, "depth": 2}),
    ("bounded-dyck-stack", {"length": 6, "kinds": 2, "depth": 2}),
    ("bounded-dyck-stack", {"length": 4, "kinds": 33, "depth": 1}),
    ("shift-register", {"length": 3, "alphabet": 4}),
    ("equality-interleaved", {"length": 6}),
    ("disjointness-interleaved", {"length": 6}),
    ("equality-fingerprint", {"length": 8, "degree": 2, "key": 7}),
    ("bounded-dyck-two-layers", {"length": 6, "kinds": 1}),
    ("bounded-dyck-two-layers", {"length": 4, "kinds": 2}),
    ("bounded-dyck-two-layers", {"length": 4, "kinds": 2, "depth": 1}),
    ("bounded-dyck-three-layers", {"length": 6, "kinds": 1, "depth": 2}),
    ("bounded-dyck-three-layers", {"length": 4, "kinds": 2, "depth": 2}),
    ("associative-recall-deltanet", {"pairs": 2, "keys": 3, "values": 2}),
    ("associative-recall-deltanet", {"pairs": 2, "keys": 2, "values": 3}),
    ("index-lookup-linear-attention", {"length": 3, "alphabet": 3}),
    ("index-lookup-linear-attention", {"length": 4, "alphabet": 2}),
    ("parity", {"length": 4, "cell": "lstm"}),
    ("parity", {"length": 4, "cell": "gru"}),
    ("modular-counter", {"length": 4, "modulus": 3, "cell": "lstm"}),
    ("modular-counter", {"length": 4, "modulus": 3, "cell": "gru"}),
    ("bounded-dyck-automaton", {"length": 6, "kinds": 1, "depth": 2, "cell": "gru"}),
    ("parity", {"length": 4, "cell": "deltanet"}),
    ("group-word", {"length": 3, "group": "S3", "cell": "deltaproduct"}),
    ("automaton", {"length": 4, "transitions": [[0, 0, 1], [1, 0, 1]], "outputs": [0, 1], "cell": "mamba"}),
    ("automaton", {"length": 4, "transitions": counter(2), "outputs": [0, 1, 2], "cell": "mamba"}),
    ("automaton", {"length": 4, "transitions": counter(3), "outputs": [0, 0, 1, 1], "cell": "mamba"}),
    *(("flip-flop", {"length": 4, "cell": cell}) for cell in ("elman", "gru", "mamba")),
    *(("next-bracket", {"length": 4, "kinds": 1, "depth": 2, "cell": cell}) for cell in ("elman", "lstm")),
    *(("state-tracking", {"length": 4, "machine": "parity", "cell": cell}) for cell in ("elman", "gru", "deltanet")),
    ("state-tracking", {"length": 4, "machine": "S3", "cell": "deltaproduct"}),
    ("state-tracking", {"length": 4, "machine": "automaton", "table": counter(2), "cell": "mamba"}),
    ("state-tracking", {"length": 4, "machine": "automaton", "table": [[0, 0, 1], [1, 0, 1]], "cell": "mamba"}),
]
STRINGS = 260
"""Contexts of one length, at most, of claims about all lengths."""
FORMATS = ["real", "fp32", "bf16", "fp16", "e4m3", "e5m2", "fixed(16)"]


@dataclass(frozen=True)
class Asked:
    """Inputs a certificate speaks of, and the right answers; `counts` tells which of them it does speak of.

    whole: the context is a stream, read at all its places at once, and the queries are of no effect
    """

    context: Tensor
    queries: Tensor
    targets: Tensor
    counts: Tensor
    whole: bool = False


def built(name: str, parameters: dict[str, Any], number_format: str) -> Construction | None:
    """An instance; None where the format is too narrow for it."""
    try:
        return constructions.create(name, **parameters, format=number_format)
    except CertificateError:
        return None


def inputs(made: Construction) -> list[Asked]:
    """All inputs of small lengths, or, of vectors, hard ones."""
    if made.task.name == "nearest-neighbor":
        return list(_points(made))
    if isinstance(made.task, StreamTask):
        return list(_places(made.task))
    found = []
    for length in _lengths(made):
        context = _contexts(made.task, length, distinct=made.certificate.argument != "overwriting memory")
        context = context[made.task.valid(context)] if made.certificate.argument != "overwriting memory" else context
        values = [q for q in made.task.query_values if made.task.name != "index-lookup" or q - _offset(made) < length]
        queries = torch.tensor(values).expand(len(context), -1)
        targets = made.task.answer(context, queries)
        if made.certificate.argument == "overwriting memory":
            targets = _latest(made.task, context, queries)
        if made.certificate.argument == "fingerprint":
            targets = _divided(made, context)
        counts = (targets >= 0) & (targets < made.task.answers)
        found.append(Asked(context, queries, targets.where(counts, 0), counts))
    return found


def _places(task: StreamTask) -> Iterator[Asked]:
    """Every stream of a length: whole, and each of its beginnings with every token that may come next."""
    sizes = [(n, task.at_length(n)) for n in task.lengths] + [(n, task.at_length(n)) for n in range(6, 9, 2)]
    alphabets = {n: [at.position_alphabet(i) for i in range(n)] for n, at in sizes}
    length = max(n for n, each in alphabets.items() if prod(map(len, each)) <= STRINGS)
    streams = torch.tensor(list(product(*alphabets[length])))
    streams = streams[task.at_length(length).valid(streams)]
    labels = task.at_length(length).answer(streams)
    yield Asked(streams, streams, labels.clamp(min=0), labels != UNLABELLED, whole=True)
    for t in range(1, length):
        context, inverse = streams[:, :t].unique(dim=0, return_inverse=True)
        targets = torch.full((len(context), task.alphabet_size), UNLABELLED)
        targets[inverse, streams[:, t]] = labels[:, t]
        queries = torch.arange(task.alphabet_size).expand(len(context), -1)
        yield Asked(context, queries, targets.clamp(min=0), targets != UNLABELLED)


def _offset(made: Construction) -> int:
    return made.task.query_values[0]


def _lengths(made: Construction) -> list[int]:
    if made.certificate.scope == "all lengths":
        even = 2 if made.task.name in ("equality", "disjointness", "associative-recall") else 1
        return [n for n in range(even, 9, even) if made.task.alphabet_size**n <= STRINGS]
    return list(made.task.lengths) if made.certificate.scope == "lengths up to N" else [made.task.length]


def _contexts(task: Any, length: int, distinct: bool = True) -> Tensor:
    if task.name != "associative-recall":
        return torch.tensor(list(product(range(task.alphabet_size), repeat=length)))
    k = length // 2
    keys = permutations(range(task.keys), k) if distinct else product(range(task.keys), repeat=k)
    tables = product(keys, product(range(task.values), repeat=k))
    rows = [
        [t for key, value in zip(*table, strict=True) for t in (key, value + task.value_offset)] for table in tables
    ]
    return torch.tensor(rows)


def _latest(task: Any, context: Tensor, queries: Tensor) -> Tensor:
    """The value that followed each key last."""
    found = torch.full_like(queries, task.values)
    for key, value in zip(context[:, 0::2].T, context[:, 1::2].T, strict=True):
        found = torch.where(queries == key[:, None], value[:, None] - task.value_offset, found)
    return found


def _divided(made: Construction, context: Tensor) -> Tensor:
    """Equal modulo the key, bit plane by bit plane: what a fingerprint must say of pairs that are not equal."""
    first, second = made.task.split(context)  # type: ignore[attr-defined]
    key, bits = int(made.certificate.parameters["key"]), (made.task.alphabet_size - 1).bit_length()
    said = []
    for x, y in zip(first.tolist(), second.tolist(), strict=True):
        differences = [
            sum(((a ^ b) >> j & 1) << i for i, (a, b) in enumerate(zip(reversed(x), reversed(y), strict=True)))
            for j in range(bits)
        ]
        said.append(int(all(gf2.remainder(each, key) == 0 for each in differences)))
    return torch.tensor(said)[:, None]


def _points(made: Construction) -> Iterator[Asked]:
    """Points and queries on the circle and on its axes, every labelling."""
    task, generator = made.task, torch.Generator().manual_seed(0)
    d, gamma = task.dimension, float(made.certificate.quantities["gamma"])  # type: ignore[attr-defined]
    axes = torch.cat([torch.eye(d), -torch.eye(d)])
    drawn = torch.nn.functional.normalize(torch.randn(8, d, generator=generator), dim=1)
    every = torch.cat([axes, drawn, drawn * 2.0**-6])
    for count in range(1, task.points + 1):  # type: ignore[attr-defined]
        places = torch.randint(len(every), (12, count), generator=generator)
        rows = []
        for labels in product(range(task.answers), repeat=count):
            marked = pad(one_hot(torch.tensor(labels), task.answers).float(), (d, 0)).expand(len(places), -1, -1)
            rows.append(torch.stack([pad(every[places], (0, task.answers)), marked], dim=2).flatten(1, 2))
        context = torch.cat(rows)
        queries = pad(every, (0, task.answers)).expand(len(context), -1, -1)
        exact = (task.margins(context.double(), queries.double()) >= gamma * (1 + 1e-6)) & (every.norm(dim=1) <= 1.001)
        yield Asked(context, queries, task.answer(context, queries), exact)
