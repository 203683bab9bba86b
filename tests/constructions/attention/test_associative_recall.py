"""Associative recall: every context and every key, of every length, in both alphabets."""

from __future__ import annotations

import pytest
import torch
from constructions.two_layer import FORMATS, create, exhaustive_margin, least_margin, sampled_wrong

from separatrix.bounds.known_upper import two_layer_upper
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check

SIZES = [(1, 1, 2), (1, 3, 2), (2, 2, 3), (2, 3, 2), (3, 4, 2), (2, 4, 4)]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("pairs", "keys", "values"), SIZES)
def test_every_key_of_every_context_of_every_length(pairs, keys, values, shared):
    built = create("associative-recall", pairs=pairs, keys=keys, values=values, shared=shared)
    assert exhaustive_margin(built) >= built.certificate.margin == check(built.model, built.certificate).margin == 1


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("number_format", FORMATS)
def test_every_key_with_every_result_rounded(number_format, shared):
    built = create("associative-recall", pairs=2, keys=3, values=3, shared=shared, format=number_format)
    assert check(built.model, built.certificate).margin >= built.certificate.margin
    for order in ("sequential", "pairwise"):
        assert exhaustive_margin(built, order) >= built.certificate.margin


@pytest.mark.parametrize("pairs", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("shared", [False, True])
def test_widths(pairs, shared):
    built = create("associative-recall", pairs=pairs, keys=130, values=30, shared=shared, absent=0.2)
    levels, bits = (2 * pairs - 1).bit_length(), 8
    assert built.width == levels + 2 * bits == two_layer_upper(built.task).size <= 2 * levels + 3 * bits + 1


def test_many_pairs_all_keys_asked_and_the_nearest_codes():
    """Keys differ from each other in single signs; half of them are absent."""
    built = create("associative-recall", pairs=64, keys=128, values=64, shared=True, absent=0.5, format="bf16")
    task = built.task
    for keys in (torch.arange(64), torch.arange(0, 128, 2), torch.arange(127, 63, -1)):
        values = torch.arange(64).flip(0)
        context = torch.stack([keys, values], dim=1).flatten()[None]
        asked = torch.arange(128)[None]
        with torch.no_grad():
            assert least_margin(task, built.model(context, asked), context, asked) >= 1
    assert sampled_wrong(built, 30, asked=100) == 0
    assert check(built.model, built.certificate).margin == 1


def test_all_values_equal():
    built = create("associative-recall", pairs=8, keys=16, values=2)
    context = torch.stack([torch.arange(8), torch.full((8,), 16)], dim=1).flatten()[None]
    asked = torch.arange(16)[None]
    with torch.no_grad():
        assert built.model(context, asked).argmax(dim=-1).tolist() == [[0] * 8 + [2] * 8]


def test_formats_that_are_too_narrow_are_refused():
    with pytest.raises(CertificateError, match="e5m2 adds multiples of 1 exactly up to 8, the logits go up to 9"):
        create("associative-recall", pairs=2, keys=2, values=2, format="e5m2")
    assert create("associative-recall", pairs=2**58, keys=2**59, values=2**20, format="bf16").width == 59 + 2 * 60
