"""Recurrent constructions at full scale: a million drawn and a million adversarial strings each, and keys that err.

Run: python benchmarks/constructions_recurrent.py [--count 1000000] [--json]

Drawn strings come from the task (members, hard non-members, far and near pairs); adversarial ones are those one symbol
away from the drawn ones. Keys of the fingerprint: one drawn key a batch of pairs that differ in one symbol, or whose
difference is a multiple of the key (which that key cannot see).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

import separatrix as sx
from separatrix.constructions import Construction
from separatrix.constructions.recurrent import gf2
from separatrix.constructions.recurrent.fingerprint import elman, share
from separatrix.tasks.randomness import keyed_generator, stream

BATCH = 20_000

NETWORKS: dict[str, dict[str, Any]] = {
    "bounded-dyck-automaton": {"length": 64, "kinds": 2, "depth": 4},
    "bounded-dyck-stack": {"length": 64, "kinds": 8, "depth": 6},
    "equality-interleaved": {"length": 64, "alphabet": 4},
    "disjointness-interleaved": {"length": 64},
    "parity": {"length": 64},
    "modular-counter": {"length": 64, "modulus": 7},
    "group-word": {"length": 64, "group": "S3"},
    "shift-register": {"length": 32, "alphabet": 16},
}


def wrong_answers(built: Construction, count: int) -> dict[str, int]:
    """Wrong answers among drawn strings and among strings one symbol away from them."""
    wrong = {"drawn": 0, "one symbol away": 0}
    task = built.task
    for index in range(count // BATCH):
        generator = stream(0, "test", index)
        batch = task.sample(BATCH, generator)
        place = torch.randint(task.length, (BATCH, 1), generator=generator)
        shift = torch.randint(1, task.alphabet_size, (BATCH, 1), generator=generator)
        flipped = batch.context.scatter(1, place, (batch.context.gather(1, place) + shift) % task.alphabet_size)
        for kind, context in (("drawn", batch.context), ("one symbol away", flipped)):
            with torch.no_grad():
                said = built.model(context, batch.queries).argmax(dim=-1)
            wrong[kind] += int((said != task.answer(context, batch.queries)).sum())
    return wrong


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
    torch.set_num_threads(1)
    count = int(sys.argv[sys.argv.index("--count") + 1]) if "--count" in sys.argv else 1_000_000
    rows: list[dict[str, Any]] = []
    for name, parameters in NETWORKS.items():
        begun = time.perf_counter()
        built = sx.constructions.create(name, **parameters)
        issued = time.perf_counter() - begun
        verdict = sx.constructions.check.check(built.model, built.certificate)
        told = {"units": built.width, "margin": verdict.margin, "seconds to build and certify": round(issued, 3)}
        bits = {"state bits": built.width, "lower bound": round(built.task.recurrent_bits(), 2)}
        rows.append({"name": name, **parameters, **told, **bits, "wrong": wrong_answers(built, count)})
        print(json.dumps(rows[-1]), flush=True) if "--json" in sys.argv else print(rows[-1], flush=True)
    for n, degree in ((32, 5), (64, 7), (100, 8)):
        rows.append(key_errors(n, degree, 2000))
        print(json.dumps(rows[-1]), flush=True) if "--json" in sys.argv else print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
