"""Choices without replacement: uniform over all there are, for rows of every size."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
import torch
from chi_square import distributed, uniform
from hypothesis import given, settings
from hypothesis import strategies as st

from separatrix.tasks import stream
from separatrix.tasks.sampling import below, distinct, one_place, places, ragged_places, true_places, weighted

MANY = 20_000


def test_distinct_numbers_are_uniform_and_distinct():
    for population, count in [(4, 3), (50, 3)]:
        drawn = distinct(population, count, MANY, stream(0, "train"))
        assert all(len(set(row)) == count for row in drawn[:500].tolist())
        assert uniform(drawn.flatten().tolist(), population)
    assert uniform(map(tuple, distinct(4, 3, MANY, stream(1, "train")).tolist()), 24)


def test_weighted_draws_are_sequential_ones():
    weights = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    drawn = map(tuple, weighted(weights, 2, MANY, stream(0, "train")).tolist())
    w = weights.tolist()
    assert distributed(drawn, {(i, j): w[i] / 7 * w[j] / (7 - w[i]) for i in range(3) for j in range(3) if i != j})


def test_places_are_uniform_and_as_many_as_asked():
    count = torch.arange(5).repeat(4000)
    drawn = places(count, 4, stream(0, "train"))
    assert torch.equal(drawn.sum(dim=1), count)
    assert uniform(map(tuple, drawn[count == 2].tolist()), 6)


@pytest.mark.parametrize(("count", "size"), [(1, 5), (2, 5), (3, 5), (4, 5), (2, 4), (3, 6)])
def test_ragged_places_are_uniform_for_every_share(count, size):
    """Rows of two shapes alternate, so that places of one row are not taken for another's."""
    sizes = torch.tensor([size, 3]).repeat(MANY)
    drawn = ragged_places(torch.tensor([count, 1]).repeat(MANY), sizes, stream(0, "train")).view(MANY, size + 3)
    subsets = {subset: 1 / len(list(combinations(range(size), count))) for subset in combinations(range(size), count)}
    assert distributed((tuple(row.nonzero().flatten().tolist()) for row in drawn[:, :size]), subsets)
    assert uniform(drawn[:, size:].long().argmax(dim=1).tolist(), 3)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.integers(0, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1))
def test_ragged_places_are_as_many_as_asked_in_every_row(rows):
    count, sizes = torch.tensor(rows).T
    drawn = ragged_places(count, sizes, stream(0, "train"))
    assert [int(part.sum()) for part in drawn.split(sizes.tolist())] == count.tolist()


def test_one_place_is_a_uniform_true_one():
    among = torch.tensor([[True, False, True, True], [False, False, False, True]]).repeat(MANY, 1)
    drawn = one_place(among, stream(0, "train"))
    assert distributed(drawn[0::2].tolist(), {0: 1 / 3, 2: 1 / 3, 3: 1 / 3})
    assert set(drawn[1::2].tolist()) == {3}


def test_numbers_below_sizes_are_uniform():
    sizes = torch.tensor([1, 3, 7]).repeat(MANY)
    drawn = below(sizes, 7, stream(0, "train"))
    assert all(uniform(drawn[i::3].tolist(), n) for i, n in enumerate((1, 3, 7)))


def test_true_places_are_those_of_the_flattened_mask():
    mask = torch.rand(20, 30, generator=stream(0, "train")) < 0.1
    assert torch.equal(true_places(mask), mask.flatten().nonzero()[:, 0])
    assert Counter(true_places(mask).tolist()) == Counter(i for i, there in enumerate(mask.flatten().tolist()) if there)
