"""Streams as published code lays them out, one by one with NumPy: Zoology's and MAD's, written from their definitions.

Each function returns tokens and what is asked: the label of a place is the token to be said after it, -100 elsewhere.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

UNLABELLED = -100
Drawn = tuple[list[int], list[int]]


def zoology_mqar(
    draw: np.random.Generator,
    length: int,
    pairs: int,
    vocabulary: int,
    power: float = 0.01,
    passes: int = 1,
    updates: int = 0,
    random_non_queries: bool = True,
) -> Drawn:
    """Zoology's multi-query recall: in several passes ("Just read twice"), or with keys that get another value."""
    half = vocabulary // 2
    keys = draw.choice(np.arange(1, half), pairs, replace=False)
    values = draw.choice(np.arange(half, vocabulary), pairs, replace=False)
    shown = [token for pair in zip(keys, values, strict=True) for token in pair] * passes
    latest = values.copy()
    for index in draw.choice(pairs, updates, replace=False):
        latest[index] = draw.choice([value for value in range(half, vocabulary) if value != values[index]])
        shown += [keys[index], latest[index]]
    room = (length - len(shown)) // 2
    weights = power * np.arange(1, room + 1) ** (power - 1)
    gaps = draw.choice(room, pairs, replace=False, p=weights / weights.sum())
    rest = np.zeros(length - len(shown), dtype=int)
    labels = np.full(length, UNLABELLED)
    rest[2 * gaps] = keys
    labels[len(shown) + 2 * gaps] = latest
    if random_non_queries:
        rest = np.where(rest == 0, draw.integers(vocabulary, size=len(rest)), rest)
    return [int(token) for token in [*shown, *rest]], labels.tolist()


def _next_said(tokens: list[int], said: list[int]) -> Drawn:
    """What is to be said at each token, as what is asked after the one before it."""
    return [int(token) for token in tokens], [int(label) for label in [*said[1:], UNLABELLED]]


def mad_recall(draw: np.random.Generator, length: int, kinds: int, noise_tokens: int, noise: float) -> Drawn:
    """MAD's (noisy) in-context recall of many queries: as many keys as values, and tokens of noise after them."""
    book: dict[int, int] = {}
    tokens, said = [], []
    sure = draw.integers(length // 2)
    for i in range(length // 2 - 1):
        if i != sure and draw.random() < noise:
            tokens += draw.integers(2 * kinds, 2 * kinds + noise_tokens, size=2).tolist()
            said += [UNLABELLED] * 2
            continue
        key = int(draw.integers(kinds))
        said += [UNLABELLED, book.get(key, UNLABELLED)]
        tokens += [key, book.setdefault(key, int(draw.integers(kinds, 2 * kinds)))]
    key = int(draw.choice(list(book) or [0]))
    return _next_said([*tokens, key, book.get(key, kinds)], [*said, UNLABELLED, book.get(key, kinds)])


def mad_fuzzy_recall(
    draw: np.random.Generator, length: int, keys: int, values: int, key_tokens: int, value_tokens: int
) -> Drawn:
    """MAD's fuzzy in-context recall of many queries, as it is trained: motifs of all sizes, blanks on the left.

    Streams that would ask at the end for what they have not shown are drawn again.
    """

    def motif(first: int, count: int, size: int) -> tuple[int, ...]:
        choices = list(permutations(range(first, first + count), size))
        return choices[draw.integers(len(choices))]

    def key_size() -> int:
        return int(draw.integers(1, key_tokens + 1))

    def value_size() -> int:
        return int(draw.integers(1, value_tokens + 1))

    probe, its = motif(0, keys, key_size()), motif(keys, values, value_size())
    size = len(probe) + len(its)
    at, book = draw.integers(length - 2 * size), {}
    tokens: list[int] = []
    said: list[int] = []

    def shown(key: tuple[int, ...], value: tuple[int, ...]) -> None:
        said.extend([UNLABELLED] * len(key) + (list(value) if key in book else [UNLABELLED] * len(value)))
        tokens.extend([*key, *book.setdefault(key, value)])

    while len(tokens) < length - size - (key_tokens + value_tokens):
        if len(tokens) >= at and probe not in book:
            shown(probe, its)
            continue
        key = motif(0, keys, key_size())
        shown(key, its if key == probe else book.get(key) or motif(keys, values, value_size()))
    if probe not in book:
        return mad_fuzzy_recall(draw, length, keys, values, key_tokens, value_tokens)
    shown(probe, its)
    blanks = max(0, length - len(tokens))
    return _next_said([keys + values] * blanks + tokens, [UNLABELLED] * blanks + said)
