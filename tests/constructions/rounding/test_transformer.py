"""Rounded evaluation against scalar code, and against PyTorch's own types where sums are exact."""

from __future__ import annotations

import math

import pytest
import torch

from separatrix import constructions, models, tasks
from separatrix.constructions.rounding import transformer as module
from separatrix.constructions.rounding.recurrent import RoundedRecurrent
from separatrix.constructions.rounding.transformer import RoundedTransformer, rounded
from separatrix.errors import InputError
from separatrix.numerics import TORCH, parse

TASK = tasks.create("index-lookup", length=6, alphabet=3)


def small_model(**options):
    options = {
        "width": 4,
        "layers": 2,
        "heads": 2,
        "mlp": 3,
        "norm": "none",
        "bias": True,
        "embedding_std": 0.7,
    } | options
    return models.create("transformer", TASK, **options).double()


class Scalars:
    """A Transformer in plain Python numbers, rounded one by one."""

    def __init__(self, model, format):
        self.fl = format.round_number
        self.model = model
        self.w = {name: format.round(tensor.double()).tolist() for name, tensor in model.state_dict().items()}

    def linear(self, name, x):
        y = []
        for row, bias in zip(self.w[f"{name}.weight"], self.w[f"{name}.bias"], strict=True):
            y.append(self.fl(self.dot(x, row) + bias))
        return y

    def dot(self, a, b):
        total = 0.0
        for x, y in zip(a, b, strict=True):
            total = self.fl(total + self.fl(x * y))
        return total

    def attention(self, name, x, seen):
        """X attends to `seen`, of which it is the last."""
        mixer = self.model.blocks[0].mixer
        q = self.linear(f"{name}.query", x)
        keys = [self.linear(f"{name}.key", other) for other in seen]
        values = [self.linear(f"{name}.value", other) for other in seen]
        mixed = []
        for h in range(mixer.heads):
            part = slice(h * mixer.head_width, (h + 1) * mixer.head_width)
            scores = [self.fl(self.dot(q[part], key[part]) * self.fl(mixer.scale)) for key in keys]
            weights = [self.fl(math.exp(self.fl(s - max(scores)))) for s in scores]
            total = 0.0
            for weight in weights:
                total = self.fl(total + weight)
            weights = [self.fl(weight / total) for weight in weights]
            mixed += [self.dot(weights, [value[d] for value in values]) for d in range(part.start, part.stop)]
        return self.linear(f"{name}.out", mixed)

    def block(self, number, x, seen):
        name = f"blocks.{number}"
        x = [self.fl(a + b) for a, b in zip(x, self.attention(f"{name}.mixer", x, seen), strict=True)]
        inner = [max(0.0, y) for y in self.linear(f"{name}.mlp.1", x)]
        return [self.fl(a + b) for a, b in zip(x, self.linear(f"{name}.mlp.3", inner), strict=True)]

    def logits(self, context, query):
        rows = [
            [self.fl(a + b) for a, b in zip(self.w["embed.weight"][token], position, strict=True)]
            for token, position in zip(context, self.w["positions.table.weight"], strict=False)
        ]
        q = self.w["embed.weight"][query + self.model.query_offset]
        for number in range(len(self.model.blocks)):
            after = [self.block(number, rows[i], rows[: i + 1]) for i in range(len(rows))]
            q = self.block(number, q, [*rows, q])
            rows = after
        return self.linear("head", q)


@pytest.mark.parametrize("name", ["bf16", "e4m3", "fixed(12,6)", "fixed(6,3)", "fp16", "real"])
def test_every_step_is_rounded_as_scalars_are(name):
    model, format = small_model(), parse(name)
    batch = TASK.sample(2, torch.Generator().manual_seed(1), queries=2, length=5)
    ours = RoundedTransformer(model, name).forward(batch.context, batch.queries)
    scalars = Scalars(model, format)
    for b in range(2):
        for q in range(2):
            expected = scalars.logits(batch.context[b].tolist(), int(batch.queries[b, q]))
            assert ours[b, q].tolist() == pytest.approx(expected, rel=1e-12 if name == "real" else 0, abs=0)


@pytest.mark.parametrize("causal", [True, False])
def test_without_rounding_it_is_the_model_itself(monkeypatch, causal):
    model = small_model(causal=causal)
    batch = TASK.sample(4, torch.Generator().manual_seed(1), queries=6)
    with torch.no_grad():
        expected = model(batch.context, batch.queries)
    for order in ("sequential", "pairwise"):
        torch.testing.assert_close(
            RoundedTransformer(model, "real", order).forward(batch.context, batch.queries), expected
        )
    monkeypatch.setattr(module, "SCORES", 50)
    torch.testing.assert_close(rounded(model, "real").forward(batch.context, batch.queries), expected)
    torch.testing.assert_close(
        rounded(model, "fp32").forward(batch.context, batch.queries), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["bf16", "fp16", "fp32"])
def test_exact_constructions_give_the_same_bits_in_pytorchs_types(name):
    built = constructions.create("index-lookup", length=50, alphabet=20, format=name)
    batch = built.task.sample(8, torch.Generator().manual_seed(0), queries=50)
    with torch.no_grad():
        native = built.model.to(TORCH[name])(batch.context, batch.queries)
    assert torch.equal(rounded(built.model.float(), name).forward(batch.context, batch.queries), native.double())


def test_vector_tasks_and_recurrent_models():
    task = tasks.create("nearest-neighbor", points=2, dimension=2)
    model = models.create("transformer", task, width=4, norm="none", mlp=4)
    batch = task.sample(3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(
            rounded(model, "fp32").forward(batch.context, batch.queries).float(),
            model(batch.context, batch.queries),
            rtol=1e-4,
            atol=1e-5,
        )
    assert isinstance(rounded(models.create("lstm", TASK, width=4), "bf16"), RoundedRecurrent)


def test_what_is_not_rounded_is_refused():
    with pytest.raises(InputError, match="expected norm='none' and activation='relu', got 'layer'"):
        rounded(small_model(norm="layer"), "bf16")
    with pytest.raises(InputError, match="expected norm='none' and activation='relu', got 'none' and 'gelu'"):
        rounded(small_model(activation="gelu"), "bf16")
    with pytest.raises(InputError, match="expected plain attention"):
        rounded(small_model(positions="rope"), "bf16")
    with pytest.raises(InputError, match="expected plain attention"):
        rounded(models.create("mamba", TASK, width=4), "bf16")
