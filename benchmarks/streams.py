"""Streams: reading beside the scans alone, the labelled loss beside the whole one, and a public cell of MQAR, trained.

    python benchmarks/streams.py [read] [loss] [cell] [--seeds 0 1 2] [--threads 2] [--json]

Seconds are processor seconds of one thread in a process started as the project's workers are, so that other work on the
machine counts less; the two sides of a ratio are timed in turn. The cell is width 64, one head, two layers of
attention, length 64, 4 pairs, vocabulary 8192.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch

from separatrix import models, tasks
from separatrix.experiments.engines.process import KEPT_MEMORY, settled
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.trainer import Trainer
from separatrix.ops.cross_entropy import cross_entropy
from separatrix.tasks import stream

LENGTH, WIDTH, BATCH = 512, 128, 16
TARGET, BUDGET = 0.99, 600.0
CELL = {
    "task": {"name": "mqar", "length": 64, "pairs": 4, "vocabulary_size": 8192},
    "model": {
        "name": "transformer",
        "width": 64,
        "layers": 2,
        "heads": 1,
        "positions": "learned",
        "tied": True,
        "embedding_std": 0.125,
        "mlp": 0,
    },
    "training": {"steps": 20000, "warmup": 100, "learning_rate": 6e-3, "decay": "constant", "validation_contexts": 256},
}
SEEDS = (0, 1, 2)


def in_turn(first: Callable[[], Any], second: Callable[[], Any], repeats: int = 7) -> tuple[float, float]:
    """Median processor seconds of each, run one after the other."""
    spent: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 1):
        for action, times in zip((first, second), spent, strict=True):
            begun = time.process_time()
            action()
            if repeat:
                times.append(time.process_time() - begun)
    return median(spent[0]), median(spent[1])


def read_beside_scans() -> dict[str, float]:
    """Seconds of `read` over seconds of its layers' scans, of every family, two layers deep, without MLPs and with."""
    without, with_ = beside_scans(0), beside_scans(None)
    return without | {f"{name}, with MLPs": ratio for name, ratio in with_.items()}


def beside_scans(mlp: int | None) -> dict[str, float]:
    """The ratio for every family with MLPs of this hidden width (None: four times the model's)."""
    task = tasks.create("state-tracking", length=LENGTH)
    inputs = task.sample(BATCH, stream(0, "train")).inputs
    found = {}
    for name in models.names():
        model = models.create(name, task, width=WIDTH, layers=2, mlp=mlp).eval()
        x = torch.randn(BATCH, LENGTH, WIDTH)
        with torch.no_grad():

            def scans(model: Any = model, x: torch.Tensor = x) -> None:
                for block in model.blocks:
                    block.mixer.scan(x)

            whole, alone = in_turn(lambda model=model: model.read(inputs), scans)
        found[name] = whole / alone
    return found


def labelled_loss() -> dict[str, float]:
    """Forward and backward of the head and loss: 64 labelled of 512 places at vocabulary 8192, and all of them."""
    task = tasks.create("mqar", length=LENGTH, pairs=64)
    drawn = task.sample(BATCH, stream(0, "train"))
    model = models.create("gru", task, width=WIDTH)
    every = drawn.labels.masked_fill(drawn.labels == tasks.UNLABELLED, 0).flatten()

    def labelled() -> None:
        asked = drawn.ask(model)
        cross_entropy(asked.logits, asked.targets).backward()

    def whole() -> None:
        cross_entropy(model.read(drawn.inputs).flatten(0, 1), every).backward()

    some, all_ = in_turn(labelled, whole, repeats=3)
    return {"labelled places alone (s)": some, "every place (s)": all_, "ratio": all_ / some}


def cell(seed: int, device: str = "cpu") -> dict[str, float]:
    """Train the public cell until its validation accuracy is the target."""
    trainer = Trainer(TrialConfig(**CELL, seed=seed), device)
    trainer.model.train()
    begun, wall, accuracy = time.process_time(), time.perf_counter(), 0.0
    while accuracy < TARGET and time.process_time() - begun < BUDGET:
        trainer.train_to(trainer.progress.step + 100)
        accuracy = trainer._evaluate("validation", 256).accuracy
    return {
        "accuracy": accuracy,
        "steps": trainer.progress.step,
        "processor seconds": time.process_time() - begun,
        "seconds": time.perf_counter() - wall,
        "test accuracy": trainer._evaluate("test", 1024).accuracy,
    }


def cells(seeds: Sequence[int], device: str = "cpu") -> dict[str, float]:
    """The same with each seed."""
    return {f"{row}, seed {seed}": value for seed in seeds for row, value in cell(seed, device).items()}


PARTS = ("read", "loss", "cell")


def main() -> None:
    if KEPT_MEMORY not in os.environ.get("GLIBC_TUNABLES", ""):  # which is read when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **settled()})
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of the cell")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="the cell's")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    run: dict[str, Callable[[], dict[str, float]]] = {
        "read": read_beside_scans, "loss": labelled_loss, "cell": lambda: cells(asked.seeds, asked.device),
    }  # fmt: skip
    found = {name: run[name]() for name in asked.parts or PARTS}
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    for name, rows in found.items():
        print(name)
        for row, value in rows.items():
            print(f"  {row:<32}{value:10.4g}")


if __name__ == "__main__":
    main()
