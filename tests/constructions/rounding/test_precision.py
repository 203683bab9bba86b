"""The smallest formats, and that what is shown to fail below them does fail, by code of its own."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from separatrix import constructions
from separatrix.constructions.codes.binary import binary_signs
from separatrix.constructions.rounding import precision
from separatrix.constructions.rounding.precision import first_failure, growth, smallest_precision, verdict
from separatrix.errors import InputError
from separatrix.numerics import parse


def answered(failure, length, alphabet):
    """What index lookup answers in a format, from its definition: scalars, rounded one by one. None for no number."""
    import torch

    fl = parse(failure.number_format).round_number
    beta = fl(float(failure.setting.removeprefix("beta = ")))
    k, b = (length - 1).bit_length(), (alphabet - 1).bit_length()
    beta = 2.0 ** round(math.log2(beta))  # printed with six digits
    code = [[fl(s) for s in row] for row in binary_signs(torch.arange(len(failure.context)), k).tolist()]
    tokens = [[fl(s) for s in row] for row in binary_signs(torch.arange(alphabet), b).tolist()]
    flag = fl(fl(2 * beta) * fl(1.0))

    def dot(x, y):
        total = 0.0
        for a, c in zip(x, y, strict=True):
            total = fl(total + fl(a * c))
        return total

    query = [fl(beta * sign) for sign in code[failure.query]]
    scores = [fl(dot(query, key) + flag) for key in code] + [dot(query, code[failure.query])]
    weights = [fl(math.exp(fl(score - max(scores)))) if not math.isnan(score) else math.nan for score in scores]
    total = 0.0
    for weight in weights:
        total = fl(total + weight)
    weights = [fl(weight / total) for weight in weights]
    fetched = [dot(weights, [tokens[t][d] for t in failure.context] + [0.0]) for d in range(b)]
    logits = [dot(fetched, token) for token in tokens]
    return None if any(math.isnan(x) for x in logits) else max(range(alphabet), key=lambda t: (logits[t], -t))


@pytest.mark.parametrize(("name", "certified"), [("e5m2", 2**9), ("e4m3", 2**17), ("fixed(4,0)", 2**6)])
def test_the_first_length_at_which_a_format_fails(name, certified):
    """Summed in order, scores tie from k = M + 2 on where counting ends at M, and from k = M on where it saturates."""
    found = first_failure("index-lookup", name, alphabet=4)
    assert (found.certified, found.length) == (certified, certified + 1)
    assert found.verdict.fails and not found.verdict.open
    assert constructions.create("index-lookup", length=certified, alphabet=4, format=name).certificate.margin == 2
    for failure in found.verdict.failures:
        assert failure.context[failure.query] == failure.expected != failure.answered
        if failure.answered is not None:
            assert answered(failure, certified + 1, 4) == failure.answered
    assert any(failure.answered is not None for failure in found.verdict.failures)


def test_bf16_does_not_fail_at_any_length():
    assert first_failure("index-lookup", "bf16", alphabet=64).length is None


def test_the_smallest_precision_grows_like_log_log_n():
    rows = growth("index-lookup", [2**5, 2**10, 2**20, 2**50], alphabet=4)
    assert [row["bits"] for row in rows] == [4, 5, 6, 7]
    assert all(row["fails"] for row in rows)
    for row in rows:  # scores go up to ceil(log2 N) + 2, and a sign comes on top
        assert row["format"] == f"fixed({row['bits']},0)"


def test_the_smallest_floating_point_formats():
    found = smallest_precision("index-lookup", "float", exponent=4, length=2**20, alphabet=64)
    assert (found.bits, found.certificate.number_format, found.tight) == (9, "float(4,4)", True)
    assert [each.number_format for each in found.below] == ["float(4,3)"]


def test_what_is_neither_proved_nor_refuted_is_said_so(monkeypatch):
    found = verdict("index-lookup", "float(3,2)", length=16, alphabet=64)
    assert found.certificate is None and found.open and not found.fails
    monkeypatch.setattr(precision, "theorem", lambda name: replace(constructions.theorem(name), trials=None))
    assert not verdict("index-lookup", "fixed(3,0)", length=16, alphabet=64).fails


def test_formats_without_any_and_bad_input():
    assert smallest_precision("index-lookup", "float", exponent=2, length=2**20, alphabet=4).bits is None
    with pytest.raises(InputError, match="unknown construction 'index-lokup'"):
        smallest_precision("index-lokup", length=4)
    with pytest.raises(InputError, match="unknown number format"):
        verdict("index-lookup", "bf17", length=4)
    with pytest.raises(InputError, match="alphabet"):
        smallest_precision("index-lookup", length=4, alphabet=1)
