"""Sparse thresholds: every string, for every instance, random features, and both ways of combining them."""

from __future__ import annotations

import pytest
import torch
from constructions.two_layer import FORMATS, create, exhaustive_margin, sampled_wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from separatrix.bounds.known_upper import two_layer_upper
from separatrix.constructions import CertificateError
from separatrix.constructions.attention.average import share
from separatrix.constructions.attention.features import plan
from separatrix.constructions.check import check
from separatrix.constructions.rounding.precision import first_failure
from separatrix.constructions.rounding.transformer import RoundedTransformer
from separatrix.errors import InputError
from separatrix.numerics import parse
from separatrix.tasks import create as task
from separatrix.tasks.features import Feature

INSTANCES = ["majority", "inner-product", "disjointness", "equality", "k-cnf", "k-dnf"]


def holds(built, orders=("sequential",)):
    """Every string is right by the certified margin, the checker agrees, and rounding changes nothing."""
    claimed, name = built.certificate.margin, built.certificate.number_format
    assert check(built.model, built.certificate).margin >= claimed
    if name in ("real", "fp32", "bf16"):  # sharp enough for weights to vanish in fp32
        assert exhaustive_margin(built) >= claimed * (1 - 1e-6)
    if name != "real":
        assert all(exhaustive_margin(built, order) >= claimed for order in orders)


@pytest.mark.parametrize("combine", ["auto", "count"])
@pytest.mark.parametrize("instance", INSTANCES)
def test_every_string_of_every_instance(instance, combine):
    for length in (2, 6, 8):
        parameters = {"k": 2} if instance.startswith("k-") else {}
        holds(create("sparse-threshold", length=length, instance=instance, combine=combine, **parameters))


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("instance", INSTANCES)
def test_every_string_with_every_result_rounded(instance, number_format):
    for combine in ("auto", "count"):
        built = create("sparse-threshold", length=6, instance=instance, k=2, combine=combine, format=number_format)
        orders = ["sequential", "pairwise"] if built.certificate.order == "any" else ["sequential"]
        holds(built, orders)


@st.composite
def functions(draw):
    length = draw(st.integers(1, 5))
    features = []
    for _ in range(draw(st.integers(1, length))):
        size = draw(st.integers(1, min(3, length)))
        positions = draw(st.permutations(range(length)))[:size]
        table = draw(st.lists(st.integers(0, 1), min_size=2**size, max_size=2**size))
        features.append({"positions": positions, "table": table})
    threshold = draw(st.integers(1, len(features)))
    return {"length": length, "instance": "custom", "features": features, "threshold": threshold}


@settings(max_examples=40, deadline=None)
@given(functions(), st.sampled_from(["auto", "count"]), st.sampled_from(["real", "fp32", "bf16"]))
def test_any_features_with_any_threshold(parameters, combine, number_format):
    holds(create("sparse-threshold", **parameters, combine=combine, format=number_format))


def test_features_that_all_need_the_end_of_the_string_are_read_with_the_whole_context_in_sight():
    features = [{"positions": (i, 5), "table": (0, 1, 1, 0)} for i in range(5)]
    built = create("sparse-threshold", length=6, instance="custom", features=features, threshold=3)
    assert not built.config.causal
    assert "causal" in built.config.model_dump(mode="json")
    holds(built)


def test_features_stand_at_their_last_position_or_behind_it():
    def placed(*positions):
        return plan([Feature(positions=p, table=odd(len(p))) for p in positions], 4, negated=False)

    def odd(bits):
        return tuple(code.bit_count() % 2 for code in range(2**bits))

    own = placed((0,), (1, 2), (3, 0))
    assert own.own and own.causal and own.heads == 1
    assert [(each.position, each.reads) for each in own.placed] == [(0, (0,)), (2, (1,)), (3, (0,))]
    behind = placed((0, 1), (1, 0))
    assert behind.causal and not behind.own and behind.heads == 2
    assert [each.position for each in behind.placed] == [3, 2]
    assert not placed((0, 3), (1, 3)).causal


def test_bits_that_no_feature_depends_on_are_not_fetched():
    never, always, second = (0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1)
    features = [Feature(positions=(2, 0), table=table) for table in (never, always, second)]
    found = plan(features, 3, negated=False)
    assert (found.heads, found.own) == (0, True)
    assert [(each.position, each.ones) for each in found.placed] == [(1, {(0,), (1,)}), (0, {(1,)})]
    none = plan(features[:1], 3, negated=False)
    assert (none.heads, none.own, none.placed) == (0, False, ())
    constant = plan(features[:1], 3, negated=True)
    assert (constant.heads, constant.bits, constant.kinds) == (0, 0, ([[()]], [[0]]))


@pytest.mark.parametrize("number_format", ["real", "fp32", "bf16"])
@pytest.mark.parametrize("combine", ["auto", "count"])
@pytest.mark.parametrize("tables", [(0,), (1,), (1, 1), (0, 1), (0, 0)])
def test_functions_that_are_constant(tables, combine, number_format):
    features = [{"positions": (0, 1), "table": (value,) * 4} for value in tables]
    for threshold in range(1, len(tables) + 1):
        told = {"length": 2, "instance": "custom", "features": features, "threshold": threshold}
        holds(create("sparse-threshold", **told, combine=combine, format=number_format))


@pytest.mark.parametrize("instance", INSTANCES)
@pytest.mark.parametrize("length", [2, 4, 32, 34, 100])
def test_widths(instance, length):
    built = create("sparse-threshold", length=length, instance=instance, k=2)
    bound = two_layer_upper(built.task)
    assert built.width <= bound.size
    assert instance.startswith("k-") or built.width == bound.size
    assert built.config.heads <= 2


def test_wide_clauses_hold_their_signs_and_not_their_tables():
    built = create("sparse-threshold", length=64, instance="k-cnf", k=8, clauses=30)
    assert built.width == 9 * 6 + 8 + 1
    assert sampled_wrong(built, 300) == 0


@pytest.mark.parametrize(("number_format", "longest"), [("bf16", 255), ("e4m3", 15), ("e5m2", 7)])
def test_counts_are_exact_as_far_as_the_format_holds_whole_numbers(number_format, longest):
    built = create("sparse-threshold", length=longest, format=number_format)
    t = longest // 2 + 1
    ones = torch.tensor([0, t - 1, t, t + 1, longest])
    context = (torch.arange(longest) < ones[:, None]).long()
    context = torch.cat([context, context.flip(1)])
    asked = torch.zeros(len(context), 1, dtype=torch.int64)
    logits = RoundedTransformer(built.model, number_format).forward(context, asked)
    assert (logits.argmax(dim=-1) == built.task.answer(context, asked)).all()
    assert check(built.model, built.certificate).margin == built.certificate.margin
    with pytest.raises(CertificateError, match="the sums of equal weights go up to"):
        create("sparse-threshold", length=longest + 1, format=number_format)


@pytest.mark.parametrize(("number_format", "longest"), [("e4m3", 15), ("e5m2", 7)])
def test_one_bit_more_than_is_proved_fails_and_the_string_is_shown(number_format, longest):
    found = first_failure("sparse-threshold", number_format)
    assert (found.certified, found.length) == (longest, longest + 1)
    assert found.verdict.fails
    (failure,) = found.verdict.failures
    assert failure.answered != failure.expected == int(sum(failure.context) > (longest + 1) // 2)


def test_long_counts_are_certified_without_trying_them():
    built = create("sparse-threshold", length=2047, format="fp16")
    assert check(built.model, built.certificate).margin == built.certificate.quantities["share"] == 2.0**-10
    assert sampled_wrong(built, 100) == 0


@pytest.mark.parametrize("number_format", ["bf16", "fp16", "fp32", "e4m3", "fixed(20,10)"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_shares_are_exact_in_any_order(number_format, data):
    found = parse(number_format)
    total = data.draw(st.integers(2, {"fp32": 2**24, "fixed(20,10)": 400, "e4m3": 16}.get(number_format, 256)))
    try:
        part = share(total, total - 1, found)
    except CertificateError as error:
        assert "averages go up to" in str(error)  # shares of 3 units, close to the largest total
        return
    weight = found.round_number(1 / total)
    assert found.round_number(weight * part.value) == part.share == part.multiple * part.unit
    counts = data.draw(st.lists(st.integers(0, total), max_size=20))
    assert all(found.round_number(count * part.share) == count * part.share for count in counts)


def test_bad_requests():
    with pytest.raises(InputError, match="a veto needs a threshold of 1 or all 4 features, got 3"):
        create("sparse-threshold", length=4, combine="veto")
    with pytest.raises(CertificateError, match="the numbers inside the MLP go up to"):
        create("sparse-threshold", length=12, instance="k-cnf", k=6, combine="count", format="e4m3")
    assert task("sparse-threshold", length=4).definition()[1] == 3
