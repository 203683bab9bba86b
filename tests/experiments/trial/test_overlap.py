"""Test contexts that occurred in training are counted where there are few contexts, exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import separatrix as sx
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.overlap import SMALL, numbered, overlap, space
from separatrix.experiments.trial.result import fingerprint
from separatrix.tasks.randomness import stream

TASKS = [
    ("bounded-dyck", {"length": 6}),
    ("parity", {"length": 5}),
    ("equality", {"length": 6}),
    ("equality", {"length": 6, "layout": "interleaved"}),
    ("modular-counter", {"length": 4, "modulus": 3}),
    ("index-lookup", {"length": 3, "alphabet": 4}),
    ("associative-recall", {"length": 4, "keys": 3, "values": 2}),
]


@pytest.mark.parametrize(("name", "options"), TASKS, ids=str)
def test_contexts_are_numbered_apart(name: str, options: dict) -> None:
    task = sx.tasks.create(name, **options)
    contexts = task.sample(500, torch.Generator().manual_seed(0)).context
    numbers = numbered(task, contexts)
    assert len(numbers.unique()) == len(contexts.unique(dim=0))
    assert 0 <= int(numbers.min()) <= int(numbers.max()) < space(task)


@pytest.mark.parametrize(("name", "options"), TASKS, ids=str)
def test_overlap_is_that_of_sets(name: str, options: dict) -> None:
    task = sx.tasks.create(name, **options)
    tested = [task.sample(20, stream(0, "test", i)).context for i in range(3)]
    trained = [task.sample(4, stream(0, "train", i)).context for i in range(4)]
    met = {tuple(row.tolist()) for contexts in trained for row in contexts}
    rows = [tuple(row.tolist()) for contexts in tested for row in contexts]
    assert overlap(task, tested, trained) == pytest.approx(sum(row in met for row in rows) / len(rows))
    assert overlap(task, tested, []) == 0
    assert overlap(task, tested, [tested[0], tested[2], tested[1]]) == 1


def test_other_lengths_are_other_contexts() -> None:
    task = sx.tasks.create("parity", length=2)
    assert overlap(task, [torch.tensor([[0, 1]])], [torch.tensor([[0, 1, 0]]), torch.tensor([[0]])]) == 0


def test_large_spaces_are_not_counted() -> None:
    assert space(sx.tasks.create("parity", length=24)) == SMALL
    for name, options in [
        ("parity", {"length": 25}),
        ("index-lookup", {"length": 2**40, "alphabet": 64}),
        ("nearest-neighbor", {"length": 2}),
    ]:
        task = sx.tasks.create(name, **options)
        assert space(task) is None
        assert overlap(task, [], []) is None


def test_a_result_says_it(tmp_path: Path) -> None:
    small = {"name": "bounded-dyck", "length": 6, "kinds": 1, "depth": 2}
    training = {"steps": 30, "warmup": 0, "batch_size": 16, "validation_contexts": 16, "test_contexts": 64}
    config = TrialConfig(task=small, model={"name": "lstm", "width": 4}, training=training)
    store = Store(tmp_path)
    result = run_trial(store, config)
    task = config.task
    tested = [tuple(row) for row in task.sample(64, stream(0, "test", 0)).context.tolist()]
    trained = {
        tuple(row) for step in range(result.steps) for row in task.sample(16, stream(0, "train", step)).context.tolist()
    }
    assert result.overlap == sum(row in trained for row in tested) / len(tested) > 0.5
    assert store.result(config.identity()).overlap == result.overlap
    assert sx.results(tmp_path)["overlap"].to_list() == [result.overlap]
    without = result.model_dump(mode="json") | {"overlap": None}
    assert fingerprint(without) == result.fingerprint  # results of before keep theirs
