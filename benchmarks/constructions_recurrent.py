"""Recurrent constructions at full scale: a million drawn and a million adversarial inputs each, and keys that err.

Run: python benchmarks/constructions_recurrent.py [--count 1000000] [--only NAME …] [--json]

Drawn inputs come from the task (members, hard non-members, far and near pairs); adversarial ones are those one token
away from the drawn ones. Of recall, whose memory overwrites, they are pairs drawn with replacement, and all of them of
the two keys last written. Keys of the fingerprint: one drawn key a batch of pairs that differ in one symbol, or whose
difference is a multiple of the key (which that key cannot see).
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch
from torch import Tensor

import separatrix as sx
from separatrix.constructions import Construction
from separatrix.constructions.recurrent import gf2
from separatrix.constructions.recurrent.fingerprint import elman, share
from separatrix.tasks.randomness import keyed_generator, stream
from separatrix.tasks.streams.contract import StreamTask

BATCH = 10_000
FLIP_FLOP = {"transitions": [[0, 0, 1], [1, 0, 1]], "outputs": [0, 1]}
GATED = ("lstm", "gru")


def counter(most: int) -> dict[str, Any]:
    """A count from 0 to `most` that stops at both, and whether it is full."""
    states = range(most + 1)
    return {"transitions": [[max(s - 1, 0), min(s + 1, most)] for s in states], "outputs": [s // most for s in states]}


NETWORKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("bounded-dyck-automaton", {"length": 64, "kinds": 2, "depth": 4}),
    ("bounded-dyck-stack", {"length": 64, "kinds": 8, "depth": 6}),
    ("equality-interleaved", {"length": 64, "alphabet": 4}),
    ("disjointness-interleaved", {"length": 64}),
    ("parity", {"length": 64}),
    ("modular-counter", {"length": 64, "modulus": 7}),
    ("group-word", {"length": 64, "group": "S3"}),
    ("shift-register", {"length": 32, "alphabet": 16}),
    ("automaton", {"length": 64, **FLIP_FLOP}),
    *(("bounded-dyck-automaton", {"length": 64, "kinds": 2, "depth": 2, "cell": cell}) for cell in GATED),
    *(("parity", {"length": 64, "cell": cell}) for cell in (*GATED, "deltanet", "deltaproduct")),
    *(("modular-counter", {"length": 64, "modulus": 7, "cell": cell}) for cell in GATED),
    *(("group-word", {"length": 64, "group": "S3", "cell": cell}) for cell in (*GATED, "deltaproduct")),
    *(("automaton", {"length": 64, **FLIP_FLOP, "cell": cell}) for cell in (*GATED, "mamba")),
    ("index-lookup-linear-attention", {"length": 64, "alphabet": 64}),
    ("associative-recall-deltanet", {"pairs": 16, "keys": 50, "values": 20}),
    *(("automaton", {"length": 64, **counter(k), "cell": "mamba"}) for k in (2, 3, 4)),
    *(("state-tracking", {"length": 64, "machine": "S3", "cell": cell}) for cell in ("elman", *GATED, "deltaproduct")),
    *(("state-tracking", {"length": 64, "machine": "parity", "cell": cell}) for cell in ("deltanet", "deltaproduct")),
    *(("flip-flop", {"length": 64, "cell": cell}) for cell in ("elman", *GATED, "mamba")),
    *(("next-bracket", {"length": 64, "kinds": 2, "depth": 2, "cell": cell}) for cell in ("elman", *GATED)),
)


def inputs(task: Any, generator: torch.Generator) -> dict[str, tuple[Tensor, Tensor]]:
    """Contexts and queries of both kinds."""
    batch = task.sample(BATCH, generator)
    if task.name == "associative-recall":
        keys = torch.randint(task.keys, (BATCH, task.length // 2), generator=generator)
        values = torch.randint(task.values, keys.shape, generator=generator) + task.value_offset
        return {
            kind: (torch.stack([each, values], dim=2).flatten(1), each[:, -1:] if kind == "two keys" else batch.queries)
            for kind, each in (("drawn", keys), ("two keys", keys.where(keys % 2 == 0, keys[:, -2:-1])))
        }
    place = torch.randint(task.length, (BATCH, 1), generator=generator)
    shift = torch.randint(1, task.alphabet_size, (BATCH, 1), generator=generator)
    flipped = batch.context.scatter(1, place, (batch.context.gather(1, place) + shift) % task.alphabet_size)
    return {"drawn": (batch.context, batch.queries), "one token away": (flipped, batch.queries)}


def right(task: Any, context: Tensor, queries: Tensor) -> Tensor:
    """The oracle's answers; of recall, the value that followed the key last."""
    if task.name != "associative-recall":
        return task.answer(context, queries)
    said = torch.full_like(queries, task.values)
    for key, value in zip(context[:, 0::2].T, context[:, 1::2].T, strict=True):
        said = torch.where(queries == key[:, None], value[:, None] - task.value_offset, said)
    return said


def wrong_answers(built: Construction, count: int) -> dict[str, int]:
    """Wrong answers among both kinds of inputs."""
    wrong: dict[str, int] = {}
    for index in range(count // BATCH):
        if isinstance(built.task, StreamTask):
            read = wrong_labels(built, stream(0, "test", index))
            wrong = {kind: wrong.get(kind, 0) + number for kind, number in read.items()}
            continue
        for kind, (context, queries) in inputs(built.task, stream(0, "test", index)).items():
            with torch.no_grad():
                said = built.model(context, queries).argmax(dim=-1)
            wrong[kind] = wrong.get(kind, 0) + int((said != right(built.task, context, queries)).sum())
    return wrong


def wrong_labels(built: Construction, generator: torch.Generator) -> dict[str, int]:
    """Wrong answers at the labelled tokens of drawn streams, each of which is asked."""
    asked = built.task.sample(BATCH, generator)
    with torch.no_grad():
        said = built.model.read(asked.inputs).argmax(dim=-1)
    labelled = asked.labels >= 0
    return {"drawn, labels": int((said != asked.labels)[labelled].sum()), "labels asked": int(labelled.sum())}


def key_errors(n: int, degree: int, keys: int) -> dict[str, float | int]:
    """How many of the keys drawn err on one pair of n-bit strings whose difference has as many factors as fit."""
    task = sx.tasks.create("equality", length=2 * n)
    difference, factors, candidate = 1, 0, 1 << degree | 1
    while gf2.degree(difference) + degree < n:
        if gf2.irreducible(candidate):
            difference, factors = _times(difference, candidate), factors + 1
        candidate += 2
    second = torch.tensor([[difference >> n - 1 - i & 1 for i in range(n)]])
    context = torch.cat([torch.zeros_like(second), second], dim=1)
    asked, wrong = torch.zeros(1, 1, dtype=torch.int64), 0
    for seed in range(keys):
        key = gf2.draw_irreducible(degree, keyed_generator(f"benchmark/{seed}"))
        with torch.no_grad():
            wrong += int(elman(task, key)(context, asked).argmax())
    most, number = share(n, degree)
    return {
        "n": n,
        "degree": degree,
        "factors": factors,
        "keys drawn": keys,
        "keys wrong": wrong,
        "measured": wrong / keys,
        "bound": most / number,
    }


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a, b = a << 1, b >> 1
    return product


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", default=[""], help="constructions whose name and network begin so")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)

    def show(row: dict[str, Any]) -> None:
        print(json.dumps(row) if options.json else row, flush=True)

    for name, parameters in NETWORKS:
        if not f"{name} {parameters.get('cell', '')}".startswith(tuple(options.only)):
            continue
        begun = time.perf_counter()
        built = sx.constructions.create(name, **parameters)
        issued = time.perf_counter() - begun
        verdict = sx.constructions.check.check(built.model, built.certificate)
        told = {"width": built.width, "margin": verdict.margin, "seconds to build and certify": round(issued, 3)}
        bits = {"lower bound": round(built.task.recurrent_bits() or 0, 2)}
        show({"name": name, **parameters, **told, **bits, "wrong": wrong_answers(built, options.count)})
    if "equality-fingerprint".startswith(tuple(options.only)):
        for n, degree in ((32, 5), (64, 7), (100, 8)):
            show(key_errors(n, degree, 2000))


if __name__ == "__main__":
    main()
