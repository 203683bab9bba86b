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
from separatrix.tasks import mqar, stream
from separatrix.tasks.bitstrings import random_bits
from separatrix.tasks.features import FeatureBank
from separatrix.tasks.walks import sample_walks

LENGTHS = (100, 400, 1000)
TOKENS = 400_000
"""Tokens of a batch, so that short contexts come in many rows."""

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
STREAMS = ((64, 8), (256, 16), (1024, 64))
"""Length and pairs of multi-query recall streams, vocabulary 8192."""


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


def generator_rows() -> dict[str, Callable[[int], Callable[[], object]]]:
    """For each row, what draws one batch at a length."""
    rows: dict[str, Callable[[int], Callable[[], object]]] = {}
    for name, parameters in FAMILIES:

        def draw(length: int, name: str = name, parameters: dict[str, Any] = parameters) -> Callable[[], object]:
            sizes = {"N": length, "N/2": length // 2}
            fitted = {
                key: sizes.get(value, value) if isinstance(value, str) else value for key, value in parameters.items()
            }
            task = tasks.create(name, length=length, **fitted)
            return lambda: task.sample(batch(length), stream(0, "train"))

        shown = "" if parameters is CYCLE else ", ".join(f"{key} {value}" for key, value in parameters.items())
        rows[f"{name} {shown}".strip()] = draw
    rows["limit: random tokens alone"] = lambda n: (
        lambda: torch.randint(64, (batch(n), n), generator=stream(0, "train"))
    )
    rows["limit of k-cnf: bits drawn, every clause evaluated once"] = evaluate_once
    rows["limit of bounded-dyck: its walks alone"] = lambda n: (
        lambda: sample_walks(n, 10, torch.zeros(batch(n), dtype=torch.bool), stream(0, "train"), longest=n)
    )
    rows["limit of nearest-neighbor: 64 normal deviates a point"] = lambda n: (
        lambda: torch.randn(batch(n), n // 2, 64, generator=stream(0, "train"))
    )
    return rows


def batch(length: int) -> int:
    """Rows of a batch."""
    return max(1, TOKENS // length)


def evaluate_once(length: int) -> Callable[[], object]:
    features, _ = tasks.create("sparse-threshold", length=length, instance="k-cnf").definition()
    bank = FeatureBank(features, torch.device("cpu"))
    return lambda: bank.values(random_bits(batch(length), length, stream(0, "train"))).long()


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    def wanted(row: str) -> bool:
        return not asked.words or any(word in row for word in asked.words)

    rates: dict[str, list[float]] = {}
    for row, draw in generator_rows().items():
        if wanted(row):
            rates[row] = [batch(n) * n / seconds(draw(n)) / 1e6 for n in LENGTHS]
    for length, pairs in STREAMS:
        if wanted(row := f"mqar, length {length}, {pairs} pairs"):
            many = batch(length)
            spent = seconds(lambda n=length, k=pairs, b=many: mqar(b, stream(0, "train"), n, k))
            rates[row] = [many * length / spent / 1e6]
    others: dict[str, float] = {}
    if wanted("mqar, 10,000 x 64, NumPy"):
        ours = seconds(lambda: mqar(10_000, stream(0, "train"), length=64, pairs=8, vocabulary=8192))
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
