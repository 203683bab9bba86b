"""The checkers of the two-layer constructions accept what is right, and nothing that is wrong on any input."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from constructions.two_layer import create, exhaustive_margin
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import one_hot, pad

from separatrix import constructions
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.constructions.check.arguments import drift
from separatrix.constructions.rounding.transformer import RoundedTransformer

SMALL = {
    "equality": {"length": 4, "alphabet": 3},
    "disjointness": {"length": 4, "layout": "interleaved"},
    "sparse-threshold": {"length": 4, "instance": "k-cnf", "k": 2},
    "associative-recall": {"pairs": 2, "keys": 3, "values": 2},
}
MORE = {
    "majority": {"length": 4},
    "inner products": {"length": 4, "instance": "inner-product", "threshold": 1, "combine": "count"},
    "equality as a threshold": {"length": 4, "instance": "equality"},
}
CASES = [*SMALL.items(), *(("sparse-threshold", parameters) for parameters in MORE.values())]


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(CASES), st.sampled_from(["bf16", "real"]))
def test_tampered_weights_that_pass_are_harmless(data, case, number_format):
    """Whatever weight is changed, to whatever: either the check refuses, or every input is still answered rightly."""
    name, parameters = case
    built = create(name, **parameters, format=number_format)
    tensors = list(built.model.parameters())
    weights = tensors[data.draw(st.integers(0, len(tensors) - 1))].data.view(-1)
    i = data.draw(st.integers(0, len(weights) - 1))
    value = float(weights[i])
    weights[i] = data.draw(st.sampled_from([-value, 0.0, 1.0, -1.0, 2 * value, value + 1, 0.5, 64.0]))
    try:
        check(built.model, built.certificate)
    except CertificateError:
        return
    assert exhaustive_margin(built, None if number_format == "real" else "sequential") > 0


def points_on_a_line():
    """Contexts of one or two points of one dimension, with every labelling, and both queries."""
    whole = []
    for count in (1, 2):
        contexts = []
        for points in product((-1.0, 1.0), repeat=count):
            for labels in product((0, 1), repeat=count):
                rows = torch.stack(
                    [
                        pad(torch.tensor(points)[:, None], (0, 2)),
                        pad(one_hot(torch.tensor(labels), 2).float(), (1, 0)),
                    ],
                    dim=1,
                )
                contexts.append(rows.flatten(0, 1))
        whole.append(torch.stack(contexts))
    return whole


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_tampered_weights_of_nearest_neighbour(data):
    built = create("nearest-neighbor", points=2, dimension=1, margin=1.0, format="bf16")
    tensors = list(built.model.parameters())
    weights = tensors[data.draw(st.integers(0, len(tensors) - 1))].data.view(-1)
    i = data.draw(st.integers(0, len(weights) - 1))
    value = float(weights[i])
    weights[i] = data.draw(st.sampled_from([-value, 0.0, 1.0, -1.0, 2 * value, value + 1, 0.5, 64.0]))
    try:
        check(built.model, built.certificate)
    except CertificateError:
        return
    for context in points_on_a_line():
        asked = torch.tensor([[[1.0, 0, 0], [-1.0, 0, 0]]]).expand(len(context), 2, 3)
        clear = built.task.margins(context, asked) >= 1
        logits = RoundedTransformer(built.model, "bf16").forward(context, asked)
        assert (logits.argmax(dim=-1) == built.task.answer(context, asked))[clear].all()


def tampered():
    yield "equality", "positions.table.weight", lambda w: w[1].copy_(w[0]), "two positions have the same key"
    yield "equality", "positions.table.weight", lambda w: w[2].copy_(w[2] * 3), "keys must be signs"
    yield "equality", "embed.weight", lambda w: w[0].copy_(w[1]), "the weights evaluate the function"
    yield "equality", "embed.weight", lambda w: w[0, 0].fill_(1.0), "queries or keys depend on the tokens"
    yield "equality", "embed.weight", lambda w: w[-1].zero_(), "leaves weights above 0"
    yield "equality", "blocks.0.mixer.query.weight", lambda w: w.mul_(0.5), "a gap of 64 .* leaves weights above 0"
    yield "equality", "blocks.0.mixer.query.bias", lambda w: w.neg_(), "a position would have to read a later one"
    yield "equality", "blocks.0.mixer.out.weight", lambda w: w.neg_(), "the weights evaluate the function"
    yield "equality", "blocks.0.mixer.out.bias", lambda w: w[0].fill_(1.0), "out.bias must be 0"
    yield "equality", "blocks.0.mlp.3.weight", lambda w: w.mul_(0.5), "leaves weights above 0|the weights evaluate"
    yield "equality", "blocks.1.mixer.query.bias", lambda w: w.mul_(0.5), "a gap of 64 between scores of the second"
    yield "equality", "blocks.1.mixer.value.bias", lambda w: w.zero_(), "objections do not move the answer"
    yield "equality", "blocks.1.mlp.3.bias", lambda w: w.fill_(1.0), "the second layer's MLP must be 0"
    yield "equality", "head.weight", lambda w: w.neg_(), "is not decided by one local function"
    yield "equality", "head.weight", lambda w: w.fill_(1.0), "read from one coordinate"
    yield "equality", "head.weight", lambda w: w.mul_(0.5), "claims a margin of 2, found 1"
    yield "majority", "blocks.1.mixer.value.weight", lambda w: w.mul_(0.5), "are answered wrongly"
    yield "majority", "blocks.1.mixer.query.bias", lambda w: w.fill_(1.0), "query must be 0"
    yield "majority", "blocks.1.mlp.1.bias", lambda w: w.mul_(2), "are answered wrongly"
    yield "majority", "positions.table.weight", lambda w: w[3].zero_(), "at 3 places of the context, the task at 4"
    yield "recall", "embed.weight", lambda w: w[0, 2].neg_(), "a query scores something else"
    yield "recall", "positions.table.weight", lambda w: w[3].copy_(w[1]), "two positions have the same key"
    yield "recall", "blocks.0.mixer.query.bias", lambda w: w.zero_(), "keys must be signs|no position has|two positions"
    yield "recall", "blocks.1.mixer.query.weight", lambda w: w.zero_(), "a query scores something else"
    yield "recall", "head.bias", lambda w: w.zero_(), "least difference of logits"
    yield "recall", "head.weight", lambda w: w[0].copy_(w[1]), "least difference of logits"
    yield "nearest", "embed.weight", lambda w: w.mul_(2), "copy points as they are"
    yield "nearest", "blocks.1.mixer.query.weight", lambda w: w[1:].mul_(0.5), "is needed"
    yield "nearest", "blocks.1.mixer.query.weight", lambda w: w.mul_(-1), "one power of two"
    yield "nearest", "blocks.1.mixer.key.bias", lambda w: w.zero_(), "inner products alone"
    yield "nearest", "blocks.1.mixer.query.bias", lambda w: w.mul_(0.25), "far enough below labels"
    yield "nearest", "head.weight", lambda w: w.copy_(w.flip(0)), "must be the label"
    yield "nearest", "head.bias", lambda w: w[0].fill_(1.0), "from votes alone"


def built_for(case):
    match case:
        case "equality":
            return create("equality", length=4, alphabet=2, format="bf16")
        case "majority":
            return create("sparse-threshold", length=4, format="bf16")
        case "recall":
            return create("associative-recall", pairs=2, keys=3, values=3, format="bf16")
        case _:
            return create("nearest-neighbor", points=2, dimension=2, margin=0.4, format="bf16")


@pytest.mark.parametrize(("case", "name", "tamper", "message"), list(tampered()))
def test_weights_that_matter_are_refused_with_the_reason(case, name, tamper, message):
    built = built_for(case)
    tamper(built.model.state_dict()[name])
    with pytest.raises(CertificateError, match=message):
        check(built.model, built.certificate)


@pytest.mark.parametrize("case", ["equality", "majority", "recall", "nearest"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scope": "all lengths"}, "the certificate says otherwise"),
        ({"claim": "everything"}, "the certificate says otherwise"),
        ({"margin": 3.0}, "claims a margin of 3"),
        ({"number_format": "float(2,1)"}, "none of float|rounded in float|above 0|too coarse|far enough|is needed"),
        ({"weights_sha256": "0" * 64}, "issued for other weights"),
    ],
)
def test_certificates_that_claim_too_much_are_refused(case, changes, message):
    built = built_for(case)
    with pytest.raises(CertificateError, match=message):
        check(built.model, built.certificate.replace(**changes))


def test_other_widths_arguments_and_orders_are_refused():
    built = built_for("equality")
    with pytest.raises(CertificateError, match="says width = 2, found 3"):
        check(built.model, built.certificate.replace(quantities={**built.certificate.quantities, "width": 2}))
    with pytest.raises(CertificateError, match="is about associative-recall, got equality"):
        check(built.model, built.certificate.replace(argument="copy and match"))
    with pytest.raises(CertificateError, match="is about nearest-neighbor, got equality"):
        check(built.model, built.certificate.replace(argument="copy and compare"))
    with pytest.raises(
        CertificateError, match="one head must work|are answered wrongly|query must be 0|ask for nothing"
    ):
        check(built.model, built.certificate.replace(argument="fetch and count"))
    narrow = create("equality", length=4, format="e4m3")
    assert narrow.certificate.order == "sequential"
    with pytest.raises(CertificateError, match="may overflow in e4m3, in any order"):
        check(narrow.model, narrow.certificate.replace(order="any"))


def test_the_task_of_the_weights_is_the_one_that_is_checked():
    """Weights of one function with the certificate of another: only what they compute counts."""
    formulas = [create("sparse-threshold", length=6, instance="k-cnf", k=2, formula_seed=seed) for seed in (0, 1)]
    model = formulas[0].model
    model.task = formulas[1].task
    certificate = formulas[1].certificate
    if certificate.model == formulas[0].certificate.model:
        with pytest.raises(CertificateError, match="the weights evaluate the function"):
            check(model, certificate)
    equal, disjoint = create("equality", length=4), create("disjointness", length=4)
    model = constructions.assemble(equal.task, disjoint.config, disjoint.model.state_dict())
    certificate = equal.certificate.replace(model=disjoint.certificate.model)
    with pytest.raises(CertificateError, match="the weights evaluate the function"):
        check(model, certificate)


@pytest.mark.parametrize("case", ["equality", "majority", "recall", "nearest"])
def test_files(case, tmp_path):
    built = built_for(case)
    verdict = check_file(built.save(tmp_path / "a.safetensors"))
    assert verdict.margin == pytest.approx(built.certificate.margin)


def test_more_symbols_than_can_be_tried_are_refused_not_guessed():
    built = create("equality", length=4, alphabet=2**12)
    with pytest.raises(CertificateError, match="the checker tries as many as have 134,217,728 numbers"):
        check(built.model, built.certificate)


def test_a_leak_stays_a_number_however_far_the_wrong_place_is_ahead():
    assert drift.leak(4, -1e6) > 1e40
    assert drift.leak(4, float("inf")) == 0.0
