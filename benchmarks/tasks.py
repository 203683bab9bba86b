"""Generators on one core: tokens per second, and multi-query recall beside the usual NumPy generation of it.

Run: python benchmarks/tasks.py [--json]
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from separatrix import tasks
from separatrix.tasks import mqar, stream

LENGTH = 400
BATCH = 1000


def median(action: Callable[[], object], repeats: int = 5) -> float:
    """Median seconds over a few repeats, after one to warm up."""
    action()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


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


def main() -> None:
    torch.set_num_threads(1)
    ours = median(lambda: mqar(10_000, stream(0, "train"), length=64, pairs=8, vocabulary=8192))
    theirs = median(lambda: numpy_mqar(10_000, 64, 8, 8192, 0.01), repeats=2)
    rows: dict[str, float] = {
        "mqar, 10,000 x 64, NumPy apply_along_axis (s)": theirs,
        "mqar, 10,000 x 64, separatrix (s)": ours,
        "mqar, ratio": theirs / ours,
    }
    families = {
        "index-lookup": {"alphabet": 64},
        "equality": {},
        "disjointness": {},
        "associative-recall": {"keys": 4096, "values": 4096},
        "parity": {},
        "modular-counter": {},
        "group-word": {"group": "S5"},
        "sparse-threshold": {"instance": "majority"},
        "sparse-threshold ": {"instance": "k-cnf"},
        "bounded-dyck": {"depth": 10},
        "nearest-neighbor": {"dimension": 64, "margin": 0.0},
    }
    for name, parameters in families.items():
        task = tasks.create(name.strip(), length=LENGTH, **parameters)
        seconds = median(lambda task=task: task.sample(BATCH, stream(0, "train")))
        label = f"{name.strip()} {parameters.get('instance', '')}".strip()
        rows[f"{label} (million tokens/s)"] = BATCH * LENGTH / seconds / 1e6
    small = tasks.create("bounded-dyck", length=100)
    rows["bounded-dyck, one batch of 64 x 100 (ms)"] = 1e3 * median(lambda: small.sample(64, stream(0, "train")), 25)
    rows["one generator from its key (microseconds)"] = 1e6 * median(lambda: stream(0, "train"), 100)
    fill = median(lambda: torch.randint(64, (BATCH, LENGTH), generator=stream(0, "train")))
    rows["limit: torch.randint (million tokens/s)"] = BATCH * LENGTH / fill / 1e6
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join(f"{name:<56} {value:10.3f}" for name, value in rows.items()))


if __name__ == "__main__":
    main()
