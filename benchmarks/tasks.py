"""Generators on one core: tokens per second of every family, what bounds the slow ones, and multi-query recall beside
the usual NumPy generation of it.

Run: python benchmarks/tasks.py [--json] [WORD …]   (only the rows that hold a word)

Seconds are processor seconds, the median of several repeats, so that other work on the machine counts less; the ratio
to NumPy is one of seconds in one run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from separatrix import tasks
from separatrix.tasks import stream
from separatrix.tasks.bitstrings import random_bits
from separatrix.tasks.bounded_walks import sample_walks
from separatrix.tasks.brackets import pairs
from separatrix.tasks.features import FeatureBank
from separatrix.tasks.sampling import distinct, sort_rows
from separatrix.tasks.streams.steps import tops

LENGTHS = (100, 400, 1000)
TOKENS = 2**20
"""Tokens of a batch, as many as data sets draw at a time; a tenth of them where tokens are vectors."""

CYCLE = {"transitions": [[(i + 1) % 12, i] for i in range(12)], "outputs": list(range(12))}

FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("index-lookup", {"alphabet": 64}),
    ("index-lookup", {"alphabet": 64, "mixed_lengths": True}),
    ("equality", {}),
    ("equality", {"layout": "interleaved"}),
    ("equality", {"alphabet": 26}),
    ("disjointness", {}),
    ("disjointness", {"layout": "interleaved", "density": 0.1}),
    ("sparse-threshold", {"instance": "majority"}),
    ("sparse-threshold", {"instance": "inner-product"}),
    ("sparse-threshold", {"instance": "disjointness"}),
    ("sparse-threshold", {"instance": "equality"}),
    ("sparse-threshold", {"instance": "k-cnf"}),
    ("sparse-threshold", {"instance": "k-dnf"}),
    ("sparse-threshold", {"instance": "k-cnf", "k": 5}),
    ("sparse-threshold", {"instance": "k-cnf", "clauses": "N"}),
    ("associative-recall", {"keys": 4096, "values": 4096}),
    ("associative-recall", {"keys": 4096, "values": 4096, "shared": True}),
    ("associative-recall", {"keys": 4096, "values": 4096, "absent": 0.25}),
    ("associative-recall", {"keys": "N/2", "values": 64}),
    ("parity", {}),
    ("modular-counter", {"modulus": 7}),
    ("group-word", {"group": "S3"}),
    ("group-word", {"group": "A5"}),
    ("group-word", {"group": "S5"}),
    ("automaton", CYCLE),
    ("bounded-dyck", {}),
    ("bounded-dyck", {"depth": 10}),
    ("nearest-neighbor", {"dimension": 16}),
    ("nearest-neighbor", {"dimension": 64, "margin": 0.0}),
    ("nearest-neighbor", {"dimension": 64, "geometry": "cube", "margin": 0.0}),
]
STREAMS: list[tuple[str, dict[str, Any]]] = [
    ("mqar", {"pairs": "N/16"}),
    ("transduction", {}),
    ("transduction", {"rule": "sort"}),
    ("state-tracking", {"machine": "parity"}),
    ("state-tracking", {"machine": "S3"}),
    ("state-tracking", {"machine": "S5"}),
    ("flip-flop", {}),
    ("next-bracket", {}),
    ("selective-copying", {}),
    ("induction", {}),
    ("composition", {}),
    ("noisy-recall", {}),
    ("compositional-recall", {"pairs": "N/10", "keys": 64, "key_tokens": 4}),
    ("compression", {}),
    ("memorisation", {}),
    ("stack-manipulation", {}),
    ("mqar-mixture", {"cells": [["N/2", "N/16"], ["N", "N/16"]]}),
    ("fuzzy-recall", {}),
    ("ngram-copying", {}),
    ("ngram-copying", {"asked": "before"}),
    ("modular-arithmetic", {"length": "N+1"}),
]
"""Streams, at even lengths, which `length` overrides."""


def seconds(action: Callable[[], object], repeats: int = 7, clock: Callable[[], float] = time.process_time) -> float:
    """Median seconds over a few repeats, after one to warm up."""
    action()
    found = []
    for _ in range(repeats):
        begun = clock()
        action()
        found.append(clock() - begun)
    return statistics.median(found)


def numpy_mqar(examples: int, length: int, pairs: int, vocabulary: int, power: float) -> tuple[np.ndarray, np.ndarray]:
    """The distribution of `mqar`, row by row with `apply_along_axis`, as it is usually generated."""
    half, context = vocabulary // 2, 2 * pairs
    keys = np.apply_along_axis(
        np.random.choice, 1, np.tile(np.arange(1, half), (examples, 1)), replace=False, size=pairs
    )
    values = np.apply_along_axis(
        np.random.choice, 1, np.tile(np.arange(half, vocabulary), (examples, 1)), replace=False, size=pairs
    )
    room = (length - context) // 2
    weight = np.arange(1, room + 1) ** (power - 1.0)
    places = np.tile(np.arange(room), (examples, 1))
    gaps = np.apply_along_axis(np.random.choice, 1, places, replace=False, p=weight / weight.sum(), size=pairs)
    inputs = np.random.randint(vocabulary, size=(examples, length))
    inputs[:, 0:context:2], inputs[:, 1:context:2] = keys, values
    np.put_along_axis(inputs, context + 2 * gaps, keys, axis=1)
    labels = np.full((examples, length), -100)
    np.put_along_axis(labels, context + 2 * gaps, values, axis=1)
    return inputs, labels


Draw = Callable[[], object]


def fitted(value: Any, sizes: dict[str, int]) -> Any:
    """Parameters with their sizes in place of what stands for them."""
    if isinstance(value, dict):
        return {key: fitted(each, sizes) for key, each in value.items()}
    if isinstance(value, list):
        return [fitted(each, sizes) for each in value]
    return sizes.get(value, value) if isinstance(value, str) else value


def rows_at(length: int) -> dict[str, tuple[int, Draw]]:
    """For each row, how many tokens a batch has and what draws it."""
    many, few = max(1, TOKENS // length), max(1, TOKENS // (10 * length))
    sizes = {"N": length, "N/2": length // 2, "N/10": length // 10, "N/16": length // 16, "N+1": length + 1}
    rows: dict[str, tuple[int, Draw]] = {}
    for name, parameters in FAMILIES + STREAMS:
        task = tasks.create(name, **{"length": length} | fitted(parameters, sizes))
        count = many if task.vector_size is None else few
        shown = "" if parameters is CYCLE else ", ".join(f"{key} {value}" for key, value in parameters.items())
        rows[f"{name} {shown}".strip()] = (
            count * length,
            lambda task=task, count=count: task.sample(count, stream(0, "train")),
        )
    bank = FeatureBank(
        tasks.create("sparse-threshold", length=length, instance="k-cnf").definition()[0], torch.device("cpu")
    )
    walks = torch.zeros(many, dtype=torch.bool)
    opening = sample_walks(length, 2, walks, stream(0, "train"))

    def keys_drawn_and_sorted() -> None:
        """A pair is 4 tokens on average; a key and a value are each up to 3 tokens and a size."""
        generator = stream(0, "train")
        for _ in range(7):
            torch.randint(7, (many, length // 4), generator=generator, dtype=torch.int32)
        sort_rows(torch.randint(1 << 40, (many * (length // 4),), generator=generator))

    def symbols_drawn_and_walked() -> None:
        """Half of the tokens are drawn, shuffled with their brackets and given an operation; all are read."""
        generator = stream(0, "train")
        distinct(length // 2, length // 4, many, generator)
        for _ in range(2):
            torch.randint(5, (many, length // 2), generator=generator)
        tops(opening.long(), opening, 2)

    limits: dict[str, tuple[int, Draw]] = {
        "random tokens alone": (many, lambda: torch.randint(64, (many, length), generator=stream(0, "train"))),
        "k-cnf: bits drawn, every clause evaluated once": (
            many,
            lambda: bank.values(random_bits(many, length, stream(0, "train"))),
        ),
        "bounded-dyck: its walks alone": (many, lambda: sample_walks(length, 10, walks, stream(0, "train"))),
        "next-bracket: walks, pairs, and what lies on the stacks": (
            many,
            lambda: (
                pairs(sample_walks(length, 2, walks, stream(0, "train"))),
                tops(opening.long(), opening, 2),
            ),
        ),
        "modular-arithmetic: symbols drawn, and one stack walked": (many, symbols_drawn_and_walked),
        "fuzzy-recall: motifs drawn, and one sort of the keys": (many, keys_drawn_and_sorted),
        "nearest-neighbor: 64 normal deviates a point": (
            few,
            lambda: torch.randn(few, length // 2, 64, generator=stream(0, "train")),
        ),
    }
    return rows | {f"limit of {name}": (count * length, draw) for name, (count, draw) in limits.items()}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    def wanted(row: str) -> bool:
        return not asked.words or any(word in row for word in asked.words)

    rates: dict[str, list[float]] = {}
    for length in LENGTHS:
        for row, (tokens, draw) in rows_at(length).items():
            if wanted(row):
                rates.setdefault(row, []).append(tokens / seconds(draw) / 1e6)
    others: dict[str, float] = {}
    if wanted("mqar, 10,000 x 64, NumPy"):
        task = tasks.create("mqar", length=64, pairs=8)
        ours = seconds(lambda: task.sample(10_000, stream(0, "train")))
        theirs = seconds(lambda: numpy_mqar(10_000, 64, 8, 8192, 0.01), repeats=3)
        others |= {
            "mqar, 10,000 x 64, NumPy apply_along_axis (s)": theirs,
            "mqar, 10,000 x 64, separatrix (s)": ours,
            "mqar, ratio": theirs / ours,
        }
    if wanted("one generator from its key"):
        others["one generator from its key (microseconds)"] = 1e6 * seconds(lambda: stream(0, "train"), 100)
    if asked.json:
        print(json.dumps({"million tokens a second": rates, "lengths": LENGTHS, "others": others}, indent=2))
        return
    print(f"{'million tokens a second at N =':<64}" + "".join(f"{n:>9}" for n in LENGTHS))
    for row, found in rates.items():
        print(f"{row:<64}" + "".join(f"{rate:9.1f}" for rate in found))
    for row, value in others.items():
        print(f"{row:<64}{value:9.4g}")


if __name__ == "__main__":
    main()
