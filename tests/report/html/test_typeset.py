"""Formulas as mathematics is set."""

from __future__ import annotations

import pytest

from separatrix.report.html.typeset import brackets, typeset


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("width ceil(log2 N) + ceil(log2 S) + 1", "width ⌈log₂ N⌉ + ⌈log₂ S⌉ + 1"),
        ("ceil(log2(ceil(N / 2) + 1))", "⌈log₂(⌈N / 2⌉ + 1)⌉"),
        ("floor(2^p x)", "⌊2<sup>p</sup> x⌋"),
        ("N^(k+1) <= 2^-9", "N<sup>k+1</sup> ≤ 2<sup>-9</sup>"),
        ("ceil(never closed", "ceil(never closed"),
        ("<b>a & b</b>", "&lt;b&gt;a &amp; b&lt;/b&gt;"),
        ("LSTM-(1, 64)", "LSTM-(1, 64)"),
    ],
)
def test_sizes_are_set(plain, shown):
    assert str(typeset(plain)) == shown


def test_hostile_text_stays_text():
    assert "<img" not in typeset("x^(<img src=x>)")
    assert brackets("ceil(" * 50) == "ceil(" * 50
