"""Nearest neighbour: right within the margin the certificate states, in every format; the rest is reported."""

from __future__ import annotations

import math

import pytest
import torch
from constructions.two_layer import create
from torch.nn.functional import one_hot, pad

from separatrix.bounds.known_upper import two_layer_upper
from separatrix.constructions import CertificateError, within_guarantee
from separatrix.constructions.check import check
from separatrix.constructions.rounding.transformer import RoundedTransformer
from separatrix.errors import InputError
from separatrix.tasks import Batch

CASES = [
    ("real", {"points": 16, "dimension": 8, "margin": 0.05}),
    ("fp32", {"points": 16, "dimension": 8, "margin": 0.02}),
    ("fp16", {"points": 16, "dimension": 8, "margin": 0.05}),
    ("bf16", {"points": 6, "dimension": 4, "margin": 0.25}),
    ("bf16", {"points": 6, "dimension": 20, "margin": 0.4}),
    ("fixed(24,10)", {"points": 6, "dimension": 4, "margin": 0.25}),
    ("e4m3", {"points": 3, "dimension": 1, "margin": 1.5}),
]


def context_of(task, points, labels):
    rows = torch.stack(
        [pad(points, (0, task.labels)), pad(one_hot(labels, task.labels).to(points), (task.dimension, 0))], 1
    )
    return rows.flatten(0, 1)[None]


@pytest.mark.parametrize("geometry", ["sphere", "cube"])
@pytest.mark.parametrize(("number_format", "parameters"), CASES)
def test_sampled_inputs_at_every_length(number_format, parameters, geometry):
    if parameters["dimension"] == 20 and geometry == "cube":
        parameters = parameters | {"dimension": 16}
    built = create("nearest-neighbor", **parameters, labels=3, geometry=geometry, format=number_format)
    assert built.certificate.quantities["gamma"] <= parameters["margin"]
    assert check(built.model, built.certificate).margin >= built.certificate.margin
    for points in {1, built.task.points // 2, built.task.points} - {0}:
        generator = torch.Generator().manual_seed(points)
        batch = built.task.sample(20, generator, queries=8, length=2 * points)
        assert within_guarantee(built, batch).all()
        with torch.no_grad():
            assert (built.model(batch.context, batch.queries).argmax(dim=-1) == batch.targets).all()
        if number_format != "real":
            orders = ("sequential", "pairwise") if built.certificate.order == "any" else ("sequential",)
            for order in orders:
                logits = RoundedTransformer(built.model, number_format, order).forward(batch.context, batch.queries)
                assert (logits.argmax(dim=-1) == batch.targets).all()
                others = logits.scatter(2, batch.targets[..., None], 0)
                assert (others == 0).all()  # not small: gone
                assert (logits.amax(dim=-1) >= built.certificate.margin).all()


@pytest.mark.parametrize("number_format", ["fp32", "bf16", "fp16"])
def test_the_hardest_margins_of_two_points_on_a_circle(number_format):
    """Two labels as close together as the certificate allows, all angles: right; much closer: reported, some wrong."""
    built = create("nearest-neighbor", points=2, dimension=2, margin=0.3, format=number_format)
    task, gamma = built.task, built.certificate.quantities["gamma"]
    angle = torch.linspace(0, 2 * math.pi, 100)
    query = pad(torch.stack([angle.cos(), angle.sin()], dim=1), (0, task.labels))[:, None]

    def answered(gap):
        contexts = []
        for a in angle.tolist():  # x at a, the other point so that <q, x - y> = gap
            other = a + math.acos(1 - gap)
            points = torch.tensor([[math.cos(a), math.sin(a)], [math.cos(other), math.sin(other)]])
            contexts.append(context_of(task, points, torch.tensor([1, 0])))
        context = torch.cat(contexts)
        batch = Batch(context, query, task.answer(context, query), torch.zeros(100, 1, dtype=torch.int64))
        logits = RoundedTransformer(built.model, number_format).forward(context, query)
        return batch, logits

    batch, logits = answered(gamma + 1e-6)
    assert within_guarantee(built, batch).all()
    assert (logits.argmax(dim=-1) == 1).all() and (logits[..., 0] == 0).all()
    batch, logits = answered(gamma / 8)
    assert not within_guarantee(built, batch).any()
    assert (logits[..., 0] > 0).any()


def test_points_that_agree_share_their_votes():
    built = create("nearest-neighbor", points=4, dimension=2, margin=0.3)
    points = torch.tensor([[1.0, 0], [1.0, 0], [0.8, 0.6], [-1.0, 0]])
    context = context_of(built.task, points, torch.tensor([1, 1, 1, 0]))
    with torch.no_grad():
        logits = built.model(context, pad(points[:1], (0, 2))[None])
    assert logits[0, 0, 0] == 0 and logits[0, 0, 1] == 1


def test_inputs_outside_the_guarantee_are_reported():
    built = create("nearest-neighbor", points=2, dimension=2, margin=0.3)
    batch = built.task.sample(3, torch.Generator().manual_seed(0), queries=2)
    assert within_guarantee(built, batch).all()
    long = Batch(batch.context * 1.01, batch.queries, batch.targets, batch.groups)
    assert not within_guarantee(built, long).any()
    doubled = Batch(batch.context, batch.queries * 2, batch.targets, batch.groups)
    assert not within_guarantee(built, doubled).any()
    longer = Batch(batch.context.repeat(1, 2, 1), batch.queries, batch.targets, batch.groups)
    assert not within_guarantee(built, longer).any()
    equality = create("equality", length=4)
    words = equality.task.sample(3, torch.Generator().manual_seed(0))
    assert within_guarantee(equality, words).all()
    shorter = Batch(words.context[:, :2], words.queries, words.targets, words.groups)
    assert not within_guarantee(equality, shorter).any()


@pytest.mark.parametrize("points", [1, 2, 3, 100])
def test_widths(points):
    built = create("nearest-neighbor", points=points, dimension=5, labels=3)
    assert built.width == (2 * points - 1).bit_length() + 5 + 3 == two_layer_upper(built.task).size


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"margin": 0.0}, "inputs of margin 0 can be as close as you like: give gamma"),
        ({"format": "bf16"}, "twice that leaves nothing of a margin of 0.05"),
        ({"format": "e4m3"}, "e4m3 is too coarse for inner products of 16 coordinates"),
        ({"format": "fixed(16)"}, "needs scores beyond 128, fixed\\(16,8\\) ends at 127.996"),
        ({"format": "fp16", "gamma": 0.001}, "twice that leaves nothing"),
    ],
)
def test_margins_that_cannot_be_resolved_are_refused(parameters, message):
    with pytest.raises(InputError, match=message) as error:
        create("nearest-neighbor", **{"points": 4, "dimension": 16} | parameters)
    assert isinstance(error.value, CertificateError) or parameters == {"margin": 0.0}


def test_the_certificate_states_its_own_margin():
    built = create("nearest-neighbor", points=4, dimension=16, margin=0, gamma=0.1)
    assert 0.05 < built.certificate.quantities["gamma"] <= 0.1
    assert "of margin" in built.certificate.claim
    with pytest.raises(CertificateError, match="is needed"):
        quantities = {**built.certificate.quantities, "gamma": built.certificate.quantities["gamma"] * 0.9}
        claim = built.certificate.claim.replace(
            f"{built.certificate.quantities['gamma']:.4g}", f"{quantities['gamma']:.4g}"
        )
        check(built.model, built.certificate.replace(quantities=quantities, claim=claim))
