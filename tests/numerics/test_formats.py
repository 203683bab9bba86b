"""Rounding against PyTorch's and NumPy's own types, against exact fractions, and its laws."""

from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from separatrix.errors import InputError
from separatrix.numerics import TORCH, Arithmetic, FixedPoint, FloatingPoint, parse

NUMPY = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16, "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}
NAMES = ["bf16", "fp16", "e4m3", "e5m2", "fixed(12,5)", "float(6,9)", "fp32"]


def same(a, b):
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def all_values(name):
    """Every finite value of a format of up to 16 bits, sorted."""
    bits = parse(name).bits
    patterns = (
        torch.arange(2**bits).to(torch.uint8) if bits == 8 else torch.arange(2**16).to(torch.int32).to(torch.int16)
    )
    values = patterns.view(TORCH[name]).float().double()
    return values[values.isfinite()].unique()


@pytest.mark.parametrize("name", NUMPY)
def test_rounding_agrees_with_torch_and_ml_dtypes_at_every_value_and_midpoint(name):
    format = parse(name)
    values = all_values(name)
    assert format.largest == values.max() and format.smallest == values[values > 0].min() and format.holds(values)
    middle = ((values[1:] + values[:-1]) / 2).float()
    up, down = (torch.nextafter(middle, torch.tensor(end)) for end in (math.inf, -math.inf))
    edge = values.max().float() * torch.tensor([1.0, 1.002, 1.02, 1.0357, 1.036, 1.0625, 1.07, 1.25, 100, math.inf])
    x = torch.cat([values.float(), middle, up, down, edge, -edge, torch.tensor([math.nan])])
    ours = format.round(x.double())
    inside = x[x.abs() <= values.max()] if name == "e4m3" else x  # beyond, versions of PyTorch differ
    assert same(format.round(inside.double()), inside.to(TORCH[name]).float().double())
    with np.errstate(over="ignore"):
        assert same(ours, torch.from_numpy(x.numpy().astype(NUMPY[name]).astype(np.float64)))


def test_fp32_agrees_with_the_machine():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200_000, generator=generator, dtype=torch.float64)
    x = torch.ldexp(x, torch.randint(-152, 129, (200_000,), generator=generator))
    assert same(parse("fp32").round(x), x.float().double())


@pytest.mark.parametrize("name", NAMES)
@given(st.floats(allow_nan=False))
def test_one_number_rounds_as_a_tensor_does(name, x):
    format = parse(name)
    assert same(format.round(torch.tensor([x], dtype=torch.float64)), torch.tensor([format.round_number(x)]).double())


@pytest.mark.parametrize("name", ["bf16", "fp16", "e4m3", "fp32", "float(2,1)", "float(8,24)"])
@given(st.lists(st.floats(), max_size=4), st.booleans())
def test_the_fast_way_rounds_as_the_plain_one_does_to_the_sign_of_zero(name, numbers, scaled):
    format = parse(name)
    x = torch.tensor(numbers, dtype=torch.float64) * (format.smallest / 2 if scaled else 1.0)
    fast, plain = format.round(x), format.round_plainly(x)
    assert same(fast, plain) and torch.equal(fast.signbit(), plain.signbit())


@pytest.mark.parametrize("name", NAMES)
@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_rounding_is_monotone_idempotent_and_nearest(name, x, y):
    format = parse(name)
    a, b = format.round_number(min(x, y)), format.round_number(max(x, y))
    if math.isnan(a) or math.isnan(b):
        return
    assert a <= b and format.round_number(a) == a
    if abs(x) <= format.largest:
        nearest = Fraction(format.round_number(x))
        other = format.round_number(math.nextafter(2 * x - float(nearest), x))
        assert not math.isfinite(other) or abs(Fraction(x) - nearest) <= abs(Fraction(x) - Fraction(other))


@pytest.mark.parametrize("name", ["bf16", "fp16", "fp32", "float(8,24)", "fixed(20,10)"])
@given(st.integers(-(2**24), 2**24), st.integers(-30, 30), st.integers(-(2**24), 2**24), st.integers(-30, 30))
def test_float64_carries_sums_products_and_quotients(name, m, e, n, f):
    """Rounding the float64 result once more is rounding the exact one: no harm from rounding twice."""
    format = parse(name)
    a, b = format.round_number(math.ldexp(m, e - 24)), format.round_number(math.ldexp(n, f - 24))
    if not (math.isfinite(a) and math.isfinite(b)):
        return
    for computed, exact in [(a + b, Fraction(a) + Fraction(b)), (a * b, Fraction(a) * Fraction(b))] + (
        [(a / b, Fraction(a) / Fraction(b))] if b else []
    ):
        assert format.round_number(computed) == exactly(format, exact)


def exactly(format, x):
    """Rounding of a fraction, straight from the definition."""
    if x == 0:
        return 0.0
    if isinstance(format, FixedPoint):
        grid = Fraction(1, 2**format.fraction)
    else:
        exponent = math.floor(math.log2(abs(x)))
        exponent += (abs(x) >= Fraction(2) ** (exponent + 1)) - (abs(x) < Fraction(2) ** exponent)
        grid = Fraction(2) ** (max(exponent, format.lowest) - format.mantissa)
    rounded = float(round(x / grid) * grid)
    if isinstance(format, FixedPoint):
        return min(max(rounded, -format.largest - format.smallest), format.largest)
    return math.copysign(math.inf, rounded) if abs(rounded) > format.largest else rounded


def test_fixed_point_saturates():
    format = parse("fixed(8,4)")
    assert (format.largest, format.smallest, format.bits) == (7.9375, 0.0625, 8)
    x = torch.tensor([100.0, -100.0, math.inf, -math.inf, 0.03125, 0.09375]).double()
    assert format.round(x).tolist() == [7.9375, -8.0, 7.9375, -8.0, 0.0, 0.125]
    assert [format.round_number(v) for v in x.tolist()] == [7.9375, -8.0, 7.9375, -8.0, 0.0, 0.125]


@pytest.mark.parametrize("dtype", ["bf16", "fp16", "fp32"])
def test_arithmetic_is_what_the_machine_does_step_by_step(dtype):
    """Sequential sums of products in native bf16, fp16 and fp32 scalars give the same bits."""
    generator = torch.Generator().manual_seed(1)
    kind = TORCH[dtype]
    x = torch.randn(5, 33, generator=generator).to(kind)
    weight, bias = torch.randn(4, 33, generator=generator).to(kind), torch.randn(4, generator=generator).to(kind)
    native = torch.zeros(5, 4, dtype=kind)
    for i in range(33):
        native = native + x[:, i, None] * weight[:, i]
    rounded = Arithmetic(parse(dtype))
    assert torch.equal(rounded.linear(x.double(), weight.double(), bias.double()), (native + bias).double())
    assert torch.equal(rounded.dot(x.double()[None], weight.double()[None])[0], native.double())
    total = torch.zeros(5, dtype=kind)
    for i in range(33):
        total = total + x[:, i]
    assert torch.equal(rounded.total(x.double()), total.double())


def test_softmax_and_average_are_close_to_exact_in_a_wide_format():
    generator = torch.Generator().manual_seed(2)
    scores = torch.randn(3, 50, generator=generator, dtype=torch.float64)
    values = torch.randn(3, 50, 7, generator=generator, dtype=torch.float64)
    exact = torch.softmax(scores, dim=-1)
    for order in ("sequential", "pairwise"):
        arithmetic = Arithmetic(FloatingPoint(8, 23), order)
        weights = arithmetic.softmax(scores)
        torch.testing.assert_close(weights, exact, rtol=1e-5, atol=1e-6)
        average = arithmetic.average(weights[:, None], values)
        torch.testing.assert_close(average, exact[:, None] @ values, rtol=1e-4, atol=1e-5)


def test_names():
    assert parse("fixed(16)") == FixedPoint(16, 8) and parse("float(5,10)").largest == parse("fp16").largest
    assert str(parse("fixed(12, 5)")) == "fixed(12,5)"
    with pytest.raises(InputError, match=r"unknown number format 'bf8': did you mean 'bf16'\?"):
        parse("bf8")
    with pytest.raises(InputError, match="fixed.p, fraction. needs p in 2 … 25"):
        parse("fixed(40)")
    with pytest.raises(InputError, match="needs 2 to 8 exponent and 1 to 24 mantissa bits, got 9 and 3"):
        parse("float(9,3)")
    with pytest.raises(InputError, match="real numbers have no number of bits"):
        _ = parse("real").bits
