"""Every oracle against a slow, obviously right one, on drawn and on arbitrary contexts of random sizes."""

from __future__ import annotations

import pytest
import torch
from cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from random_automata import automata
from slow_oracles import ORACLES

import separatrix as sx
from separatrix.tasks import Task, stream

even = st.integers(1, 10).map(lambda n: 2 * n)
small = st.integers(1, 20)

FAMILIES = {
    "index-lookup": st.fixed_dictionaries(
        {"length": small, "alphabet": st.integers(2, 9), "offset": st.integers(0, 3), "mixed_lengths": st.booleans()}
    ),
    "bounded-dyck": st.fixed_dictionaries({"length": even, "kinds": st.integers(1, 4), "depth": st.integers(1, 4)}),
    "equality": st.fixed_dictionaries(
        {"length": even, "alphabet": st.integers(2, 5), "layout": st.sampled_from(["concatenated", "interleaved"])}
    ),
    "disjointness": st.fixed_dictionaries(
        {"length": even, "layout": st.sampled_from(["concatenated", "interleaved"]), "density": st.floats(0.1, 0.5)}
    ),
    "sparse-threshold": st.fixed_dictionaries(
        {
            "length": even.filter(lambda n: n >= 4),
            "instance": st.sampled_from(["majority", "k-cnf", "k-dnf", "inner-product", "disjointness", "equality"]),
            "formula_seed": st.integers(0, 5),
        }
    ),
    "associative-recall": st.fixed_dictionaries(
        {
            "pairs": st.integers(1, 6),
            "keys": st.integers(7, 12),
            "values": st.integers(2, 6),
            "shared": st.booleans(),
            "absent": st.sampled_from([0.0, 0.5, 0.9]),
        }
    ),
    "nearest-neighbor": st.fixed_dictionaries(
        {
            "points": st.integers(1, 6),
            "dimension": st.integers(8, 12),
            "labels": st.integers(2, 4),
            "geometry": st.sampled_from(["sphere", "cube"]),
        }
    ),
    "parity": st.fixed_dictionaries({"length": small}),
    "modular-counter": st.fixed_dictionaries({"length": small, "modulus": st.integers(2, 7)}),
    "group-word": st.fixed_dictionaries({"length": small, "group": st.sampled_from(["S3", "A5", "S5"])}),
    "automaton": automata(small),
}


def check(task: Task, context: torch.Tensor, queries: torch.Tensor) -> None:
    answers = task.answer(context, queries)
    assert answers.shape == queries.shape[:2]
    for b, row in enumerate(context.tolist()):
        for q, query in enumerate(queries[b].tolist()):
            assert answers[b, q] == ORACLES[task.name](task, row, query)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_drawn_examples_and_their_answers(name, data):
    parameters = data.draw(FAMILIES[name])
    task = sx.tasks.create(name, **parameters)
    length = data.draw(st.sampled_from(list(task.lengths)))
    count = data.draw(st.integers(1, 4))
    batch = task.sample(16, stream(data.draw(st.integers(0, 99)), "train"), queries=count, length=length)
    assert batch.context.shape[:2] == (16, length)
    assert batch.queries.shape[:2] == batch.targets.shape == batch.groups.shape == (16, count)
    assert torch.equal(batch.targets, task.answer(batch.context, batch.queries))
    assert batch.targets.min() >= 0
    assert batch.targets.max() < task.answers
    assert batch.groups.min() >= 0
    assert batch.groups.max() < len(task.groups)
    check(task, batch.context, batch.queries)
    if task.vector_size is None:
        assert task.valid(batch.context).all()
        assert batch.context.min() >= 0
        assert batch.context.max() < task.alphabet_size
        tokens = batch.queries + task.query_offset
        assert tokens.min() >= 0
        assert tokens.max() < task.vocabulary
        for position in range(length):
            assert set(batch.context[:, position].tolist()) <= set(task.position_alphabet(position))


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"nearest-neighbor", "associative-recall", "index-lookup"}))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_arbitrary_contexts(name, data):
    task = sx.tasks.create(name, **data.draw(FAMILIES[name]))
    seed = data.draw(st.integers(0, 99))
    context = torch.randint(task.alphabet_size, (20, task.length), generator=torch.Generator().manual_seed(seed))
    check(task, context, torch.zeros(20, 1, dtype=torch.int64))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.task}-{case.answer}")
def test_worked_examples(case):
    task = sx.tasks.create(case.task, **case.parameters)
    kind = torch.float32 if task.vector_size else torch.int64
    context, queries = torch.tensor([case.context], dtype=kind), torch.tensor([[case.query]], dtype=kind)
    assert task.answer(context, queries).tolist() == [[case.answer]]
    assert ORACLES[case.task](task, case.context, case.query) == case.answer
    assert task.show(context[0])
    assert task.show_query(queries[0, 0])


@pytest.mark.parametrize("name", sx.tasks.names())
def test_every_family_has_a_worked_example_here_and_in_its_docstring(name):
    assert name in {case.task for case in CASES}
    assert name in FAMILIES
    assert "Example:" in (sx.tasks.family(name).__doc__ or "")
    assert sx.tasks.family(name).summary


@pytest.mark.parametrize("instance", ["disjointness", "equality"])
def test_named_instances_equal_the_tasks_of_their_name(instance):
    general = sx.tasks.create("sparse-threshold", length=8, instance=instance)
    special = sx.tasks.create(instance, length=8)
    contexts = torch.cartesian_prod(*[torch.arange(2)] * 8)
    query = torch.zeros(len(contexts), 1, dtype=torch.int64)
    assert torch.equal(general.answer(contexts, query), special.answer(contexts, query))


def test_named_instances_are_what_their_names_say():
    def answers(task: Task) -> list[int]:
        contexts = torch.cartesian_prod(*[torch.arange(2)] * task.length)
        return task.answer(contexts, torch.zeros(len(contexts), 1, dtype=torch.int64))[:, 0].tolist()

    strings = torch.cartesian_prod(*[torch.arange(2)] * 8)
    majority = sx.tasks.create("sparse-threshold", length=8)
    assert answers(majority) == (2 * strings.sum(dim=1) > 8).long().tolist()
    inner = sx.tasks.create("sparse-threshold", length=8, instance="inner-product", threshold=2)
    assert answers(inner) == ((strings[:, :4] & strings[:, 4:]).sum(dim=1) >= 2).long().tolist()
    for instance, exceptional in (("k-cnf", 0), ("k-dnf", 1)):
        formula = sx.tasks.create("sparse-threshold", length=8, instance=instance, k=3, clauses=5, formula_seed=2)
        features, _ = formula.definition()
        assert [len(set(feature.positions)) for feature in features] == [3] * 5
        assert [feature.table.count(exceptional) for feature in features] == [1] * 5
        combine = all if instance == "k-cnf" else any
        assert answers(formula) == [
            int(combine(f.table[sum(row[p] << j for j, p in enumerate(f.positions))] for f in features))
            for row in strings.tolist()
        ]
