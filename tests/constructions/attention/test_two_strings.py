"""Equality and disjointness: every input, every layout, every length the certificate speaks of."""

from __future__ import annotations

import pytest
import torch
from constructions.two_layer import FORMATS, create, exhaustive_margin, least_margin, sampled_wrong

from separatrix.bounds.known_upper import two_layer_upper
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check
from separatrix.constructions.rounding.transformer import RoundedTransformer

CASES = [
    *(
        (name, {"length": length, "layout": layout})
        for name in ("equality", "disjointness")
        for layout in ("concatenated", "interleaved")
        for length in (2, 6, 8)
    ),
    ("equality", {"length": 6, "alphabet": 3}),
    ("equality", {"length": 4, "alphabet": 4, "layout": "interleaved"}),
]


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_every_input_is_right_by_the_certified_margin(name, parameters):
    built = create(name, **parameters)
    assert exhaustive_margin(built) >= built.certificate.margin == check(built.model, built.certificate).margin == 2


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("layout", ["concatenated", "interleaved"])
def test_every_input_is_right_with_every_result_rounded(number_format, layout):
    for name, more in (
        ("equality", {"length": 6}),
        ("equality", {"length": 4, "alphabet": 3}),
        ("disjointness", {"length": 6}),
    ):
        built = create(name, **more, layout=layout, format=number_format)
        orders = ["sequential", "pairwise"] if built.certificate.order == "any" else ["sequential"]
        for order in orders:
            assert exhaustive_margin(built, order) >= built.certificate.margin
        assert check(built.model, built.certificate).margin >= built.certificate.margin


@pytest.mark.parametrize("length", [2, 4, 6, 30, 32, 34, 2**20])
@pytest.mark.parametrize("alphabet", [2, 3, 4, 5, 64])
def test_widths(length, alphabet):
    equality = create("equality", length=length, alphabet=alphabet)
    n = length // 2
    assert equality.width == (n - 1).bit_length() + 1 + (alphabet - 1).bit_length()
    assert equality.width == two_layer_upper(equality.task).size
    assert alphabet > 2 or equality.width <= (n - 1).bit_length() + 5
    disjointness = create("disjointness", length=length)
    assert disjointness.width == two_layer_upper(disjointness.task).size == (n - 1).bit_length() + 2


@pytest.mark.parametrize("name", ["equality", "disjointness"])
@pytest.mark.parametrize("layout", ["concatenated", "interleaved"])
def test_longer_strings_their_nearest_ones_and_extremes(name, layout):
    built = create(name, length=200, layout=layout, format="bf16")
    task, n = built.task, 100
    first = torch.randint(2, (1, n), generator=torch.Generator().manual_seed(1))
    opposite = first.clone() if name == "equality" else 1 - first
    one_flip = opposite ^ torch.eye(n, dtype=torch.int64)
    second = torch.cat([opposite, one_flip, torch.zeros(1, n, dtype=torch.int64), torch.ones(1, n, dtype=torch.int64)])
    context = task.join(first.expand_as(second), second)
    extremes = task.join(torch.ones(2, n, dtype=torch.int64), torch.tensor([[0], [1]]).expand(2, n))
    context = torch.cat([context, extremes])
    asked = torch.zeros(len(context), 1, dtype=torch.int64)
    with torch.no_grad():
        assert least_margin(task, built.model(context, asked), context, asked) >= 2
    few = context[[0, 1, 99, -1]]
    logits = RoundedTransformer(built.model, "bf16").forward(few, asked[:4])
    assert least_margin(task, logits, few, asked[:4]) >= 2
    assert sampled_wrong(built, 200) == 0


def test_certificates_of_any_length_are_issued_from_sizes_alone():
    built = create("equality", length=2**60, format="bf16")
    assert built.width == 61
    assert "model" not in vars(built)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"length": 2**17, "format": "e4m3"},
            "e4m3 adds multiples of 4 exactly up to 64, the scores of the first layer",
        ),
        ({"length": 2**9, "format": "e5m2"}, "e5m2 adds multiples of 8 exactly up to 64"),
        ({"length": 4, "alphabet": 17, "format": "e4m3"}, "the values of the second layer go up to 20"),
        ({"length": 4, "format": "fixed(4,2)"}, "adds multiples of"),
    ],
)
def test_formats_that_are_too_narrow_are_refused(parameters, message):
    with pytest.raises(CertificateError, match=message):
        create("equality", **parameters)
    if parameters.get("alphabet", 2) == 2 and parameters["length"] > 4:
        create("equality", **{**parameters, "length": parameters["length"] // 2})


def test_interleaved_pairs_use_one_set_of_weights_and_concatenated_ones_do_not():
    assert create("equality", length=8, layout="interleaved").certificate.scope == "lengths up to N"
    assert create("equality", length=8).certificate.scope == "length N"
