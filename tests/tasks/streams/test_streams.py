"""Streams: oracles, worked examples, lengths, reproducibility, padding, bad input."""

from __future__ import annotations

import pytest
import torch
from tasks.streams import slow_streams

import separatrix as sx
from separatrix import InputError
from separatrix.tasks import UNLABELLED, pad, stream

SETTINGS = [
    ("mqar", {"length": 16, "pairs": 3, "vocabulary_size": 16}),
    ("mqar", {"length": 16, "pairs": 2, "vocabulary_size": 64, "random_non_queries": False}),
    ("mqar", {"length": 20, "pairs": 2, "vocabulary_size": 16, "passes": 3}),
    ("mqar", {"length": 22, "pairs": 3, "vocabulary_size": 8, "passes": 2, "updates": 2}),
    ("mqar", {"length": 12, "pairs": 2, "vocabulary_size": 6, "updates": 2, "power": 1.0}),
    *[("transduction", {"length": 12, "alphabet": 4, "rule": rule}) for rule in ("copy", "reverse", "sort")],
    ("transduction", {"length": 12, "alphabet": 4, "rule": "duplicate", "fed": "blanks"}),
    *[("state-tracking", {"length": 13, "machine": machine}) for machine in ("parity", "counter", "S3", "A5", "S5")],
    ("state-tracking", {"length": 5, "machine": "table", "table": ((0, 1), (1, 0))}),
    ("state-tracking", {"length": 5, "machine": "table", "table": ((1, 2, 0), (2, 0, 1), (0, 1, 2))}),
    ("state-tracking", {"length": 9, "machine": "automaton", "table": ((1, 0, 2), (1, 2, 2), (0, 0, 1), (3, 3, 3))}),
    ("flip-flop", {"length": 20, "ignore": 0.3}),
    ("next-bracket", {"length": 14, "kinds": 2, "depth": 3}),
    ("selective-copying", {"length": 12, "kept": 3, "alphabet": 4}),
    ("induction", {"length": 9, "alphabet": 4}),
    ("composition", {"length": 9, "values": 5, "hops": 3}),
    ("noisy-recall", {"length": 12, "keys": 3, "values": 2, "noise": 0.4}),
    ("noisy-recall", {"length": 4, "keys": 2, "values": 2, "noise": 1.0}),
    ("compositional-recall", {"length": 18, "pairs": 3, "keys": 2, "values": 4}),
    ("compositional-recall", {"length": 40, "pairs": 4, "keys": 3, "key_tokens": 3, "values": 5, "value_tokens": 2}),
    ("compositional-recall", {"length": 8, "pairs": 2, "keys": 2, "key_tokens": 1, "values": 3}),
    ("compression", {"length": 12, "alphabet": 4}),
    ("memorisation", {"length": 7, "keys": 5, "values": 3}),
    ("stack-manipulation", {"length": 30, "alphabet": 3}),
    ("stack-manipulation", {"length": 9, "alphabet": 1, "pops": 0.9}),
    ("mqar-mixture", {"length": 12, "cells": ((8, 1), (8, 2), (12, 2), (12, 3)), "vocabulary_size": 12}),
    (
        "mqar-mixture",
        {"length": 20, "cells": ((12, 2), (20, 3)), "vocabulary_size": 8, "passes": 2, "random_non_queries": False},
    ),
    ("fuzzy-recall", {"length": 40, "keys": 3, "values": 3}),
    ("fuzzy-recall", {"length": 23, "keys": 4, "key_tokens": 2, "values": 2, "value_tokens": 1, "varied": False}),
    ("fuzzy-recall", {"length": 16, "keys": 2, "key_tokens": 1, "values": 4, "value_tokens": 4}),
    *[
        ("ngram-copying", {"length": 14, "alphabet": 2, "ngram": 2, "said": 3, "asked": at})
        for at in ("after", "before")
    ],
    ("ngram-copying", {"length": 6, "alphabet": 3, "ngram": 1, "said": 1}),
    ("modular-arithmetic", {"length": 21}),
    ("modular-arithmetic", {"length": 13, "modulus": 2, "multiply": False}),
]

EXAMPLES = [  # what the docstrings say
    ("mqar", {"length": 8, "pairs": 2, "vocabulary_size": 8}, [1, 6, 3, 4, 3, 0, 1, 2], "· · · · 4 · 6 ·"),
    ("transduction", {"length": 6, "alphabet": 3}, [2, 0, 1, 3, 2, 0], "· · · 2 0 1"),
    ("state-tracking", {"length": 4, "machine": "parity"}, [1, 0, 1, 1], "1 1 0 1"),
    ("flip-flop", {"length": 10}, [2, 1, 4, 0, 3, 1, 4, 1, 3, 1], "· · · · 1 · · · 1 ·"),
    ("next-bracket", {"length": 4, "kinds": 2, "depth": 2}, [0, 1, 3, 2], "3 1 3 5"),
    ("selective-copying", {"length": 7, "kept": 2, "alphabet": 3}, [3, 2, 3, 0, 3, 4, 2], "· · · · · 2 0"),
    ("induction", {"length": 6, "alphabet": 4}, [2, 4, 3, 0, 1, 4], "· · · · · 3"),
    ("composition", {"length": 4, "values": 3, "hops": 2}, [1, 2, 0, 0], "· · · 2"),
    ("noisy-recall", {"length": 6, "keys": 2, "values": 2}, [1, 2, 4, 9, 1, 2], "· · · · 0 ·"),
    (
        *("compositional-recall", {"length": 12, "pairs": 2, "keys": 2, "values": 4}),
        *([0, 1, 5, 1, 1, 2, 1, 1, 2, 0, 1, 5], "· · · · · · · 0 · · 3 ·"),
    ),
    ("compression", {"length": 6, "alphabet": 3}, [2, 0, 1, 4, 5, 3], "· · · 0 1 2"),
    ("memorisation", {"length": 3, "keys": 4, "values": 4, "map_seed": 29}, [3, 1, 3], "0 2 0"),
    ("stack-manipulation", {"length": 5, "alphabet": 2}, [1, 0, 2, 2, 2], "1 0 1 empty empty"),
    (
        *("mqar-mixture", {"length": 8, "cells": ((6, 1), (8, 2)), "vocabulary_size": 8}),
        *([1, 6, 0, 0, 1, 0, 0, 0], "· · · · 6 · · ·"),
    ),
    (
        *("mqar-mixture", {"length": 8, "cells": ((6, 1), (8, 2)), "vocabulary_size": 8}),
        *([1, 6, 3, 4, 3, 0, 1, 0], "· · · · 4 · 6 ·"),
    ),
    (
        *("fuzzy-recall", {"length": 12, "keys": 3, "values": 3}),
        *([6, 6, 0, 4, 2, 0, 5, 3, 2, 0, 5, 3], "· · · · · · · · · 2 0 ·"),
    ),
    (
        *("fuzzy-recall", {"length": 12, "keys": 3, "values": 3}),
        *([6, 6, 0, 4, 0, 2, 5, 3, 0, 2, 5, 3], "· · · · 1 · · · 1 2 0 ·"),
    ),
    (
        *("ngram-copying", {"length": 9, "alphabet": 3, "ngram": 2, "said": 2}),
        *([0, 2, 1, 1, 0, 3, 2, 1, 1], "· · · · · · · 1 0"),
    ),
    (
        *("ngram-copying", {"length": 10, "alphabet": 3, "ngram": 2, "said": 2, "asked": "before"}),
        *([2, 1, 3, 0, 2, 1, 1, 0, 3, 1], "· · · · · · · · 1 0"),
    ),
    ("modular-arithmetic", {"length": 9}, [8, 8, 1, 6, 3, 9, 7, 4, 9], "· · · · · 3 · · 2"),
]


@pytest.mark.parametrize(("name", "fields"), SETTINGS)
def test_drawn_streams_are_valid_and_labelled_right(name, fields):
    task = sx.tasks.create(name, **fields)
    oracle = getattr(slow_streams, name.replace("-", "_"))
    for length in {task.length, task.lengths[0]}:
        drawn = task.sample(40, stream(0, "train"), length=length)
        at = task.at_length(length)
        assert drawn.inputs.shape == (40, length)
        assert at.valid(drawn.inputs).all()
        for inputs, labels in zip(drawn.inputs.tolist(), at.answer(drawn.inputs).tolist(), strict=True):
            assert labels == [UNLABELLED if said is None else said for said in oracle(at, inputs)]
            assert all(token in at.position_alphabet(place) for place, token in enumerate(inputs))
        asked = drawn.labels != UNLABELLED
        assert asked.any(dim=1).all()
        assert torch.equal(drawn.labels[asked], at.answer(drawn.inputs)[asked])
        assert 0 <= drawn.labels[asked].min() <= drawn.labels.max() < task.answers
        assert 0 <= drawn.inputs.min() <= drawn.inputs.max() < task.vocabulary
        for mask in (asked, torch.rand(asked.shape, generator=stream(0, "test")) < 0.3, torch.zeros_like(asked)):
            expected = at.answer(drawn.inputs).masked_fill(~mask, UNLABELLED)
            assert torch.equal(at.answer_where(mask, drawn.inputs), expected)
    again = task.sample(40, stream(0, "train"), length=task.lengths[0])
    first = task.sample(40, stream(0, "train"), length=task.lengths[0])
    assert torch.equal(again.inputs, first.inputs)


@pytest.mark.parametrize(("name", "fields", "inputs", "shown"), EXAMPLES)
def test_worked_examples(name, fields, inputs, shown):
    task = sx.tasks.create(name, **fields)
    assert bool(task.valid(torch.tensor([inputs])))
    assert task.show_labels(task.answer(torch.tensor([inputs]))[0]) == shown


def test_every_stream_has_an_example():
    assert {name for name, *_ in EXAMPLES} == {name for name, _ in SETTINGS} == set(sx.tasks.stream_names())


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("mqar", [1, 6, 1, 4, 3, 0, 1, 2]),  # a key twice
        ("transduction", [2, 0, 1, 1, 3, 2, 0, 0]),  # fed what it should not have said
        ("flip-flop", [2, 1, 4, 0, 4, 1, 3, 0]),  # read as what was not written
        ("next-bracket", [0, 0, 0, 2, 2, 2, 0, 2]),  # too deep
        ("selective-copying", [16, 2, 16, 16, 17, 2, 0, 0]),  # a token too few
        ("induction", [2, 16, 3, 0, 1, 3, 3, 4]),  # never asked
        ("compression", [2, 0, 1, 3, 16, 17, 17, 18]),  # a place twice
        ("noisy-recall", [1, 8, 20, 21, 2, 9, 1, 9]),  # another value than before
        ("noisy-recall", [1, 8, 20, 21, 2, 9, 3, 9]),  # a key never met
        ("noisy-recall", [1, 8, 20, 9, 2, 9, 1, 8]),  # half of a pair of noise
        ("mqar-mixture", [1, 6, 0, 0, 1, 0, 0, 2]),  # one pair, and something where there should be padding
        ("mqar-mixture", [1, 6, 1, 4, 3, 0, 1, 0]),  # a key twice, and too long for one pair
        ("fuzzy-recall", [0, 3, 4, 1, 4, 0, 4, 4]),  # another value than before
        ("fuzzy-recall", [0, 3, 4, 1, 4, 0, 3, 3]),  # a value's token twice
        ("fuzzy-recall", [0, 3, 4, 1, 4, 5, 0, 3]),  # a blank between the pairs
        ("fuzzy-recall", [0, 3, 4, 1, 4, 0, 1, 3]),  # a key never met
        ("fuzzy-recall", [5, 5, 0, 3, 4, 1, 0, 3]),  # stops within a value
        ("fuzzy-recall", [5, 5, 0, 1, 2, 3, 0, 3]),  # a key of three tokens, and one never met
        ("ngram-copying", [0, 1, 2, 3, 2, 1, 3, 1]),  # a second separator
        ("ngram-copying", [0, 1, 2, 2, 3, 2, 1, 0]),  # an n-gram that is not in the string
        ("ngram-copying", [0, 1, 2, 2, 3, 0, 1, 1]),  # fed what it should not have said
        ("ngram-copying", [0, 1, 2, 2, 3, 1, 2, 2]),  # nothing is left behind it to be said
    ],
)
def test_streams_outside_the_domain(name, inputs):
    fields = {
        "mqar": {"pairs": 2, "vocabulary_size": 8},
        "transduction": {"alphabet": 3},
        "mqar-mixture": {"cells": ((6, 1), (8, 2)), "vocabulary_size": 8},
        "fuzzy-recall": {"keys": 3, "key_tokens": 2, "values": 2, "value_tokens": 2},
        "ngram-copying": {"alphabet": 3, "ngram": 2, "said": 2},
    }.get(name, {})
    assert not bool(sx.tasks.create(name, length=8, **fields).valid(torch.tensor([inputs])))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("transduction", {"length": 7}, "must be a multiple of 2, got 7"),
        ("state-tracking", {"length": 4, "machine": "table"}, "a table goes with machine='table'"),
        ("state-tracking", {"length": 4, "machine": "automaton"}, "or 'automaton', and the other way round"),
        ("state-tracking", {"length": 4, "machine": "automaton", "table": ((0, 1), (1,))}, "for each token in every"),
        ("state-tracking", {"length": 4, "machine": "automaton", "table": ((0, 2), (1, 0))}, r"must be 0 … 1"),
        ("state-tracking", {"length": 4, "machine": "table", "table": ((0, 1), (1, 1))}, "state-tracking"),
        ("flip-flop", {"length": 5}, "must be even and at least 4, got 5"),
        ("next-bracket", {"length": 5}, "must be even"),
        ("selective-copying", {"length": 7}, "need a length of 8, got 7"),
        ("induction", {"length": 2}, "length"),
        ("composition", {"length": 8}, "need a length of 9, got 8"),
        ("noisy-recall", {"length": 2}, "must be even and at least 4, two pairs, got 2"),
        ("compositional-recall", {"length": 20, "pairs": 4}, "shown and asked, make a length of 24, got 20"),
        ("compositional-recall", {"length": 24, "pairs": 4, "keys": 1}, "make 1 keys of 2, too few for 4 pairs"),
        ("compression", {"length": 7}, "length must be even, a place for every token, got 7"),
        ("mqar", {"length": 40, "pairs": 8, "passes": 2}, "need a length of 48, got 40"),
        ("mqar-mixture", {"length": 64}, "length must be that of the longest cell, 256, got 64"),
        (
            "mqar-mixture",
            {"length": 8, "cells": ((8, 3),)},
            r"cell \[8, 3\]: 3 pairs and as many queries need a length",
        ),
        ("mqar-mixture", {"length": 8, "cells": ((8, 2), (8, 2))}, "cells must be distinct"),
        ("mqar-mixture", {"length": 8, "cells": ()}, "cells"),
        ("fuzzy-recall", {"length": 11}, "two pairs of 3 and 3 tokens need a length of 12, got 11"),
        ("fuzzy-recall", {"length": 20, "keys": 2}, "need as many to be made of, got 2 and 7"),
        ("ngram-copying", {"length": 13}, "need a length of 14, got 13"),
        ("modular-arithmetic", {"length": 7}, r"n operations take 4 n \+ 1 tokens, 5 at least, got 7"),
        ("mqar", {"length": 64, "pairs": 2, "updates": 3}, "of 2 pairs at most so many get another value, got 3"),
    ],
)
def test_sizes_that_clash_are_one_clear_line(name, fields, message):
    with pytest.raises(InputError, match=message) as caught:
        sx.tasks.create(name, **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "inputs",
    [
        [8, 8, 1, 6, 3, 9, 7, 4, 4],  # no bracket at the end
        [8, 8, 1, 6, 3, 9, 9, 4, 9],  # a bracket in place of an operation
        [8, 8, 1, 3, 6, 9, 7, 4, 9],  # an operation behind its operands
        [8, 1, 6, 3, 9, 7, 4, 5, 1],  # no bracket around it all
        [8, 8, 1, 9, 6, 8, 3, 9, 9],  # brackets around digits
    ],
)
def test_what_is_no_expression(inputs):
    task = sx.tasks.create("modular-arithmetic", length=9)
    assert bool(task.valid(torch.tensor([[8, 8, 1, 6, 3, 9, 7, 4, 9]])))
    assert not bool(task.valid(torch.tensor([inputs])))
    assert not bool(task.replace(multiply=False).valid(torch.tensor([[8, 8, 1, 6, 3, 9, 7, 4, 9]])))


def test_bad_requests():
    task = sx.tasks.create("flip-flop", length=8)
    for request, message in (({"batch_size": 0}, "batch_size"), ({"batch_size": 1, "length": 5}, "at length 5")):
        with pytest.raises(InputError, match=message):
            task.sample(generator=stream(0, "train"), **request)
    with pytest.raises(InputError, match="got none"):
        pad([])
    with pytest.raises(InputError, match="flip-flop answers on the way; this needs a task with answers after"):
        sx.tasks.base.context_task(task)


@pytest.mark.parametrize(
    "inputs",
    [
        [1, 6, 3, 4, 1, 6, 2, 4, 1, 7],  # the second pass is not the first
        [1, 6, 3, 4, 1, 6, 3, 4, 2, 7],  # an update of no key
        [1, 6, 3, 4, 1, 6, 3, 4, 1, 6],  # an update to the value it had
    ],
)
def test_passes_and_updates_outside_the_domain(inputs):
    task = sx.tasks.create("mqar", length=14, pairs=2, vocabulary_size=8, passes=2, updates=1)
    asking = [3, 0, 1, 0]
    assert bool(task.valid(torch.tensor([[1, 6, 3, 4, 1, 6, 3, 4, 1, 7, *asking]])))
    assert not bool(task.valid(torch.tensor([inputs + asking])))


def test_a_key_is_asked_for_its_latest_value():
    task = sx.tasks.create("mqar", length=32, pairs=4, vocabulary_size=64, updates=2)
    drawn = task.sample(200, stream(0, "train"))
    before, asked = drawn.inputs[:, 1:8:2], drawn.labels != UNLABELLED
    assert (asked.sum(dim=1) == 4).all()
    said = drawn.labels[asked].view(200, 4)
    kept = (said[:, :, None] == before[:, None]).any(dim=2).sum(dim=1)
    assert kept.min() >= 2 and float(kept.float().mean()) < 2.3  # the two others moved, to a shown value now and then


def test_padding_asks_nothing():
    task = sx.tasks.create("state-tracking", length=6, machine="parity")
    short, long = (task.sample(2, stream(0, "train"), length=length) for length in (3, 6))
    both = pad([short, long])
    assert torch.equal(both.inputs[:2, :3], short.inputs)
    assert torch.equal(both.inputs[2:], long.inputs)
    assert (both.labels[:2, 3:] == UNLABELLED).all()


def test_streams_are_data_sets(tmp_path):
    task = sx.tasks.create("induction", length=6)
    rows = sx.tasks.as_dataset(task, examples=10).rows(3, 5)
    assert {name: tuple(tensor.shape) for name, tensor in rows.items()} == dict.fromkeys(
        ("inputs", "labels", "groups"), (2, 6)
    )
    assert len(list(sx.tasks.as_dataset(task, examples=10))) == 10
    assert sx.tasks.write(sx.tasks.as_dataset(task, examples=10), tmp_path / "streams.npz").is_file()


@pytest.mark.parametrize(
    "inputs",
    [
        [0, 1, 5, 0, 1, 2, 0, 1, 2, 0, 1, 5],  # a key twice
        [0, 1, 5, 1, 1, 2, 1, 1, 2, 1, 0, 5],  # asked for a key that was not shown
        [0, 1, 5, 1, 1, 2, 1, 1, 2, 0, 1, 4],  # fed what it should not have said
        [0, 1, 5, 1, 1, 2, 1, 1, 2, 1, 1, 2],  # one asked twice, another never
        [0, 1, 5, 1, 5, 2, 1, 5, 2, 0, 1, 5],  # a key of a value's token
    ],
)
def test_keys_of_several_tokens_outside_the_domain(inputs):
    task = sx.tasks.create("compositional-recall", length=12, pairs=2, keys=2, values=4)
    assert not bool(task.valid(torch.tensor([inputs])))
