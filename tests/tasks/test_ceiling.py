from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import separatrix as sx
from separatrix import InputError
from separatrix.tasks.ceiling import accuracy_ceiling
from separatrix.tasks.logarithms import log2_binomial


def precise(n: int, s: int, m: float) -> float:
    """The ceiling to 60 digits, straight from its definition."""
    with mpmath.workdps(60):
        n, s, m = mpmath.mpf(n), mpmath.mpf(s), mpmath.mpf(m)
        if m >= n * mpmath.log(s, 2):
            return 1.0

        def left_over(d):
            entropy = -d * mpmath.log(d, 2) - (1 - d) * mpmath.log(1 - d, 2) if 0 < d < 1 else 0
            return mpmath.log(s, 2) - entropy - d * mpmath.log(s - 1, 2) - m / n

        low, high = mpmath.mpf(0), 1 - 1 / s
        for _ in range(120):
            middle = (low + high) / 2
            low, high = (middle, high) if left_over(middle) > 0 else (low, middle)
        return float(1 - low)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 500), s=st.integers(2, 300), share=st.one_of(st.floats(0, 1), st.floats(1e-15, 1e-6)))
def test_exact_to_1e_9(n, s, share):
    bits = share * n * math.log2(s)
    assert accuracy_ceiling(n, s, bits) == pytest.approx(precise(n, s, bits), abs=1e-9)


def test_the_ends():
    assert accuracy_ceiling(10, 4, 0) == 0.25
    assert accuracy_ceiling(10, 4, 20) == 1.0
    assert accuracy_ceiling(10, 4, 10**9) == 1.0


def test_arrays_and_monotony():
    ceilings = accuracy_ceiling(100, 64, np.linspace(0, 700, 50))
    assert ceilings.shape == (50,)
    assert (np.diff(ceilings) >= 0).all()
    assert ceilings[10] == accuracy_ceiling(100, 64, np.linspace(0, 700, 50)[10])


def test_wrong_numbers():
    with pytest.raises(InputError, match="length >= 1, alphabet >= 2 and bits >= 0, got 10, 1 and 5"):
        accuracy_ceiling(10, 1, 5)


def test_tasks_know_theirs():
    assert sx.tasks.create("index-lookup", length=100, alphabet=64).accuracy_ceiling(300) == pytest.approx(
        precise(100, 64, 300)
    )
    assert sx.tasks.create("associative-recall", pairs=10).accuracy_ceiling(60) == 1.0
    assert sx.tasks.create("bounded-dyck", length=10).accuracy_ceiling(0) == 1.0


@pytest.mark.parametrize(("n", "k"), [(5, 2), (100, 50), (10**6, 3), (2**60, 2), (3 * 10**5, 10**5)])
def test_binomials_of_any_size(n, k):
    with mpmath.workdps(40):
        exact = (mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)) / mpmath.log(2)
    assert log2_binomial(n, k) == pytest.approx(float(exact), rel=1e-12)
