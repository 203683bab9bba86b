"""A stream read in one pass is what prefill and decode say at every place, and no padding changes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import separatrix as sx
from separatrix import models
from separatrix.tasks import UNLABELLED, pad, stream

TASK = sx.tasks.create("state-tracking", length=9)
OWN = """
import torch
from torch import nn

class Mean(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
    def forward(self, x):
        return self.linear(x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None])
"""


def same_at_every_place(name: str, **options) -> None:
    torch.manual_seed(0)
    model = models.create(name, TASK, width=16, **options).eval()
    drawn = TASK.sample(3, stream(0, "train"))
    with torch.no_grad():
        read = model.read(drawn.inputs)
        assert read.shape == (3, TASK.length, TASK.answers)
        for t in range(1, TASK.length):
            state = model.prefill(drawn.inputs[:, :t])
            said = model.decode(state, drawn.inputs[:, t : t + 1], start=t)
            torch.testing.assert_close(said[:, 0], read[:, t], rtol=1e-4, atol=1e-5)
        where = torch.rand(read.shape[:2], generator=stream(0, "test")) < 0.5
        torch.testing.assert_close(model.read(drawn.inputs, where), read[where], rtol=1e-5, atol=1e-6)
        both = pad([TASK.sample(3, stream(1, "train"), length=5), drawn])
        alone = model.read(both.inputs[:3, :5])
        torch.testing.assert_close(model.read(both.inputs)[:3, :5], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", models.names())
def test_every_architecture(name):
    same_at_every_place(name, layers=2)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rope", "alibi", "none"])
def test_every_kind_of_position(positions):
    same_at_every_place("transformer", layers=2, positions=positions)


def test_a_module_of_ones_own(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN)
    same_at_every_place(f"{file}:Mean", layers=2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["gpt2", "mamba"])
def test_huggingface(name):
    pytest.importorskip("transformers")
    same_at_every_place(f"hf:{name}")


def test_a_batch_asks_only_where_it_is_labelled():
    task = sx.tasks.create("mqar", length=16, pairs=2, vocabulary_size=32)
    drawn = task.sample(4, stream(0, "train"))
    asked = drawn.ask(models.create("gru", task, width=8))
    assert asked.logits.shape == (8, 32)
    assert torch.equal(asked.targets, drawn.labels[drawn.labels != UNLABELLED])


def test_what_follows_the_last_mixer_is_computed_where_it_is_asked():
    task = sx.tasks.create("mqar", length=16, pairs=2, vocabulary_size=32)
    model = models.create("gru", task, width=8, layers=2, mlp=None)
    seen: list[torch.Size] = []
    for part in (model.blocks[0].mlp, model.blocks[1].mlp, model.head):
        part.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    task.sample(4, stream(0, "train")).ask(model)
    assert seen == [(4, 16, 8), (8, 8), (8, 8)]


def test_labels_places_and_tokens_that_do_not_fit_are_one_line():
    task = sx.tasks.create("mqar", length=16, pairs=2, vocabulary_size=32)
    model, drawn = models.create("gru", task, width=8), task.sample(4, stream(0, "train"))
    for label in (32, -1):
        with pytest.raises(sx.InputError, match=f"answers of the model, 0 to 31, or -100 .*, got {label} to {label}"):
            replace(drawn, labels=torch.full_like(drawn.labels, label)).ask(model)
    nothing = replace(drawn, labels=torch.full_like(drawn.labels, UNLABELLED)).ask(model)
    assert nothing.logits.shape == (0, 32)
    with pytest.raises(sx.InputError, match=r"where must be booleans of shape \(4, 16\), got torch.bool of shape"):
        model.read(drawn.inputs, drawn.labels[:, 1:] > 0)
    with pytest.raises(sx.InputError, match="tokens must be those of the vocabulary, 0 to 31, got 99 to 99"):
        model.read(torch.full((1, 3), 99))
    object.__setattr__(drawn, "labels", drawn.labels[:, :5])  # as without the tests' look at shapes
    with pytest.raises(sx.InputError, match=r"shape of the inputs, \(4, 16\), got \(4, 5\)"):
        drawn.ask(model)


def test_models_that_look_ahead_are_refused():
    model = models.create("transformer", TASK, width=16, causal=False)
    with pytest.raises(sx.InputError, match="a stream is read causally"):
        model.read(TASK.sample(1, stream(0, "train")).inputs)
