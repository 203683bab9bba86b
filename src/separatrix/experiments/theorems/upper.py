"""Constructions built, their certificates checked again from the weights, and asked."""

from __future__ import annotations

from typing import Any

import torch

from separatrix import constructions
from separatrix.bounds.known_upper import attention_upper, elman_upper, three_layer_upper, two_layer_upper
from separatrix.constructions.check import check
from separatrix.experiments.theorems.findings import Finding, title
from separatrix.experiments.theorems.lower import every_context
from separatrix.tasks import UNLABELLED, Problem, StreamTask, Task, stream
from separatrix.tasks.base import context_task

LISTED = 2**16
"""Constructions are asked about every input where there are at most so many, else about so many sampled tokens."""


def counter(most: int) -> list[list[int]]:
    """Next states of a counter of 0 … most that stops there: up, down, stay, and from 0 again.

    >>> counter(2)
    [[1, 0, 0, 0], [2, 0, 1, 0], [2, 1, 2, 0]]
    """
    return [[min(count + 1, most), max(count - 1, 0), count, 0] for count in range(most + 1)]


UPPER: dict[str, list[dict[str, Any]]] = {
    "index-lookup": [{"length": 7, "alphabet": 4}, {"length": 2**16, "alphabet": 64, "format": "bf16"}],
    "equality": [{"length": 16}, {"length": 400}],
    "disjointness": [{"length": 16}, {"length": 400}],
    "sparse-threshold": [
        {"length": 15, "instance": "majority"},
        {"length": 14, "instance": "k-cnf", "k": 3},
        {"length": 100, "instance": "k-dnf", "k": 3},
    ],
    "associative-recall": [{"pairs": 3, "keys": 4, "values": 3}, {"pairs": 50, "keys": 64, "values": 64}],
    "index-lookup-linear-attention": [{"length": 7, "alphabet": 4}, {"length": 100, "alphabet": 64}],
    "associative-recall-deltanet": [{"pairs": 3, "keys": 4, "values": 3}, {"pairs": 50, "keys": 64, "values": 64}],
    "nearest-neighbor": [{"points": 8, "dimension": 16, "margin": 0.1}],
    "bounded-dyck-automaton": [{"length": 8, "kinds": 2, "depth": 2}, {"length": 400, "kinds": 3, "depth": 3}],
    "bounded-dyck-stack": [{"length": 8, "kinds": 2, "depth": 2}, {"length": 400, "kinds": 10, "depth": 10}],
    "bounded-dyck-two-layers": [{"length": 8, "kinds": 2, "depth": 2}, {"length": 400, "kinds": 3, "depth": 2}],
    "bounded-dyck-three-layers": [{"length": 8, "kinds": 2, "depth": 3}, {"length": 400, "kinds": 3, "depth": 5}],
    "shift-register": [{"length": 7, "alphabet": 4}],
    "equality-interleaved": [{"length": 16}, {"length": 400, "alphabet": 3}],
    "disjointness-interleaved": [{"length": 16}],
    "equality-fingerprint": [{"length": 100}],
    "parity": [{"length": 15}, {"length": 15, "cell": "lstm"}],
    "modular-counter": [{"length": 15, "modulus": 5}],
    "group-word": [{"length": 6, "group": "S3"}, {"length": 6, "group": "S3", "cell": "gru"}],
    "automaton": [],
    "state-tracking": [
        {"length": 6, "machine": "S3"},
        {"length": 15, "machine": "parity", "cell": "deltanet"},
        {"length": 8, "machine": "automaton", "table": counter(4), "cell": "mamba"},
    ],
    "flip-flop": [{"length": 12}, {"length": 400, "cell": "mamba"}],
    "next-bracket": [{"length": 8}, {"length": 400, "kinds": 3, "depth": 3, "cell": "gru"}],
}
"""Parameters at which each construction is built, checked and asked."""


def constructed(name: str, parameters: dict[str, Any]) -> Finding:
    """A construction built, its certificate checked against its weights, and asked about every input or many."""
    built = constructions.create(name, **parameters)
    check(built.model, built.certificate)
    wrong, asked, what = ask_all(built.model, built.task)
    share = built.certificate.scope == "all inputs but a share"
    (statement, source), formula = constructions.theorem(name).stated(parameters), _formula(name, built)
    return Finding(
        subject=name,
        statement=statement,
        source=source,
        kind="upper bound",
        ran=f"{title(built.task.name, parameters)}: certificate checked, {what}: {wrong} of {asked:,} answers wrong",
        measured=built.width,
        bound=formula,
        unit="width",
        holds=(wrong == 0 or share) and (formula is None or built.width <= formula),
        arithmetic=built.certificate.number_format,
        known=f"certified in {built.certificate.number_format} ({built.certificate.scope})",
    )


def _formula(name: str, built: constructions.Construction) -> int | float | None:
    """The width that the theorem's formula gives; None for the automaton of brackets, which is wider than the stack."""
    if name.endswith("-automaton"):
        return None
    transformer = {1: attention_upper, 2: two_layer_upper, 3: three_layer_upper}
    upper = transformer[built.config.layers] if built.config.name == "transformer" else elman_upper
    known = upper(built.task)
    return None if known is None else known.size


def ask_all(model: Any, task: Problem) -> tuple[int, int, str]:
    """(wrong answers, answers, what was asked): every input where there are few, sampled ones otherwise."""
    return _every_place(model, task) if isinstance(task, StreamTask) else _every_query(model, context_task(task))


def _every_place(model: Any, task: StreamTask) -> tuple[int, int, str]:
    listed = _inputs(task, 1) <= LISTED
    streams = every_context(task) if listed else task.sample(1 + LISTED // task.length, stream(0, "test")).inputs
    streams = streams[task.valid(streams)]
    with torch.no_grad():
        answers = torch.cat([model.read(part).argmax(-1) for part in streams.split(1024)])
    labels = task.answer(streams)
    asked = labels != UNLABELLED
    wrong = int((answers != labels)[asked].sum())
    return wrong, int(asked.sum()), f"every place of {'every stream' if listed else 'sampled streams'} asked"


def _every_query(model: Any, task: Task) -> tuple[int, int, str]:
    if task.vector_size is None and _inputs(task, task.query_count) <= LISTED:
        contexts = every_context(task)
        contexts = contexts[task.valid(contexts)]
        queries = torch.tensor(list(task.query_values)).expand(len(contexts), -1)
        what = "every input asked"
    else:
        count = min(task.query_count, 64)
        batch = task.sample(max(1, min(1024, LISTED // task.length)), stream(0, "test"), queries=count)
        contexts, queries, what = batch.context, batch.queries, "sampled inputs asked"
    with torch.no_grad():
        answers = torch.cat(
            [model(c, q).argmax(-1) for c, q in zip(contexts.split(1024), queries.split(1024), strict=True)]
        )
    wrong = int((answers != task.answer(contexts, queries)).sum())
    return wrong, answers.numel(), what


def _inputs(task: Problem, count: int) -> int:
    """So many times the inputs of a task's length; counted no further than LISTED."""
    for place in range(task.length):
        count *= len(task.position_alphabet(place))
        if count > LISTED:
            break
    return count
