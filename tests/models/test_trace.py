"""A trace shows what the model itself computes."""

from __future__ import annotations

import pytest
import torch

from separatrix import models, tasks
from separatrix.models import trace as module
from separatrix.models.trace import query_attention, trace

TASK = tasks.create("index-lookup", length=9, alphabet=4)


@pytest.mark.parametrize(("name", "layers"), [("transformer", 1), ("transformer", 2), ("lstm", 2), ("mamba", 1)])
def test_the_last_rows_give_the_models_own_logits(name, layers):
    model = models.create(name, TASK, width=8, layers=layers).eval()
    batch = TASK.sample(1, torch.Generator().manual_seed(0))
    shown = trace(model, batch.context[0], batch.queries[0, 0])
    torch.testing.assert_close(shown.logits, model(batch.context, batch.queries)[0, 0])
    torch.testing.assert_close(model.head(model.norm(shown.layers[-1].hidden[-1])), shown.logits)
    assert shown.answer == int(shown.logits.argmax()) and shown.margin >= 0
    assert [len(layer.hidden) for layer in shown.layers] == [10] * (layers - 1) + [1]


def test_attention_rows_are_causal_distributions_that_mix_the_values():
    model = models.create("transformer", TASK, width=8, layers=2, heads=2).eval()
    batch = TASK.sample(1, torch.Generator().manual_seed(0))
    first, last = trace(model, batch.context[0], batch.queries[0, 0]).layers
    assert first.attention.shape == (2, 10, 10) and last.attention.shape == (2, 1, 10)
    torch.testing.assert_close(first.attention.sum(-1), torch.ones(2, 10))
    assert (first.attention[:, :9].triu(1) == 0).all()
    assert first.attention[:, 2, 9].eq(0).all() and first.attention[:, 9, 9].gt(0).all()
    place, weight = first.looks_at(3)[0][0]
    assert weight == first.attention[0, -1].max() and place == int(first.attention[0, -1].argmax())


def test_states_of_recurrent_models_end_with_what_is_handed_over():
    model = models.create("lstm", TASK, width=8).eval()
    batch = TASK.sample(1, torch.Generator().manual_seed(0))
    (layer,) = trace(model, batch.context[0], batch.queries[0, 0]).layers
    ((h, c),) = model.prefill(batch.context)
    assert layer.attention is None and layer.state.shape == (9, 16)
    torch.testing.assert_close(layer.state[-1], torch.cat([h[0], c[0]]))


def test_long_contexts_show_the_query_alone(monkeypatch):
    monkeypatch.setattr(module, "DRAWABLE", 4)
    model = models.create("transformer", TASK, width=8, layers=2).eval()
    batch = TASK.sample(1, torch.Generator().manual_seed(0))
    layers = trace(model, batch.context[0], batch.queries[0, 0]).layers
    assert [layer.attention.shape for layer in layers] == [(1, 1, 10), (1, 1, 10)]


def test_relative_attention_shows_the_query_alone():
    model = models.create("transformer", TASK, width=8, layers=2, positions="rope").eval()
    batch = TASK.sample(1, torch.Generator().manual_seed(0))
    shown = trace(model, batch.context[0], batch.queries[0, 0])
    assert [layer.attention.shape for layer in shown.layers] == [(1, 1, 10), (1, 1, 10)]
    torch.testing.assert_close(shown.logits, model(batch.context, batch.queries)[0, 0])


def test_attention_of_many_queries_is_that_of_each():
    model = models.create("transformer", TASK, width=8, layers=2, heads=2).eval()
    batch = TASK.sample(3, torch.Generator().manual_seed(0), queries=4)
    found = query_attention(model, batch.context, batch.queries)
    one = trace(model, batch.context[1], batch.queries[1, 2])
    for layer, weights in zip(one.layers, found, strict=True):
        torch.testing.assert_close(layer.attention[:, -1], weights[1, :, 2])
