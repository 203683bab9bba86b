"""Transformers whose context tokens see the whole context."""

from __future__ import annotations

import pytest
import torch

from separatrix.constructions.rounding.transformer import RoundedTransformer
from separatrix.errors import InputError
from separatrix.models.causality import check_causal
from separatrix.models.transformer import Attention, Transformer, TransformerConfig
from separatrix.tasks import create


def test_every_token_sees_every_other():
    attention = Attention(4, causal=False)
    x = torch.randn(2, 5, 4)
    whole, _ = attention.scan(x)
    turned, _ = attention.scan(x.flip(1))
    torch.testing.assert_close(turned.flip(1), whole)
    with pytest.raises(InputError, match="looks ahead"):
        check_causal(lambda x: attention.scan(x)[0], 4, "attention")


def test_it_agrees_with_its_evaluation_in_a_format():
    task = create("equality", length=6)
    model = Transformer.for_task(task, width=4, layers=2, heads=2, norm="none", mlp=3, causal=False)
    batch = task.sample(4, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.double()(batch.context, batch.queries)
    torch.testing.assert_close(RoundedTransformer(model, "real").forward(batch.context, batch.queries), expected)


def test_what_looks_back_and_what_comes_in_pieces_is_refused():
    for more in ({"window": 3}, {"positions": "alibi"}):
        with pytest.raises(InputError, match="windows and alibi look back"):
            TransformerConfig(causal=False, **more)
    task = create("equality", length=6)
    model = Transformer.for_task(task, width=4, layers=2, causal=False)
    state = model.prefill(torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(InputError, match="takes it in one piece"):
        model.prefill(torch.zeros(1, 3, dtype=torch.int64), state, start=3)


def test_the_default_is_no_part_of_an_identity():
    assert "causal" not in TransformerConfig().model_dump()
    assert TransformerConfig(causal=False).model_dump()["causal"] is False
