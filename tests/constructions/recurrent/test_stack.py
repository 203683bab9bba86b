"""Bounded Dyck by a stack in the state: two proofs, every string, long strings, formats, tampered weights."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrent_networks import right_on_every_string, tampered, wrong

import separatrix as sx
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check
from separatrix.constructions.check.arguments import stack_rules
from separatrix.constructions.check.arguments.product import WrongAnswer, explore
from separatrix.constructions.recurrent import stack


def create(kinds: int, depth: int, length: int = 100, **options):
    return sx.constructions.create("bounded-dyck-stack", length=length, kinds=kinds, depth=depth, **options)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4))
def test_two_arguments_agree_and_every_string_is_answered_right(kinds, depth):
    built = create(kinds, depth)
    assert built.width == stack.units(kinds, depth)
    assert check(built.model, built.certificate).margin == built.certificate.margin == 1
    assert explore(built.model, "fp32").margin == 1
    assert stack_rules.read(built.model, "fp32", stack.layout(built.task)).margin == 1
    assert right_on_every_string(built, most=1500)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_any_number_of_kinds_and_any_depth(kinds, depth, seed):
    built = create(kinds, depth, length=60)
    assert check(built.model, built.certificate).margin == 1
    batch = built.task.sample(64, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        assert torch.equal(built.model(batch.context, batch.queries).argmax(dim=-1), batch.targets)


def test_strings_of_100_000_brackets():
    built = create(3, 4)
    members = built.task.strings(100, torch.zeros(1000, dtype=torch.bool), torch.Generator().manual_seed(3))
    member = members.reshape(1, -1)  # members after one another are a member
    spoilt = [member.clone() for _ in range(2)]
    spoilt[0][0, 5000], spoilt[1][0, -1] = (member[0, 5000] + 1) % 6, 0
    contexts = torch.cat([member, *spoilt])
    assert built.task.member(contexts).tolist() == [True, False, False]
    assert not wrong(built.model, built.task, contexts)


@pytest.mark.parametrize(("kinds", "depth"), [(2, 1), (2, 100), (64, 6), (1000, 20)])
def test_units_are_within_a_factor_of_the_optimum(kinds, depth):
    built = create(kinds, depth, length=4 * depth)
    optimum = depth * (kinds - 1).bit_length()
    assert built.certificate.quantities["state_bits"] == built.width
    assert built.certificate.quantities["lower_bound_bits"] == built.task.recurrent_bits() <= built.width
    assert optimum < built.width <= 2 * (depth + 1) * kinds.bit_length() + 2


@pytest.mark.parametrize(
    ("number_format", "order"), [("bf16", "any"), ("e4m3", "any"), ("e5m2", "any"), ("fixed(2,0)", "sequential")]
)
def test_formats(number_format, order):
    built = create(3, 2, format=number_format)
    assert built.certificate.order == order
    assert check(built.model, built.certificate).margin == 1


def test_formats_that_fail():
    with pytest.raises(WrongAnswer, match=r"0 instead of 1 in fixed\(2,1\) on 0 3"):
        create(3, 2, format="fixed(2)")
    with pytest.raises(CertificateError, match="sums of up to 11 are not held by e5m2: whole numbers up to 8 are"):
        create(1000, 20, format="e5m2")


def changes(built, count: int):
    """Copies of a model with one weight of the cell or the embedding raised by 1."""
    generator = torch.Generator().manual_seed(0)
    for i in range(count):
        name = ("blocks.0.mixer.cell.weight_hh_l0", "embed.weight")[i % 2]
        weight = built.model.state_dict()[name]
        index = tuple(int(torch.randint(size, (), generator=generator)) for size in weight.shape)
        yield tampered(built, name, index, float(weight[index]) + 1)


def test_tampered_weights_are_refused_with_a_string_that_shows_it():
    built = create(3, 3)
    refused = 0
    for model in changes(built, 40):
        try:
            explore(model, "fp32", budget=2**23)
        except WrongAnswer as error:
            assert wrong(model, built.task, torch.tensor([error.context]))
            refused += 1
        except CertificateError:  # numbers that grow without end
            refused += 1
    assert refused >= 20


def test_tampered_weights_break_a_rule_unless_they_change_no_answer():
    built, refused = create(40, 3, length=20), 0
    batch = built.task.sample(500, torch.Generator().manual_seed(0))
    for model in changes(built, 40):
        try:
            stack_rules.read(model, "fp32", stack.layout(built.task))
        except CertificateError:
            refused += 1
        else:
            assert not wrong(model, built.task, batch.context)
    assert refused >= 35


def test_certificates_that_claim_too_much_are_refused():
    built = create(40, 3)
    for changes, message in (
        ({"margin": 2.0}, "claims a margin of 2, found 1"),
        ({"scope": "length N"}, "proved is the scope .all lengths."),
        ({"argument": "faith"}, "unknown argument 'faith'"),
        ({"argument": "shift register"}, "is about index lookup"),
        ({"weights_sha256": "0" * 64}, "their hash differs"),
        ({"parameters": {}}, "names no slots"),
        ({"task": built.task.replace(depth=2).model_dump(mode="json")}, "about another task: depth differ"),
    ):
        with pytest.raises(sx.InputError, match=message):
            check(built.model, built.certificate.replace(**changes))
