"""A user's own streams: labelled by a function of the tokens, made in batches, or a class."""

from __future__ import annotations

import pickle
import re

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.trainer import Trainer
from separatrix.tasks import UNLABELLED, stream

FILE = '''
import numpy as np
import torch

from separatrix.tasks import StreamTask, stream_task

@stream_task(vocabulary=5)
def largest(tokens):
    """the largest token so far"""
    return [max(tokens[: t + 1]) if t else None for t in range(len(tokens))]

@stream_task(vocabulary=4, answers=2)
def made(count, length, seed):
    inputs = np.random.default_rng(seed).integers(4, size=(count, length))
    labels = inputs % 2
    labels[:, 0] = -100
    return inputs, labels

def padded(labelled, left):
    def batch(count, length, seed):
        inputs = np.full((count, length), 1 + seed % 2)
        inputs[:, : 2 if left else 0] = 0
        inputs[:, length if left else 2 :] = 0
        return inputs, np.where(inputs > 0, inputs, 1 if labelled else -100)
    return stream_task(vocabulary=4, padding=0)(batch)

on_the_right, on_the_left, labelled_padding = padded(False, False), padded(False, True), padded(True, False)

class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 400

    def __getitem__(self, i):
        inputs = torch.tensor([i % 200 * 31 // 7**j % 7 for j in range(6)])
        return inputs, (inputs + 1) % 7

@stream_task(vocabulary=7)
def stored():
    """a data set of one's own"""
    return Numbers()

@stream_task(vocabulary=7)
def loaded():
    return torch.utils.data.DataLoader(Numbers(), batch_size=64)

@stream_task(vocabulary=7)
def in_arrays():
    return [(np.array([1, 2]), [2, 3])] * 3

@stream_task(vocabulary=7)
def of_two_lengths():
    return [([1, 2], [2, 3]), ([1], [2])]

@stream_task(vocabulary=7)
def empty():
    return []

@stream_task(vocabulary=7)
def no_pairs():
    return [1, 2]

class Doubled(StreamTask):
    """Twice the token before, modulo S."""

    summary = "twice the token before"
    alphabet: int = 3

    @property
    def alphabet_size(self):
        return self.alphabet

    @property
    def answers(self):
        return self.alphabet

    def draw(self, batch_size, generator, length):
        return torch.randint(self.alphabet, (batch_size, length), generator=generator), None

    def answer(self, inputs):
        return torch.cat([torch.full_like(inputs[:, :1], -100), 2 * inputs[:, :-1] % self.alphabet], dim=1)

@stream_task(vocabulary=2)
def raises(tokens):
    return 1 / 0

@stream_task(vocabulary=2)
def too_few(tokens):
    return [0]

@stream_task(vocabulary=2)
def outside(tokens):
    return [2] * len(tokens)

@stream_task(vocabulary=2)
def ahead(tokens):
    return [tokens[-1]] * len(tokens)

@stream_task(vocabulary=2)
def two(a, b):
    return a

@stream_task(vocabulary=4)
def narrow(count, length, seed):
    return torch.zeros(count, length - 1, dtype=torch.int64), torch.zeros(count, length, dtype=torch.int64)

@stream_task(vocabulary=4)
def floats(count, length, seed):
    return torch.zeros(count, length), torch.zeros(count, length, dtype=torch.int64)

made_so_far = []

@stream_task(vocabulary=4)
def wider_later(count, length, seed):
    made_so_far.append(seed)
    return [torch.zeros(count, length + (len(made_so_far) > 1), dtype=torch.int64)] * 2

@stream_task(vocabulary=4)
def floats_later(count, length, seed):
    made_so_far.append(seed)
    tokens = torch.zeros(count, length, dtype=torch.int64 if len(made_so_far) == 1 else torch.float64)
    return tokens, tokens.long()

@stream_task(vocabulary=4)
def silent(count, length, seed):
    return torch.zeros(count, length, dtype=torch.int64), torch.full((count, length), -100)

@stream_task(vocabulary=4, answers=2)
def high(count, length, seed):
    return torch.zeros(count, length, dtype=torch.int64), torch.full((count, length), 3)

@stream_task(vocabulary=4)
def alone(count, length, seed):
    return torch.zeros(count, length, dtype=torch.int64)
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_a_function_of_the_tokens_labels_them(file):
    task = sx.tasks.create(f"{file}:largest", length=6)
    drawn = task.sample(20, stream(0, "train"))
    assert torch.equal(drawn.labels[:, 1:], drawn.inputs.cummax(dim=1).values[:, 1:])
    assert (drawn.labels[:, 0] == UNLABELLED).all()
    assert (task.vocabulary, task.answers, type(task).summary) == (5, 5, "the largest token so far")
    assert task.recurrent_bits() is None  # unknown, and never 0
    assert [rows.count for rows in sx.bounds.memory_profile(task.at_length(3))] == [1, 5, 5, 1]


def test_batches_of_ones_own_making(file):
    task = sx.tasks.create(f"{file}:made", length=6)
    first, second = (task.sample(8, stream(0, "train", index)) for index in (0, 1))
    again = task.sample(8, stream(0, "train", 0))
    assert torch.equal(first.inputs, again.inputs) and not torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.labels[:, 1:], first.inputs[:, 1:] % 2)
    with pytest.raises(InputError, match="makes whole batches and has no oracle"):
        task.answer(first.inputs)


def test_a_class_of_ones_own(file):
    task = sx.tasks.create(f"{file}:Doubled", length=6, alphabet=5)
    drawn = task.sample(8, stream(0, "train"))
    assert torch.equal(drawn.labels[:, 1:], 2 * drawn.inputs[:, :-1] % 5)


@pytest.mark.parametrize("member", ["largest", "made", "Doubled"])
def test_they_are_trained_and_pickled_like_any_other(file, member):
    training = {"steps": 2, "batch_size": 4, "warmup": 1, "validation_contexts": 4}
    config = TrialConfig(
        task={"name": f"{file}:{member}", "length": 4}, model={"name": "gru", "width": 4}, training=training
    )
    trainer = Trainer(config)
    trainer.train_to(2)
    assert trainer.progress.tokens == 32
    assert pickle.loads(pickle.dumps(config.task)) == config.task
    assert TrialConfig(**config.model_dump(mode="json")).identity() == config.identity()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("raises", r"raises on tokens \[[01], [01], [01]\] raised ZeroDivisionError"),
        ("too_few", r"expected 3 labels, got \[0\]"),
        ("outside", "expected labels from 0 to 1, or None, got 2"),
        ("two", r"must take \(tokens\), or \(count, length, seed\), or nothing for a data set, got \(a, b\)"),
        ("narrow", r"expected inputs as integers of shape \(4, 3\), got int64 of shape \(4, 2\)"),
        ("floats", r"expected inputs as integers of shape \(4, 3\), got float32 of shape \(4, 3\)"),
        ("silent", "a batch asks nothing: all of its labels are -100"),
        ("high", "expected labels from 0 to 1, got 3 to 3"),
        ("alone", r"expected a batch \(inputs, labels\), got Tensor"),
    ],
)
def test_wrong_functions_are_one_clear_line(file, member, message):
    with pytest.raises(InputError, match=message) as caught:
        sx.tasks.create(f"{file}:{member}", length=3).sample(4, stream(0, "train"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("member", "came"), [("wider_later", "int64 of shape (4, 4)"), ("floats_later", "float64")])
def test_batches_that_change_while_training_are_one_clear_line(file, member, came):
    task = sx.tasks.create(f"{file}:{member}", length=3)
    task.sample(4, stream(0, "train"))
    with pytest.raises(InputError, match=re.escape(f"integers of shape (4, 3), got {came}")) as caught:
        task.sample(4, stream(0, "train", 1))
    assert "\n" not in str(caught.value)


def test_labels_that_look_ahead_are_found_by_enumeration(file):
    with pytest.raises(InputError, match="the label at place 0 depends on a later token"):
        sx.bounds.memory_profile(sx.tasks.create(f"{file}:ahead", length=3))


def test_padding_stands_on_the_right_and_asks_nothing(file):
    drawn = sx.tasks.create(f"{file}:on_the_right", length=5).sample(3, stream(0, "train"))
    assert (drawn.labels[:, 2:] == UNLABELLED).all() and (drawn.labels[:, :2] > 0).all()
    for member, message in (
        (
            "on_the_left",
            r"padding \(token 0\) stands at place 1 of stream 0 with tokens after it: put padding on the right",
        ),
        ("labelled_padding", r"padding \(token 0\) is labelled: expected -100 there"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            sx.tasks.create(f"{file}:{member}", length=5).sample(3, stream(0, "train"))
        assert "\n" not in str(caught.value)


# data sets -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("member", ["stored", "loaded"])
def test_a_data_set_is_a_stream_as_it_is(file, member):
    task = sx.tasks.create(f"{file}:{member}", length=6)
    drawn = {split: task.sample(2000, stream(0, split)) for split in ("train", "validation", "test")}
    seen = {split: {tuple(row) for row in batch.inputs.tolist()} for split, batch in drawn.items()}
    assert all(torch.equal(batch.labels, (batch.inputs + 1) % 7) for batch in drawn.values())
    assert not (seen["train"] & seen["test"] or seen["train"] & seen["validation"] or seen["test"] & seen["validation"])
    assert len(set().union(*seen.values())) == len({tuple(task.rows.inputs[i].tolist()) for i in range(400)})
    assert len(seen["train"]) > 3 * len(seen["test"]) > 0
    assert torch.equal(task.sample(5, stream(1, "train")).inputs, task.sample(5, stream(1, "train")).inputs)


def test_a_data_set_is_trained_on_like_any_other_stream(file):
    training = {"steps": 4, "warmup": 1, "validation_contexts": 8, "test_contexts": 8, "batch_size": 4}
    trainer = Trainer(
        TrialConfig(task={"name": f"{file}:stored", "length": 6}, model={"name": "gru"}, training=training)
    )
    trainer.train_to(4)
    assert trainer.test().answers == 8 * 6


@pytest.mark.parametrize(
    ("member", "length", "message"),
    [
        ("stored", 5, r"expected inputs as integers of shape \(2, 5\), got int64 of shape \(2, 6\)"),
        ("in_arrays", 2, "none of its 3 examples falls to (test|train)"),
        ("of_two_lengths", 2, r"expected examples of one length, got \[\(1,\), \(2,\)\]"),
        ("empty", 2, "its data set is empty"),
        ("no_pairs", 2, r"expected \(inputs, labels\) of its data set, got int"),
    ],
)
def test_data_sets_that_are_none_are_one_clear_line(file, member, length, message):
    with pytest.raises(InputError, match=message) as caught:
        for split in ("test", "train"):
            sx.tasks.create(f"{file}:{member}", length=length).sample(2, stream(0, split))
    assert "\n" not in str(caught.value)


def test_a_data_set_wants_to_know_the_split(file):
    with pytest.raises(InputError, match="has parts: draw with sx.tasks.stream"):
        sx.tasks.create(f"{file}:stored", length=6).sample(2, torch.Generator().manual_seed(0))
