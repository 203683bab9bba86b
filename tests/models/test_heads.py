"""Heads: tied to the embedding, and computed where a stream is labelled alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import separatrix as sx
from separatrix.ops.cross_entropy import cross_entropy
from separatrix.tasks import stream

RECALL = {"length": 16, "pairs": 2, "vocabulary_size": 32}


def tied(**options):
    return sx.models.create("gru", sx.tasks.create("mqar", **RECALL), width=8, tied=True, **options)


def test_a_tied_head_is_the_embedding():
    model, drawn = tied(norm="none"), sx.tasks.create("mqar", **RECALL).sample(3, stream(0, "train"))
    untied = sx.models.create("gru", model.task, width=8, norm="none")
    untied.load_state_dict(model.state_dict() | {"head.weight": model.embed.weight.detach()})
    torch.testing.assert_close(model.read(drawn.inputs), untied.read(drawn.inputs))
    assert "head.weight" not in model.state_dict()
    assert sx.models.parameter_count(untied) - sx.models.parameter_count(model) == 32 * 8
    drawn.ask(model).logits[:, 5].sum().backward()
    assert model.embed.weight.grad[5].abs().sum() > 0


def test_a_tied_model_is_saved_copied_and_moved(tmp_path):
    model, drawn = tied(), sx.tasks.create("mqar", **RECALL).sample(3, stream(0, "train"))
    said = model.read(drawn.inputs)
    for other in (sx.models.load(sx.models.save(model, tmp_path / "tied.safetensors")), copy.deepcopy(model)):
        assert torch.equal(other.read(drawn.inputs), said)
        assert other.head.weight is other.embed.weight
    assert model.double().head.weight.dtype == torch.float64


def test_configurations_without_a_tied_head_are_what_they_were():
    assert "tied" not in sx.models.configure("gru").model_dump()
    assert sx.models.configure("gru", tied=True).model_dump()["tied"] is True


def test_answers_that_are_no_tokens_have_a_head_of_their_own():
    with pytest.raises(sx.InputError, match="tied: the answers of induction are not its tokens"):
        sx.models.create("gru", sx.tasks.create("induction"), tied=True)


def test_transformers_models_have_a_head_of_their_own():
    pytest.importorskip("transformers")
    with pytest.raises(sx.InputError, match="hf:gpt2 has a head of its own"):
        sx.models.create("hf:gpt2", sx.tasks.create("mqar", **RECALL), width=8, tied=True)


class Largest(TorchDispatchMode):
    """The most numbers in one result of any operation, forward and backward."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        found = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.numbers = max(self.numbers, *found, 0)
        return result


@pytest.mark.parametrize("model", ["gru", "transformer"])
def test_memory_is_in_proportion_to_the_labels(model):
    """No tensor of a training step has more numbers than the labels' logits, or than the weights."""
    task = sx.tasks.create("mqar", length=128, pairs=16, vocabulary_size=2048)
    drawn = task.sample(8, stream(0, "train"))
    made = sx.models.create(model, task, width=8)
    with Largest() as seen:
        asked = drawn.ask(made)
        cross_entropy(asked.logits, asked.targets).backward()
    assert asked.logits.shape == (8 * 16, 2048)
    assert seen.numbers == asked.logits.numel()  # of every place they would be eight times as many
