"""Constructions of two and three layers at full scale: a million drawn, a million adversarial inputs a kind, in fp32.

Run: python benchmarks/constructions_two_layer.py [--count 1000000] [--only equality] [--json]

One flip: the drawn input with one symbol changed. Nearest code: two places swapped whose numbers differ in one digit;
keys one digit from those that are there; queries barely within the margin. All equal: one symbol, label or value
everywhere, or nearly. Of nearest neighbour, only inputs within the guarantee are counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

import separatrix as sx
from separatrix.constructions import Construction, within_guarantee
from separatrix.tasks import Batch
from separatrix.tasks.randomness import stream

BATCH = 2_000

BUILT: dict[str, tuple[str, dict[str, Any]]] = {
    "equality": ("equality", {"length": 32}),
    "equality, interleaved, 5 symbols": ("equality", {"length": 32, "layout": "interleaved", "alphabet": 5}),
    "disjointness": ("disjointness", {"length": 32}),
    "disjointness, interleaved": ("disjointness", {"length": 32, "layout": "interleaved"}),
    "majority": ("sparse-threshold", {"length": 31}),
    "inner product": ("sparse-threshold", {"length": 32, "instance": "inner-product"}),
    "3-CNF": ("sparse-threshold", {"length": 32, "instance": "k-cnf"}),
    "3-DNF, as many terms as bits": ("sparse-threshold", {"length": 32, "instance": "k-dnf", "clauses": 32}),
    "recall": ("associative-recall", {"pairs": 16, "keys": 64, "values": 32, "absent": 0.3}),
    "recall, shared alphabet": ("associative-recall", {"pairs": 16, "keys": 64, "values": 64, "shared": True}),
    "nearest neighbour": ("nearest-neighbor", {"points": 16, "dimension": 8, "labels": 4, "margin": 0.05}),
    "nearest neighbour, cube": (
        "nearest-neighbor",
        {"points": 16, "dimension": 16, "labels": 4, "margin": 0.05, "geometry": "cube"},
    ),
    "brackets to depth 2": ("bounded-dyck-two-layers", {"length": 64, "kinds": 2}),
    "brackets to depth 3, three layers": ("bounded-dyck-three-layers", {"length": 24, "kinds": 2, "depth": 3}),
    "brackets to depth 5, three layers": ("bounded-dyck-three-layers", {"length": 64, "kinds": 4, "depth": 5}),
}


def one_flip(built: Construction, context: Tensor, generator: torch.Generator) -> Tensor:
    """One symbol changed to another one."""
    task = built.task
    place = torch.randint(context.shape[1], (len(context), 1), generator=generator)
    shift = torch.randint(1, task.alphabet_size, (len(context), 1), generator=generator)
    return context.scatter(1, place, (context.gather(1, place) + shift) % task.alphabet_size)


def nearly_equal(built: Construction, rows: int, generator: torch.Generator) -> Tensor:
    """One symbol everywhere, but for none to three places."""
    task, n = built.task, built.task.length
    symbols = torch.randint(task.alphabet_size, (2, rows, 1), generator=generator)
    changed = torch.rand(rows, n, generator=generator).argsort(dim=1)
    changed = changed < torch.randint(4, (rows, 1), generator=generator)
    return torch.where(changed, symbols[0], symbols[1]).expand(rows, n)


def nearest_code(built: Construction, context: Tensor, generator: torch.Generator) -> Tensor:
    """Two places swapped whose numbers differ in one binary digit."""
    n = context.shape[1]
    digit = torch.randint((n - 1).bit_length(), (len(context), 1), generator=generator)
    place = torch.randint(n, (len(context), 1), generator=generator)
    other = torch.where((place ^ 1 << digit) < n, place ^ 1 << digit, place)
    first, second = context.gather(1, place), context.gather(1, other)
    return context.scatter(1, place, second).scatter(1, other, first)


def decisions(built: Construction, rows: int, generator: torch.Generator) -> Iterator[tuple[str, Batch]]:
    """Inputs of tasks with one query."""
    drawn = built.task.sample(rows, generator)
    yield "drawn", drawn
    for kind, context in (
        ("one flip", one_flip(built, drawn.context, generator)),
        ("nearest code", nearest_code(built, drawn.context, generator)),
        ("all equal", nearly_equal(built, rows, generator)),
    ):
        yield kind, Batch(context, drawn.queries, built.task.answer(context, drawn.queries), drawn.groups)


def recalls(built: Construction, rows: int, generator: torch.Generator) -> Iterator[tuple[str, Batch]]:
    """Inputs of associative recall. Each context is asked for several keys."""
    task: Any = built.task
    asked = 8
    drawn = task.sample(rows // asked, generator, queries=asked)
    yield "drawn", drawn
    # keys one digit away from a key that is there, and keys that are there
    near = drawn.queries ^ 1 << torch.randint((task.keys - 1).bit_length(), drawn.queries.shape, generator=generator)
    near = torch.where(near < task.keys, near, drawn.queries)
    yield "nearest code", Batch(drawn.context, near, task.answer(drawn.context, near), drawn.groups)
    equal = drawn.context.clone()
    equal[:, 1::2] = equal[:, 1:2]
    yield "all equal", Batch(equal, drawn.queries, task.answer(equal, drawn.queries), drawn.groups)
    flipped = drawn.context.clone()
    values = flipped[:, 1::2] - task.value_offset
    flipped[:, 1::2] = (values + 1) % task.values + task.value_offset
    yield "one flip", Batch(flipped, drawn.queries, task.answer(flipped, drawn.queries), drawn.groups)


def neighbours(built: Construction, rows: int, generator: torch.Generator) -> Iterator[tuple[str, Batch]]:
    """Inputs of nearest neighbour, within the guarantee."""
    task: Any = built.task
    asked = 8
    drawn = task.sample(rows // asked, generator, queries=asked)
    yield "drawn", drawn
    closest = task.replace(margin=float(built.certificate.quantities["gamma"]) * 1.001)
    if task.geometry == "sphere":
        yield "nearest code", closest.sample(rows // asked, generator, queries=asked)
    equal = drawn.context.clone()
    equal[:, 1::2] = equal[:, 1:2]
    yield "all equal", Batch(equal, drawn.queries, task.answer(equal, drawn.queries), drawn.groups)


def wrong_answers(built: Construction, count: int) -> dict[str, dict[str, int]]:
    """Inputs and wrong answers of each kind; for nearest neighbour those within the guarantee alone."""
    found: dict[str, dict[str, int]] = {}
    kinds = {"associative-recall": recalls, "nearest-neighbor": neighbours}.get(built.task.name, decisions)
    for index in range(-(-count // BATCH)):
        for kind, batch in kinds(built, BATCH, stream(0, "test", index)):
            with torch.no_grad():
                said = built.model(batch.context, batch.queries).argmax(dim=-1)
            inside = within_guarantee(built, batch)
            entry = found.setdefault(kind, {"inputs": 0, "wrong": 0})
            entry["inputs"] += int(inside.sum())
            entry["wrong"] += int(((said != batch.targets) & inside).sum())
    return found


def main() -> None:
    torch.set_num_threads(1)
    arguments = sys.argv[1:]
    count = int(arguments[arguments.index("--count") + 1]) if "--count" in arguments else 1_000_000
    only = arguments[arguments.index("--only") + 1] if "--only" in arguments else ""
    for label, (name, parameters) in BUILT.items():
        if only not in label:
            continue
        built = sx.constructions.create(name, **parameters)
        begun = time.perf_counter()
        found = wrong_answers(built, count)
        seconds = time.perf_counter() - begun
        if "--json" in arguments:
            print(
                json.dumps({"construction": label, "width": built.width, "seconds": seconds, "kinds": found}),
                flush=True,
            )
            continue
        counts = ", ".join(f"{kind}: {entry['wrong']} of {entry['inputs']:,}" for kind, entry in found.items())
        print(f"{label} (width {built.width}): wrong answers: {counts} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
