"""A user's own function as a task."""

from __future__ import annotations

import json
import pickle

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.experiments.trial.config import TrialConfig
from separatrix.tasks import stream

FILE = '''
import math

import torch

from separatrix.tasks import Batch, Task, task

@task(alphabet=3, answers=3, queries=2)
def ends(context, query):
    """First or last token?"""
    return context[0] if query == 0 else context[-1]

@task(alphabet=2, valid=lambda context: context[0] == 1)
def starts_with_one(context, query):
    return sum(context) % 2

def plain(context, query):
    return max(context)

@task(alphabet=2)
def broken(context, query):
    return 1 // context[0]

@task(alphabet=2)
def outside(context, query):
    return 7

@task(alphabet=2)
def text(context, query):
    return "yes"

@task(alphabet=2)
def tensor(context, query):
    return torch.tensor(context).sum() % 2

@task(alphabet=2, valid=lambda context: 1 // context[0])
def never_valid(context, query):
    return 0

@task(alphabet=2, queries="positions")
def at(context, query):
    return context[query]

def three(a, b, c):
    return 0

class Last(Task):
    """The last token."""

    summary = "which token is the last?"

    @property
    def alphabet_size(self):
        return 3

    @property
    def answers(self):
        return 3

    def sample(self, batch_size, generator, queries=None, length=None):
        count, n = self.check_request(batch_size, queries, length)
        context = torch.randint(3, (batch_size, n), generator=generator)
        asked = torch.zeros(batch_size, count, dtype=torch.int64)
        return Batch(context, asked, self.answer(context, asked), asked)

    def answer(self, context, queries):
        return context[:, -1:].expand(queries.shape)

    def recurrent_bits(self):
        return math.log2(3)

    def attention_bits(self):
        return math.log2(3)

class NoTask:
    pass
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("length", [4, 40])  # by table, and by asking the function
def test_a_function_becomes_a_task(file, length):
    task = sx.tasks.create(f"{file}:ends", length=length)
    batch = task.sample(50, stream(0, "train"), queries=3)
    expected = torch.where(batch.queries == 0, batch.context[:, :1], batch.context[:, -1:])
    assert torch.equal(batch.targets, expected)
    assert (task.alphabet_size, task.query_count, task.answers) == (3, 2, 3)
    assert sx.tasks.family(f"{file}:ends").summary == "First or last token?"


def test_alphabets_may_be_parameters(file):
    task = sx.tasks.create(f"{file}:plain", length=5, alphabet=4, answer_count=4)
    assert task.sample(20, stream(0, "train")).targets.max() < 4


def test_only_valid_contexts_are_drawn(file):
    task = sx.tasks.create(f"{file}:starts_with_one", length=6)
    assert (task.sample(200, stream(0, "train")).context[:, 0] == 1).all()
    assert task.valid(torch.tensor([[1, 0], [0, 1]])).tolist() == [True, False]


def test_a_subclass_of_task_is_a_task_too(file):
    task = sx.tasks.create(f"{file}:Last", length=5)
    batch = task.sample(20, stream(0, "train"))
    assert torch.equal(batch.targets, batch.context[:, -1:])
    assert task.at_length(3).length == 3
    assert sx.tasks.family(f"{file}:Last").summary == "which token is the last?"


@pytest.mark.parametrize("member", ["ends", "Last"])
def test_a_trial_of_it_is_stored_and_read_back_while_the_file_is_the_same(file, member):
    config = TrialConfig(task={"name": f"{file}:{member}", "length": 4}, model={"name": "lstm"})
    stored = json.loads(config.model_dump_json())
    assert TrialConfig(**stored).identity() == config.identity()
    file.write_text(FILE + "\n# changed\n")
    with pytest.raises(InputError, match="source_sha256"):
        TrialConfig(**stored)
    again = TrialConfig(task={"name": f"{file}:{member}", "length": 4}, model={"name": "lstm"})
    assert again.identity() != config.identity()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", r"broken on context \[0, 0, 0\], query 0 raised ZeroDivisionError"),
        ("outside", r"on context \[0, 0, 0\], query 0 answered 7: expected an int in 0 … 1"),
        ("text", "answered 'yes': expected an int"),
        ("never_valid", r"valid raised ZeroDivisionError: .* on context \[0, \d, \d\]"),
        ("endz", "did you mean 'ends'"),
        ("three", r"must take \(context, query\)"),
        ("NoTask", "is a class, but no Task"),
    ],
)
def test_wrong_functions_are_shown_with_the_example(file, name, message):
    with pytest.raises(InputError, match=message) as caught:
        sx.tasks.create(f"{file}:{name}", length=3).sample(4, stream(0, "train"))
    assert "\n" not in str(caught.value)


def test_numbers_of_any_kind_are_answers(file):
    task = sx.tasks.create(f"{file}:tensor", length=40)
    batch = task.sample(20, stream(0, "train"))
    assert torch.equal(batch.targets[:, 0], batch.context.sum(dim=1) % 2)


@pytest.mark.parametrize("member", ["ends", "Last"])
def test_the_same_file_gives_the_same_task_also_to_the_workers_of_a_loader(file, member):
    task = sx.tasks.create(f"{file}:{member}", length=4)
    again = pickle.loads(pickle.dumps(task))
    assert again == task == sx.tasks.create(f"{file}:{member}", length=4)
    assert torch.equal(again.sample(9, stream(0, "train")).targets, task.sample(9, stream(0, "train")).targets)


def test_wrong_files(tmp_path):
    with pytest.raises(InputError, match=r"name one, as in mine.py:function"):
        sx.tasks.create("mine.py", length=3)
    with pytest.raises(InputError, match="no Python file at"):
        sx.tasks.create(f"{tmp_path}/none.py:f", length=3)
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(InputError, match=r"bad.py could not be executed: ZeroDivisionError"):
        sx.tasks.create(f"{tmp_path}/bad.py:f", length=3)


def test_queries_may_be_the_positions(file):
    task = sx.tasks.create(f"{file}:at", length=6)
    assert task.query_count == 6 and task.at_length(4).query_count == 4
    batch = task.sample(8, stream(0, "train"), queries=6, length=4)
    assert int(batch.queries.max()) < 4
    assert torch.equal(batch.targets, batch.context.gather(1, batch.queries))
    again = TrialConfig(task=task.model_dump(), model={"name": "lstm"}).task
    assert torch.equal(again.answer(batch.context, batch.queries), batch.targets)


def test_a_function_must_say_its_alphabets(file):
    with pytest.raises(InputError, match=r"plain says nothing of its alphabets: decorate the function"):
        sx.tasks.create(f"{file}:plain", length=3)
