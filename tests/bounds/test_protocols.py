"""Executed protocols answer as the model does, and cost what they say."""

from __future__ import annotations

import itertools

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.bounds import attention_protocol, recurrent_protocol
from separatrix.bounds import protocols as reductions
from separatrix.tasks import stream


@pytest.fixture
def task():
    return sx.tasks.create("index-lookup", length=10, alphabet=4)


@pytest.fixture
def batch(task):
    return task.sample(8, stream(0, "train"), queries=3)


@pytest.mark.parametrize("cut", [1, 6, 10])
@pytest.mark.parametrize(("name", "numbers"), [("elman", 16), ("gru", 16), ("lstm", 32)])
def test_a_recurrent_model_across_a_cut(task, batch, name, numbers, cut):
    model = sx.models.create(name, task, width=8, layers=2)
    run = recurrent_protocol(model, batch.context, batch.queries, cut)
    assert run.difference < 1e-5
    assert run.bits == 32 * numbers
    assert torch.equal(run.answers, model(batch.context, batch.queries).argmax(-1))


def test_coarser_messages_are_cheaper_and_less_exact(task, batch):
    model = sx.models.create("lstm", task, width=8)
    fine, coarse = (recurrent_protocol(model, batch.context, batch.queries, 10, p) for p in (12, 2))
    assert coarse.bits == 2 * 16 + 128 < fine.bits == 12 * 16 + 128
    assert fine.difference < coarse.difference


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("held", [[], [0, 1, 2], [1, 3, 5, 9], list(range(10))])
def test_one_layer_attention_across_any_split(task, batch, heads, held):
    model = sx.models.create("transformer", task, width=8, heads=heads)
    run = attention_protocol(model, batch.context, batch.queries, held, precision=16)
    assert run.difference < 1e-5
    assert run.messages[0].bits == 3 * (8 * (2 * 16 + 4 + 1) + heads * (16 + 4))
    assert run.bits == 2 * run.messages[0].bits


def test_other_models_are_refused(task, batch):
    for name, layers in [("lstm", 1), ("transformer", 2)]:
        model = sx.models.create(name, task, width=8, layers=layers)
        with pytest.raises(InputError, match="one-layer Transformers"):
            attention_protocol(model, batch.context, batch.queries, [0])
    with pytest.raises(InputError, match="cut must be in 1 … 10, got 11"):
        recurrent_protocol(sx.models.create("lstm", task, width=8), batch.context, batch.queries, 11)


def all_pairs(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    strings = list(itertools.product((0, 1), repeat=n))
    pairs = list(itertools.product(strings, strings))
    return torch.tensor([x for x, _ in pairs]), torch.tensor([y for _, y in pairs])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("layout", ["concatenated", "interleaved"])
def test_reductions_are_right_on_all_small_instances(n, layout):
    x, y = all_pairs(n)
    equal, disjoint = (x == y).all(dim=1), ((x & y) == 0).all(dim=1)
    task = sx.tasks.create("equality", length=2 * n, layout=layout)
    assert torch.equal(task.answer(*reductions.equality_instance(task, x, y))[:, 0].bool(), equal)
    task = sx.tasks.create("disjointness", length=2 * n, layout=layout)
    assert torch.equal(task.answer(*reductions.disjointness_instance(task, x, y))[:, 0].bool(), disjoint)
    dyck = sx.tasks.create("bounded-dyck", length=2 * n, kinds=2, depth=1)
    assert torch.equal(dyck.answer(*reductions.dyck_instance(x, y))[:, 0].bool(), equal)
    for place in range(n):
        places = torch.full((len(x),), place)
        lookup = sx.tasks.create("index-lookup", length=n, alphabet=2)
        assert torch.equal(lookup.answer(*reductions.index_instance(x, places))[:, 0], x[:, place])
        recall = sx.tasks.create("associative-recall", pairs=n, keys=n, values=2)
        assert torch.equal(recall.answer(*reductions.recall_instance(recall, x, places))[:, 0], x[:, place])
