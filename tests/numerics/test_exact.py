"""Grids: what they say is exact is exact in every order of the sums."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from separatrix.numerics import Arithmetic, Grid, parse
from separatrix.numerics.exact import units_of

FORMATS = ["bf16", "e4m3", "e5m2", "fixed(8,4)", "fixed(5,0)", "float(3,2)", "fp16", "fp32", "real"]
small = st.integers(-12, 12).map(lambda n: n / 4)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_units_are_the_largest_powers_of_two_that_divide(numbers):
    for unit, x in zip(units_of(torch.tensor(numbers).double()).tolist(), numbers, strict=True):
        if x == 0:
            assert unit == math.inf
            continue
        quotient = Fraction(x) / Fraction(unit)
        assert quotient.denominator == 1 and quotient.numerator % 2 == 1 and math.frexp(unit)[0] == 0.5


@given(st.lists(st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_grids_of_rows_hold_them_and_no_more(rows):
    rows = torch.tensor(rows)
    grid = Grid.of(rows)
    assert torch.equal(grid.unit, units_of(rows).amin(dim=0))
    assert torch.equal(grid.bound, rows.abs().amax(dim=0).double())


@pytest.mark.parametrize("name", FORMATS)
@given(st.integers(-12, 6), st.integers(1, 40))
def test_formats_are_exact_up_to_exactly_that(name, exponent, count):
    format, unit = parse(name), 2.0**exponent
    most = format.exact_up_to(unit)
    value = count * unit
    if value <= most:
        assert format.round_number(value) == value and format.round_number(-value) == -value
    if 0 < most < math.inf:
        beyond = (math.floor(most / unit) + 1) * unit
        assert format.round_number(beyond) != beyond
    elif most == 0:
        assert format.round_number(unit) != unit


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(st.lists(small, min_size=4, max_size=4), st.lists(small, min_size=4, max_size=4), small)
def test_sums_on_an_exact_grid_are_exact_in_every_order(name, x, w, bias):
    format = parse(name)
    x, w = torch.tensor([x]).double(), torch.tensor([w]).double()
    grid, b = Grid.of(x).linear(w, torch.tensor([bias]).double()), torch.tensor([bias]).double()
    inner = Grid.of(x).dot(Grid.of(w))
    arithmetic = Arithmetic(format)
    for order in map(list, list(permutations(range(4)))[::3]):
        if grid.exact_in(format):
            assert torch.equal(arithmetic.linear(x[:, order], w[:, order], b), x @ w.T + b)
        if inner.exact_in(format):
            assert torch.equal(arithmetic.dot(x[None, :, order], w[None, :, order])[0], x @ w.T)
    both = Grid.of(x).plus(Grid.of(w))
    if both.exact_in(format):
        assert torch.equal(format.round(x + w), x + w)


@pytest.mark.parametrize("name", FORMATS)
def test_exponentials_vanish_from_some_gap_on(name):
    format = parse(name)
    assert not format.vanishes(0.0) and not format.vanishes(-1000.0) and format.vanishes(math.inf)
    gaps = [gap / 8 for gap in range(1, 1000)]
    vanished = [format.vanishes(gap) for gap in gaps]
    assert vanished == sorted(vanished)
    assert all(format.round_number(math.exp(-gap)) == 0 for gap, gone in zip(gaps, vanished, strict=True) if gone)


def test_masked_scores_weigh_nothing_in_fixed_point():
    weights = Arithmetic(parse("fixed(8,6)")).softmax(torch.tensor([[0.5, -torch.inf, 0.5]]).double())
    assert weights.tolist() == [[0.5, 0.0, 0.5]]


def test_zeros_are_passed_over():
    arithmetic = Arithmetic(parse("bf16"))
    x = torch.tensor([0.0, 1.5, 0.0, 2.0]).double()
    assert arithmetic.total(x) == 3.5 and arithmetic.total(torch.zeros(2, 3).double()).tolist() == [0, 0]
