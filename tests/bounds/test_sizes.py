from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import separatrix as sx
from separatrix import InputError
from separatrix.bounds import (
    classes,
    fooling_set,
    growth_law,
    longest_attention,
    longest_recurrent,
    of_precision,
    published,
    rank,
    recurrent_capacity,
    smallest_state,
    truth_table,
)
from separatrix.bounds.two_way import FoolingSet, Rank


@given(bits=st.integers(0, 2**70), precision=st.integers(1, 64))
def test_the_smallest_state_is_the_smallest(bits, precision):
    numbers = smallest_state(bits, precision)
    assert numbers * precision >= bits
    assert numbers == 0 or (numbers - 1) * precision < bits


@given(st.integers(0, 10**9), st.integers(1, 64), st.integers(1, 8), st.integers(1, 2**60))
def test_the_smallest_width_is_the_smallest(bits, precision, heads, length):
    for arithmetic in of_precision(precision):
        width = arithmetic.smallest_width(bits, heads, length)
        assert width % heads == 0
        assert arithmetic.capacity(width, heads, length) >= bits
        assert width == heads or arithmetic.capacity(width - heads, heads, length) < bits


def test_the_longest_length_is_the_longest():
    task = sx.tasks.create("index-lookup", length=4, alphabet=64)
    longest = longest_recurrent(task, recurrent_capacity(128, 32)).length
    assert task.at_length(longest).recurrent_bits() <= 4096 < task.at_length(longest + 2).recurrent_bits()
    assert longest_attention(task, 16, 1, 16).length is None
    dyck = sx.tasks.create("bounded-dyck", length=4)
    for arithmetic in of_precision(16)[:-1]:
        longest = longest_attention(dyck, 8, 1, 16, arithmetic).length
        assert arithmetic.needed(dyck.at_length(longest)) <= arithmetic.capacity(8, 1, longest)
        assert arithmetic.needed(dyck.at_length(longest + 2)) > arithmetic.capacity(8, 1, longest + 2)
    assert longest_attention(dyck, 8, 1, 16).length is None  # with every result rounded nothing is proved
    assert str(longest_recurrent(dyck, 4096)) == "every length"


def test_formulas_stay_exact_at_huge_lengths():
    task = sx.tasks.create("index-lookup", length=2**60, alphabet=64)
    assert smallest_state(task.recurrent_bits(), 32) == 6 * 2**60 // 32
    assert all(each.smallest_width(each.needed(task), 1, 2**60) == 1 for each in of_precision(32))


def test_wrong_numbers():
    with pytest.raises(InputError, match="precision must be at least 1, got 0"):
        smallest_state(5, 0)


LENGTHS = [20, 50, 100, 200, 400, 800]


@pytest.mark.parametrize(
    ("law", "sizes"),
    [
        ("constant", [32, 32, 32, 32, 32, 32]),
        ("logarithmic", [3 + 2 * np.log2(n) for n in LENGTHS]),
        ("power", [0.5 * n**0.9 for n in LENGTHS]),
        ("power", [round(0.5 * n * f) for n, f in zip(LENGTHS, [1.05, 0.97, 1.02, 0.95, 1.0, 1.04], strict=True)]),
        ("undecided", [32, 64, 32, 64, 32, 64]),
        ("undecided", [4, 9, 5, 12, 7, 11]),
    ],
)
def test_growth_laws(law, sizes):
    found = growth_law(LENGTHS, sizes)
    if law == "undecided":
        assert found.law in ("undecided", "constant")
    else:
        assert found.law == law
    assert found.interval[0] <= found.exponent <= found.interval[1]


def test_few_points_decide_nothing():
    assert growth_law([2, 4, 8], [2, 4, 8]).law == "undecided"
    with pytest.raises(InputError, match="3 different lengths at least, got 2"):
        growth_law([2, 4], [1, 2])
    with pytest.raises(InputError, match="must be positive"):
        growth_law([2, 4, 8], [1, 0, 2])


@pytest.mark.parametrize("name", ["equality", "disjointness"])
def test_two_way_bounds_have_witnesses(name):
    matrix = truth_table(sx.tasks.create(name, length=8)).matrix(range(4))
    fooling, regular = fooling_set(matrix), rank(matrix)
    fooling.check(matrix)
    regular.check(matrix)
    assert len(regular.rows) == np.linalg.matrix_rank(matrix.astype(float)) == 16
    assert fooling.bits <= 4
    if name == "equality":
        assert len(fooling.pairs) == 16


def test_wrong_witnesses_are_refused():
    matrix = np.eye(4, dtype=np.uint8)
    with pytest.raises(InputError, match="do not fool"):
        FoolingSet(0, ((0, 1), (2, 3))).check(matrix)
    with pytest.raises(InputError, match="answers 0, not 1"):
        FoolingSet(1, ((0, 1),)).check(matrix)
    with pytest.raises(InputError, match="singular"):
        Rank((0, 1), (2, 3)).check(matrix)


def test_what_is_published_is_not_called_proved():
    composition = sx.tasks.create("composition", length=40)
    models = sx.bounds.of_precision(16)
    (row,) = [row for row in classes.table(composition, models) if row["architecture class"].startswith("2-layer")]
    assert row["lower bound"] is None and row["status"] == published.STATUS
    found = published.published(composition)
    assert all(each.source and (each.bits is None) == (not each.explicit) for each in found)
    assert [each.bits for each in found] == [8.0, None, 0.5, None]  # two blocks of 4 values; halves of 4 values
    assert found[0].width(heads=1, precision=4) == 1 and found[1].width(1, 4) is None
    assert not any(each.explicit for each in published.published(sx.tasks.create("composition", length=40, hops=1)))
    parity = classes.table(sx.tasks.create("parity", length=40), models)
    assert parity[-1]["status"] == classes.NO_BOUND and published.as_rows(sx.tasks.create("parity", length=40)) == []
