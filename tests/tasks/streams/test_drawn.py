"""Streams: what is drawn has the distribution that it should, by chi-square."""

from __future__ import annotations

import math
from itertools import permutations

import chi_square
import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.trainer import Trainer
from separatrix.tasks import UNLABELLED, stream
from separatrix.tasks.streams.motifs import motifs
from separatrix.tasks.streams.steps import states, states_by_halves


def test_keys_of_several_tokens_are_drawn_alike():
    task = sx.tasks.create("compositional-recall", length=12, pairs=2, keys=2, values=2)
    drawn = task.sample(12_000, stream(0, "train")).inputs
    first, second = drawn[:, 0] * 2 + drawn[:, 1], drawn[:, 3] * 2 + drawn[:, 4]
    counts = torch.bincount(first * 4 + second, minlength=16).view(4, 4)
    assert (counts.diagonal() == 0).all()
    off = counts[~torch.eye(4, dtype=torch.bool)].double()
    assert float(((off - 1000) ** 2 / 1000).sum()) < 31.3  # chi-square, 11 degrees of freedom, 0.1 %
    assert 5700 < int((drawn[:, 6:8] == drawn[:, 0:2]).all(dim=1).sum()) < 6300  # asked in either order


def test_a_mixture_draws_its_cells_alike_and_trains_on_the_shorter_ones():
    cells = ((8, 1), (8, 2), (12, 3))
    task = sx.tasks.create("mqar-mixture", length=12, cells=cells, vocabulary_size=64)
    drawn = task.sample(6000, stream(0, "train"))
    assert chi_square.uniform(drawn.groups[:, 0].tolist(), 3)
    asked = (drawn.labels != UNLABELLED).sum(dim=1)
    assert torch.equal(asked, torch.tensor([pairs for _, pairs in cells])[drawn.groups[:, 0]])
    assert task.groups == ("8 tokens, 1 pair", "8 tokens, 2 pairs", "12 tokens, 3 pairs")
    assert (drawn.inputs[drawn.groups[:, 0] < 2, 8:] == 0).all()
    assert task.at_length(8).cells == cells[:2]
    with pytest.raises(InputError, match=r"expected a length of its cells, \[8, 12\], got 10"):
        task.at_length(10)


def test_a_mixture_is_the_published_layout_in_each_cell():
    task = sx.tasks.create("mqar-mixture", length=12, cells=((12, 2),), vocabulary_size=16)
    alone = sx.tasks.create("mqar", length=12, pairs=2, vocabulary_size=16)
    mixed, own = (each.sample(4000, stream(0, "train", i)) for i, each in enumerate((task, alone)))
    for left, right in zip(mixed.inputs.T, own.inputs.T, strict=True):
        both = torch.stack([torch.bincount(side, minlength=16) for side in (left, right)])
        assert chi_square.alike(both[:, both.sum(dim=0) > 0].tolist())


def test_motifs_are_uniform_in_size_and_tokens():
    drawn = motifs(4, 3, (3000, 4), True, stream(0, "train"))
    tokens, sizes = torch.stack(drawn.tokens, dim=2).flatten(0, 1), drawn.sizes.flatten()
    said = [tuple(motif[:size]) for motif, size in zip(tokens.tolist(), sizes.tolist(), strict=True)]
    assert chi_square.distributed(
        said, {motif: 1 / 3 / math.perm(4, n) for n in (1, 2, 3) for motif in permutations(range(4), n)}
    )


def test_fuzzy_recall_fills_its_streams_and_asks_whatever_it_repeats():
    task = sx.tasks.create("fuzzy-recall", length=128)
    drawn = task.sample(2000, stream(0, "train"))
    blanks = (drawn.inputs == 14).sum(dim=1)
    assert blanks.max() < 12 and (drawn.inputs[:, 0] != 14).any()
    last = drawn.labels[:, -4:] != UNLABELLED
    assert last.any(dim=1).all() and (drawn.labels[:, -1] == UNLABELLED).all()


def test_expressions_are_uniform():
    task = sx.tasks.create("modular-arithmetic", length=13, modulus=2, multiply=False)
    drawn = task.sample(20_000, stream(0, "train")).inputs
    shapes = drawn.masked_fill(drawn < 2, 0).masked_fill((drawn == 2) | (drawn == 3), 2)
    assert chi_square.uniform(map(tuple, shapes.tolist()), 5)  # the Catalan number of 3 operations
    assert chi_square.uniform(map(tuple, drawn.tolist()), 5 * 2**4 * 2**3)


@pytest.mark.parametrize("length", [1, 2, 7, 16])
def test_states_are_the_same_by_halves(length):
    table = torch.tensor([[1, 0, 2], [1, 2, 2], [0, 0, 1], [3, 3, 3]])
    tokens = torch.randint(3, (20, length), generator=stream(0, "train"))
    for start in range(4):
        assert torch.equal(states(tokens, table, start), states_by_halves(tokens, table, start))


def test_an_ngram_is_asked_at_a_uniform_place():
    task = sx.tasks.create("ngram-copying", length=24, alphabet=10_000, ngram=2, said=3)
    drawn = task.sample(6000, stream(0, "train")).inputs
    place = (drawn[:, :19] == drawn[:, 20:21]).to(torch.uint8).argmax(dim=1)
    assert chi_square.uniform(place.tolist(), 15)


@pytest.mark.parametrize(
    ("task", "trained", "tested"),
    [
        ({"name": "mqar-mixture", "length": 12, "cells": ((8, 1), (8, 2), (12, 3)), "vocabulary_size": 8}, 8, 3),
        ({"name": "transduction", "length": 12, "alphabet": 4}, 6, 1),
        ({"name": "ngram-copying", "length": 16, "alphabet": 4}, 14, 1),
    ],
)
def test_streams_are_trained_shorter_than_tested(task, trained, tested):
    training = {"steps": 2, "batch_size": 4, "warmup": 1, "validation_contexts": 4, "longest": trained}
    trainer = Trainer(TrialConfig(task=task, model={"name": "gru", "width": 4}, training=training))
    trainer.train_to(2)
    assert trainer.progress.tokens == 2 * 4 * trained
    assert len(trainer.test().accuracy_by_group) == tested
