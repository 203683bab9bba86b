"""Codes: distances by brute force, bounds, and that nothing of a draw is left to chance."""

from __future__ import annotations

import math
from functools import reduce
from itertools import combinations
from operator import xor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from separatrix.constructions import codes
from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.codes import jl
from separatrix.constructions.codes.algebraic import DualBCH
from separatrix.errors import InputError

KINDS = ["binary", "jl", "algebraic"]


@given(st.integers(2, 40), st.integers(1, 9), st.integers(1, 17), st.integers(0, 2**31))
def test_blocked_products_find_the_largest_of_all_pairs(count, width, block, seed):
    signs = torch.randint(2, (count, width), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1
    brute = max(int(signs[i] @ signs[j]) for i, j in combinations(range(count), 2))
    found = codes.largest_cross(signs, block=block)
    assert found.value == brute == signs[found.first] @ signs[found.second] and found.first != found.second
    assert codes.largest_cross(signs, enough=brute - 1, block=block).value == brute


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [2, 3, 4, 7, 8, 9, 64, 100, 255, 600])
@pytest.mark.parametrize("gamma", [0.3, 0.5, 0.8])
def test_no_two_positions_are_closer_than_guaranteed(kind, length, gamma):
    code = codes.create(kind, length, gamma)
    signs = code.signs()
    assert signs.shape == (length, code.width) and signs.abs().eq(1).all()
    products = signs @ signs.T - torch.diag(torch.full((length,), math.inf))
    assert products.max() <= code.cross == code.width - code.gap and code.gap >= 1
    assert torch.equal(code.signs(1, 2), signs[1:2])
    if kind != "binary":
        assert code.cross <= gamma * code.width
    assert codes.width_for(kind, length, gamma) == code.width


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_position_needs_no_distance(kind):
    code = codes.create(kind, 1)
    assert code.signs().shape == (1, code.width) and code.gap >= 1


def test_binary_codes_are_as_short_as_can_be():
    for length in [1, 2, 3, 4, 5, 400, 2**20, 2**20 + 1, 2**60]:
        assert codes.width_for("binary", length) == math.ceil(math.log2(length))
    assert codes.create("binary", 6).signs()[5].tolist() == [-1, 1, -1]


def test_draws_follow_their_key_and_failed_ones_are_repeated(monkeypatch):
    code = codes.create("jl", 64, 0.5, seed=3)
    assert torch.equal(code.signs(), codes.create("jl", 64, 0.5, seed=3).signs())
    assert not torch.equal(code.signs(), codes.create("jl", 64, 0.5, seed=4).signs())
    assert code.record() == {"code": "jl", "gamma": 0.5, "seed": 3, "draw": code.draw}
    again = [codes.create("jl", 300, 0.35, seed).draw for seed in range(12)]
    assert max(again) > 0, "some first draws fail at this size"
    seed = again.index(max(again))
    failed = codes.create("jl", 300, 0.35, seed)
    assert codes.largest_cross(failed.drawing(0)).value > failed.cross >= codes.largest_cross(failed.signs()).value
    monkeypatch.setattr(jl, "DRAWS", 1)
    with pytest.raises(CertificateError, match="1 draws of"):
        codes.create("jl", 300, 0.35, seed).signs()


@pytest.mark.parametrize(
    ("length", "gamma", "degree", "coefficients"), [(4000, 0.5, 6, 2), (256, 0.5, 4, 2), (60, 0.9, 3, 2)]
)
def test_dual_codes_agree_with_field_arithmetic_by_hand(length, gamma, degree, coefficients):
    code = DualBCH(length, gamma)
    assert code.parameters == (degree, coefficients)
    modulus = {3: 0b1011, 4: 0b10011, 6: 0b1011011}[degree]  # Conway polynomials

    def times(a, b):
        product = 0
        for shift in range(degree):
            product ^= (a << shift) * (b >> shift & 1)
        for shift in range(degree - 2, -1, -1):
            product ^= (modulus << shift) * (product >> (shift + degree) & 1)
        return product

    def power(a, exponent):
        result = 1
        for _ in range(exponent):
            result = times(result, a)
        return result

    def trace(a):
        return reduce(xor, [power(a, 2**i) for i in range(degree)])

    numbers = torch.tensor([1, 5, 37, length - 1])
    signs = torch.cat([code.signs(int(n), int(n) + 1) for n in numbers])
    mask = 2**degree - 1
    for row, number in zip(signs.tolist(), numbers.tolist(), strict=True):
        a = [number >> (degree * j) & mask for j in range(coefficients)]
        values = [trace(times(a[0], x) ^ times(a[1], power(x, 3))) for x in range(2**degree)]  # f(x) = a_1 x + a_2 x^3
        assert row == [1 - 2 * value for value in values]


def test_linear_codes_are_measured_by_their_vectors_alone():
    for length, gamma in [(64, 0.5), (256, 0.5), (512, 0.8)]:
        code = DualBCH(length, gamma)
        assert code.largest() == codes.largest_cross(code.signs()).value
    assert DualBCH(100).largest() >= codes.largest_cross(DualBCH(100).signs()).value


def test_the_figure_of_widths():
    rows = codes.widths([16, 2**20], measured_to=100)
    at = {(row["code"], row["length"]): row for row in rows}
    assert [at[kind, 2**20]["width"] for kind in KINDS] == [20, 222, 128]
    assert at["binary", 16]["measured"] == 0.5 and at["jl", 2**20]["measured"] is None
    assert all(row["measured"] <= row["cross"] for row in rows if row["measured"] is not None)


def test_bad_input():
    with pytest.raises(InputError, match="unknown code 'binari': did you mean 'binary'"):
        codes.create("binari", 4)
    with pytest.raises(InputError, match="at least 1 position, got 0"):
        codes.create("binary", 0)
    with pytest.raises(InputError, match="gamma must be between 0 and 1, got 1"):
        codes.create("jl", 4, gamma=1.0)
    with pytest.raises(InputError, match="verified pair by pair, up to 131,072 positions; for 1,048,576"):
        codes.create("jl", 2**20).signs()
    with pytest.raises(InputError, match="needs more than 16,384 signs"):
        _ = codes.create("algebraic", 2**60, gamma=0.01).width
    with pytest.raises(InputError, match="at least two vectors, got 1"):
        codes.largest_cross(torch.ones(1, 3))
