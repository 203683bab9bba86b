"""Model types of Transformers by their bare name: small at a small width, or refused in one line."""

from __future__ import annotations

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.models.measure import measured_size

pytest.importorskip("transformers")

NAMES = [
    *("jamba", "bamba", "zamba2", "kimi_linear", "minimax"),
    *("qwen3_next", "granitemoehybrid", "xlstm", "nemotron_h", "deepseek_v3"),
]


@pytest.mark.parametrize("name", NAMES)
def test_bare_names_answer_and_are_measured_at_a_small_width(name):
    width = 128 if name == "xlstm" else 32
    task = sx.tasks.create("index-lookup", length=12, alphabet=4)
    model = sx.models.create(f"hf:{name}", task, width=width)
    assert sum(each.numel() for each in model.parameters()) < 2**19
    batch = task.sample(2, torch.Generator().manual_seed(0), queries=2)
    state = model.prefill(batch.context)
    logits = model.decode(state, batch.queries)
    assert logits.shape == (2, 2, 4) and bool(logits.isfinite().all())
    size = measured_size(model, task)
    assert size.bits(12) == sx.state_bits(state) < 2**20
    assert size.growth == ("constant" if name == "xlstm" else "linear")  # hybrids have a layer of attention


def test_bamba_is_told_where_its_tokens_stand():
    """Transformers' Bamba counts positions from 0 again in every step that is not told."""
    task = sx.tasks.create("index-lookup", length=12, alphabet=4)
    model = sx.models.create("hf:bamba", task, width=32).double().eval()
    batch = task.sample(2, torch.Generator().manual_seed(0), queries=2)
    tokens = torch.cat([batch.context, batch.queries[:, :1] + task.query_offset], dim=1)
    whole = model.head(model.run(tokens)[0][:, -1])
    stepped = model.decode(model.prefill(batch.context), batch.queries)[:, 0]
    assert torch.allclose(stepped, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("xlstm", {"width": 32}, "a width that is a multiple of 128, got 32"),
        ("jamba", {"width": 32, "layers": 0}, "layers"),
        ("bamba", {"width": 32, "layers": 1, "attn_layer_period": 3}, "attn_layer_period"),
        ("vit", {"width": 32}, "cache|Transformers"),
        ("kimi", {"width": 32}, "no model type 'kimi'"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(name, options, message):
    task = sx.tasks.create("index-lookup", length=12, alphabet=4)
    with pytest.raises(InputError, match=message) as error:
        model = sx.models.create(f"hf:{name}", task, **options)
        model.prefill(task.sample(1, torch.Generator().manual_seed(0)).context)
    assert "\n" not in str(error.value)
