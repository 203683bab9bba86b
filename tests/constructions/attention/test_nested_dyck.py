"""Bounded Dyck of any depth with three layers: all strings that can be listed, drawn ones beyond, what is refused."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from constructions.two_layer import create, exhaustive_margin, least_margin

from separatrix.bounds import classes
from separatrix.bounds.formats import of_precision
from separatrix.bounds.known_upper import three_layer_upper
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.errors import InputError
from separatrix.tasks import create as create_task
from separatrix.tasks import stream

NAME = "bounded-dyck-three-layers"
CASES = [
    *({"length": 10, "kinds": 1, "depth": depth} for depth in (2, 3, 4)),
    *({"length": 6, "kinds": 2, "depth": depth} for depth in (2, 3)),
    {"length": 4, "kinds": 4, "depth": 2},
]


@pytest.mark.parametrize("number_format", ["fp32", "real"])
@pytest.mark.parametrize("parameters", CASES)
def test_every_string_of_every_length_is_right_by_the_certified_margin(parameters, number_format):
    built = create(NAME, **parameters, format=number_format)
    assert exhaustive_margin(built) >= check(built.model, built.certificate).margin >= built.certificate.margin == 0.5


@pytest.mark.long
@pytest.mark.parametrize(("length", "kinds", "depth"), [(16, 1, 5), (10, 2, 3), (8, 3, 4)])
def test_every_string_that_can_be_listed(length, kinds, depth):
    built, size = create(NAME, length=length, kinds=kinds, depth=depth), 2 * kinds
    codes = torch.arange(size**length)
    for part in codes.split(2**16):
        context = part[:, None] // size ** torch.arange(length) % size
        asked = torch.zeros(len(context), 1, dtype=torch.int64)
        with torch.no_grad():
            assert least_margin(built.task, built.model(context, asked), context, asked) >= 0.5


@pytest.mark.parametrize("number_format", ["fp16", "bf16", "e5m2", "float(8,18)"])
def test_no_certificate_is_issued_that_is_then_refused(number_format):
    issued = 0
    for length, kinds, depth in product((2, 4, 6, 20, 60), (1, 2, 5), (2, 3, 7)):
        try:
            built = create(NAME, length=length, kinds=kinds, depth=depth, format=number_format)
        except CertificateError:
            continue
        assert check(built.model, built.certificate).margin >= built.certificate.margin
        issued += 1
    assert issued == {"fp16": 9, "float(8,18)": 45}.get(number_format, 0)


@pytest.mark.parametrize("order", ["sequential", "pairwise"])
def test_every_string_is_right_with_every_result_rounded(order):
    for parameters in ({"length": 8, "kinds": 1, "depth": 3}, {"length": 4, "kinds": 2, "depth": 2}):
        built = create(NAME, **parameters)
        assert exhaustive_margin(built, order) >= built.certificate.margin


def test_long_strings_and_those_next_to_members():
    built = create(NAME, length=300, kinds=3, depth=6)
    assert check(built.model, built.certificate).margin >= 0.5
    for length in (2, 50, 300):
        drawn = built.task.sample(60, stream(0, "test", length), length=length)
        asked = torch.zeros(60, 1, dtype=torch.int64)
        with torch.no_grad():
            assert least_margin(built.task, built.model(drawn.context, asked), drawn.context, asked) >= 0.5


@pytest.mark.parametrize(("kinds", "depth"), [(1, 2), (2, 3), (64, 10)])
def test_the_width_does_not_depend_on_the_length(kinds, depth):
    widths = {create(NAME, length=length, kinds=kinds, depth=depth).width for length in (2, 100, 2000)}
    assert widths == {2 * depth + 8 + (kinds - 1).bit_length()}
    assert widths == {three_layer_upper(create_task("bounded-dyck", length=8, kinds=kinds, depth=depth)).size}


def test_lengths_end_where_rounding_may_move_a_depth():
    assert create(NAME, length=2600, depth=3).certificate.scope == "lengths up to N"
    with pytest.raises(CertificateError, match="may move it past a level"):
        create(NAME, length=3000, depth=3)
    long = create(NAME, length=2**16, depth=3, format="real")
    assert check(long.model, long.certificate).margin >= 0.5
    with pytest.raises(CertificateError, match="in floating point, not in"):
        create(NAME, length=4, depth=2, format="fixed(16)")
    with pytest.raises(InputError, match="depth 2 and more, got depth 1"):
        create(NAME, length=4, depth=1)


@pytest.mark.parametrize(
    ("weight", "place", "value", "message"),
    [
        ("blocks.0.mlp.1.weight", (0, 2), 4.0, "level"),
        ("blocks.0.mixer.query.bias", (0,), 1.0, "ask for nothing"),
        ("blocks.1.mixer.query.bias", (1,), 0.0, "last opening bracket"),
        ("blocks.1.mixer.key.weight", (2, 6), 0.0, "product"),
        ("blocks.1.mlp.3.weight", (-2, 5), -1.0, "take objections back|whole|objections"),
        ("blocks.2.mixer.value.bias", (0,), 0.0, "objections do not move"),
        ("head.weight", (0, 0), 1.0, "one coordinate|the third layer"),
    ],
)
def test_altered_weights_are_refused(weight, place, value, message):
    built = create(NAME, length=8, kinds=2, depth=3)
    model = built.build()
    with torch.no_grad():
        model.state_dict()[weight][place] = value
    with pytest.raises(CertificateError, match=message):
        check(model, built.certificate)


def test_files_carry_it_and_the_table_has_its_row(tmp_path):
    built = create(NAME, length=20, kinds=2, depth=3)
    assert "bounded Dyck-(2, 3)" in check_file(built.save(tmp_path / "nested.safetensors")).statement
    rows = {row["architecture class"]: row for row in classes.table(built.task, of_precision(16))}
    assert rows["3-layer Transformer (width)"]["best known"] == built.width
    assert rows["2-layer Transformer (width)"]["best known"] is None
    shallow = classes.table(create_task("bounded-dyck", length=20, kinds=2, depth=2), of_precision(16))
    assert not any(row["architecture class"].startswith("3-layer") for row in shallow)
