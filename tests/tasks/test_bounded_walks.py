"""Bounded walks: exactly uniform, also where ties between digits and chances are the rule."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
import torch
from scipy import stats

from separatrix import tasks
from separatrix.errors import InputError
from separatrix.tasks import stream
from separatrix.tasks.bounded_walks import MOST, sample_walks
from separatrix.tasks.brackets import balanced, pairs


def heights(walk: tuple[bool, ...]) -> list[int]:
    found = [0]
    for up in walk:
        found.append(found[-1] + (1 if up else -1))
    return found


def all_walks(steps: int, top: int, deep: bool) -> set[tuple[bool, ...]]:
    listed = set()
    for walk in product([False, True], repeat=steps):
        h = heights(walk)
        if min(h) >= 0 and h[-1] == 0 and (max(h) == top + 1 if deep else max(h) <= top):
            listed.add(walk)
    return listed


@pytest.mark.parametrize("bits", [1, 2, 62])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("steps", "top"), [(8, 1), (8, 2), (10, 3), (10, 4)])
def test_every_walk_is_equally_likely(steps, top, deep, bits):
    walks = all_walks(steps, top, deep)
    drawn = sample_walks(steps, top, torch.full((6000,), deep), stream(0, "train"), longest=12, bits=bits)
    counts = Counter(map(tuple, drawn.tolist()))
    assert set(counts) <= walks
    assert stats.chisquare([counts[walk] for walk in walks]).pvalue > 1e-6 if len(walks) > 1 else True


def test_walks_of_both_kinds_in_one_batch():
    deep = torch.arange(200) % 2 == 1
    drawn = sample_walks(40, 3, deep, stream(0, "train"))
    greatest = torch.tensor([max(heights(tuple(walk))) for walk in drawn.tolist()])
    assert (greatest[~deep] <= 3).all()
    assert (greatest[deep] == 4).all()
    assert balanced(drawn, 4).all()


def test_long_walks_and_depths_beyond_half_the_length():
    for steps, top in [(2000, 3), (300, 150), (300, 10**9)]:
        drawn = sample_walks(steps, top, torch.zeros(4, dtype=torch.bool), stream(0, "train"))
        assert balanced(drawn, top).all()


def test_partners_are_those_a_stack_finds():
    walks = sample_walks(30, 6, torch.zeros(50, dtype=torch.bool), stream(1, "train"))
    opens, closes = pairs(walks)
    for row, walk in enumerate(walks.tolist()):
        stack, partner = [], {}
        for place, up in enumerate(walk):
            if up:
                stack.append(place)
            else:
                partner[stack.pop()] = place
        assert dict(zip(opens[row].tolist(), closes[row].tolist(), strict=True)) == partner


@pytest.mark.parametrize("name", ["bounded-dyck", "next-bracket"])
def test_lengths_whose_counts_would_take_minutes_are_refused_at_once(name):
    task = tasks.create(name, length=MOST + 2)
    with pytest.raises(InputError, match=f"up to {MOST:,} of them, not {MOST + 2:,}"):
        task.sample(1, torch.Generator(), length=4)
