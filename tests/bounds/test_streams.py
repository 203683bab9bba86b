"""Closed forms of streams against enumeration: every prefix, every attention cut of small tasks."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

import separatrix as sx
from separatrix.bounds.stream_table import StreamTable

EXACT = [
    ("mqar", {"length": 4, "pairs": 1, "vocabulary_size": 6}),
    ("transduction", {"length": 6, "alphabet": 3}),
    ("transduction", {"length": 6, "alphabet": 3, "rule": "reverse"}),
    ("transduction", {"length": 6, "alphabet": 3, "rule": "sort"}),
    ("transduction", {"length": 6, "alphabet": 3, "rule": "duplicate", "fed": "blanks"}),
    ("state-tracking", {"length": 5, "machine": "parity"}),
    ("state-tracking", {"length": 3, "machine": "counter", "modulus": 5}),
    ("state-tracking", {"length": 7, "machine": "counter", "modulus": 5}),
    ("state-tracking", {"length": 4, "machine": "S3"}),
    ("flip-flop", {"length": 4}),
    ("flip-flop", {"length": 8}),
    ("next-bracket", {"length": 2, "kinds": 2, "depth": 2}),
    ("next-bracket", {"length": 6, "kinds": 2, "depth": 2}),
    ("next-bracket", {"length": 8, "kinds": 2, "depth": 3}),
    ("selective-copying", {"length": 6, "kept": 2, "alphabet": 2}),
    ("selective-copying", {"length": 8, "kept": 3, "alphabet": 2}),
    ("selective-copying", {"length": 4, "kept": 2, "alphabet": 3}),
    ("induction", {"length": 3, "alphabet": 3}),
    ("induction", {"length": 5, "alphabet": 2}),
    ("induction", {"length": 6, "alphabet": 3}),
    ("composition", {"length": 4, "values": 3, "hops": 1}),
    ("compression", {"length": 6, "alphabet": 3}),
    ("memorisation", {"length": 3, "keys": 3, "values": 3}),
    *[("stack-manipulation", {"length": length, "alphabet": 2}) for length in (1, 2, 3, 5, 6)],
    ("stack-manipulation", {"length": 3, "alphabet": 3}),
    ("stack-manipulation", {"length": 5, "alphabet": 1}),
    *[("modular-arithmetic", {"length": 5, "modulus": modulus}) for modulus in (2, 3, 5)],
    *[("modular-arithmetic", {"length": 5, "modulus": modulus, "multiply": False}) for modulus in (2, 4)],
]
LOWER = [
    ("compositional-recall", {"length": 6, "pairs": 1, "keys": 2, "values": 2}),
    ("compositional-recall", {"length": 8, "pairs": 2, "keys": 2, "key_tokens": 1, "values": 2}),
    ("compositional-recall", {"length": 6, "pairs": 1, "keys": 2, "key_tokens": 1, "values": 3, "value_tokens": 2}),
    ("noisy-recall", {"length": 6, "keys": 2, "values": 2, "noise_tokens": 1}),
    ("noisy-recall", {"length": 6, "keys": 1, "values": 3, "noise_tokens": 1}),
    ("mqar", {"length": 6, "pairs": 1, "vocabulary_size": 6, "updates": 1}),
    ("mqar", {"length": 6, "pairs": 1, "vocabulary_size": 4, "passes": 2}),
    ("composition", {"length": 4, "values": 3, "hops": 2}),
    ("composition", {"length": 4, "values": 3, "hops": 3}),
    ("composition", {"length": 5, "values": 4, "hops": 2}),
    ("composition", {"length": 5, "values": 4, "hops": 3}),
    ("composition", {"length": 3, "values": 2, "hops": 3}),
    ("mqar-mixture", {"length": 6, "cells": ((4, 1), (6, 1)), "vocabulary_size": 6}),
    ("fuzzy-recall", {"length": 6, "keys": 2, "key_tokens": 1, "values": 2, "value_tokens": 1}),
    ("fuzzy-recall", {"length": 6, "keys": 1, "key_tokens": 1, "values": 3, "value_tokens": 2}),
    ("fuzzy-recall", {"length": 6, "keys": 2, "key_tokens": 2, "values": 2, "value_tokens": 1, "varied": False}),
    *[
        ("ngram-copying", {"length": 7, "alphabet": 3, "ngram": 1, "said": 1, "asked": asked})
        for asked in ("after", "before")
    ],
    ("ngram-copying", {"length": 8, "alphabet": 2, "ngram": 2, "said": 1}),
    ("ngram-copying", {"length": 9, "alphabet": 2, "ngram": 2, "said": 2}),
]
LARGER = [("modular-arithmetic", {"length": 9, "modulus": 2})]
"""Whose attention cuts are too many."""


def most_rows(table: StreamTable) -> float:
    return math.log2(max(table.prefix_rows(prefix).count for prefix in range(table.task.length + 1)))


@pytest.mark.parametrize(("name", "fields"), EXACT)
def test_recurrent_bits_equal_enumeration(name, fields):
    task = sx.tasks.create(name, **fields)
    assert most_rows(StreamTable(task)) == pytest.approx(task.recurrent_bits(), abs=1e-9)


@pytest.mark.parametrize(("name", "fields"), LOWER + LARGER)
def test_lower_bounds_are_never_above_enumeration(name, fields):
    task = sx.tasks.create(name, **fields)
    assert task.recurrent_bits() <= most_rows(StreamTable(task)) + 1e-9


@pytest.mark.parametrize(("name", "fields"), EXACT + LOWER)
def test_attention_bits_are_never_above_the_best_cut(name, fields):
    task = sx.tasks.create(name, **fields)
    table = StreamTable(task)
    cuts = [
        (held, place)
        for place in range(task.length)
        for r in range(place + 1)
        for held in combinations(range(place), r)
    ]
    best = max(table.place_rows(held, place).count for held, place in cuts)
    assert task.attention_bits() <= math.log2(best) + 1e-9


def test_bad_requests():
    with pytest.raises(sx.InputError, match="astronomically many labels"):
        StreamTable(sx.tasks.create("mqar", length=128))
    with pytest.raises(sx.InputError, match="held must be places before 2"):
        StreamTable(sx.tasks.create("flip-flop", length=4)).place_rows([2], 2)
