"""Executed protocols answer as the model does, and cost what they say."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.bounds import FixedPointSums, attention_protocol, of_format, recurrent_protocol
from separatrix.bounds import protocols as reductions
from separatrix.bounds.protocols import Channel, evaluate
from separatrix.bounds.protocols.exact_sums import ExactSums
from separatrix.bounds.protocols.one_layer import Attended
from separatrix.tasks import stream


@pytest.fixture
def task():
    return sx.tasks.create("index-lookup", length=10, alphabet=4)


@pytest.fixture
def batch(task):
    return task.sample(8, stream(0, "train"), queries=3)


@pytest.mark.parametrize("cut", [1, 6, 10])
@pytest.mark.parametrize(("name", "numbers"), [("elman", 16), ("gru", 16), ("lstm", 32)])
def test_a_recurrent_model_across_a_cut(task, batch, name, numbers, cut):
    model = sx.models.create(name, task, width=8, layers=2)
    run = recurrent_protocol(model, batch.context, batch.queries, cut)
    assert run.difference < 1e-5
    assert run.bits == 32 * numbers
    assert torch.equal(run.answers, model(batch.context, batch.queries).argmax(-1))


def test_coarser_messages_are_cheaper_and_less_exact(task, batch):
    model = sx.models.create("lstm", task, width=8)
    fine, coarse = (recurrent_protocol(model, batch.context, batch.queries, 10, p) for p in (12, 2))
    assert coarse.bits == 2 * 16 + 128 < fine.bits == 12 * 16 + 128
    assert fine.difference < coarse.difference


ARITHMETIC = [each for name in ("bf16", "fp16", "e4m3", "e5m2", "fp32", "fixed(12)") for each in of_format(name)]


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("arithmetic", ARITHMETIC, ids=str)
def test_one_layer_attention_across_a_cut_in_its_arithmetic(task, batch, heads, arithmetic):
    """Any cut for exact sums, a prefix where results are rounded: the model's own logits, and the bits counted."""
    model = sx.models.create("transformer", task, width=8, heads=heads, embedding_std=0.5)
    prefixes = [list(range(t)) for t in (1, 6, 10)]
    subsets = [[], [1, 3, 5, 9], [9]] if arithmetic.kind != "rounded" else []
    for held in prefixes + subsets:
        run = attention_protocol(model, batch.context, batch.queries, held, arithmetic)
        assert run.exact
        assert run.bits == 3 * arithmetic.capacity(8, heads, 10)
    if arithmetic.kind == "rounded":
        with pytest.raises(InputError, match="a prefix alone"):
            attention_protocol(model, batch.context, batch.queries, [1, 2], arithmetic)


def test_in_fp32_it_is_what_pytorch_computes_nearly(task, batch):
    model = sx.models.create("transformer", task, width=8, heads=2)
    assert attention_protocol(model, batch.context, batch.queries, [0, 1]).difference < 1e-5


@pytest.mark.parametrize("name", ["bf16", "fp16", "e4m3", "fp32"])
def test_rounded_sums_are_those_of_the_evaluator_of_constructions(name):
    """Two programs for the same arithmetic, bit for bit: PyTorch tensors whole, and place by place."""
    from separatrix.constructions.rounding.transformer import RoundedTransformer

    lookup = sx.tasks.create("index-lookup", length=10, alphabet=4)
    drawn = lookup.sample(8, stream(0, "train"), queries=3)
    model = sx.models.create("transformer", lookup, width=8, heads=2, norm="none", embedding_std=0.5)
    own = RoundedTransformer(model, name).forward(drawn.context, drawn.queries)
    assert torch.equal(own, evaluate(model, drawn.context, drawn.queries, of_format(name)[-1]))


def exactly(scores, values, held, arithmetic):
    """The quotient of one head and query, and Alice's sums, in fractions: weights, values and sums one by one."""
    sums, below, alices = Fraction(0), Fraction(0), [Fraction(0), Fraction(0)]
    top = max(arithmetic.format.round_number(s) for s in scores) if arithmetic.kind == "float" else 0
    for i, (score, value) in enumerate(zip(scores, values, strict=True)):
        if arithmetic.kind == "fixed":
            u = arithmetic.unit
            weight = Fraction(min(round(math.exp(score) / u), 2**arithmetic.bits - 1)) * Fraction(u)
            low = -(2 ** (arithmetic.bits - 1))
            number = Fraction(min(max(round(value / u), low), -low - 1)) * Fraction(u)
        else:
            rounded = arithmetic.format.round_number
            less = rounded(rounded(score) - top) if arithmetic.subtract else rounded(score)
            weight, number = Fraction(rounded(math.exp(less))), Fraction(rounded(value))
        sums, below = sums + weight * number, below + weight
        if i in held:
            alices = [alices[0] + weight * number, alices[1] + weight]
    return (float(sums / below) if below else 0.0), alices


@pytest.mark.parametrize("arithmetic", [each for each in ARITHMETIC if each.kind != "rounded"], ids=str)
def test_exact_sums_against_fractions(arithmetic):
    draw = random.Random(1)
    for _ in range(20):
        n, held = 7, [0, 2, 3]
        scores, values = [draw.gauss(0, 2) for _ in range(n + 1)], [draw.gauss(0, 3) for _ in range(n + 1)]
        shaped = torch.tensor(values, dtype=torch.float64).view(1, 1, n + 1, 1)
        attended = Attended(
            torch.tensor(scores, dtype=torch.float64).view(1, 1, 1, -1), shaped[:, :, :n], shaped[:, :, n:]
        )
        mixed = ExactSums(arithmetic, attended).together(held, Channel())
        assert float(mixed) == pytest.approx(exactly(scores, values, held, arithmetic)[0], rel=1e-15)


@pytest.mark.parametrize("length", [1, 2, 8, 64])
@pytest.mark.parametrize(
    "arithmetic", [FixedPointSums(3, 0), FixedPointSums(8, 2), *of_format("e4m3")[:2], *of_format("bf16")[:2]], ids=str
)
def test_the_constants_are_enough_and_hardly_more(arithmetic, length):
    """Weights and values at their ends, all places held: the sums fit in the bits counted, and need nearly all."""
    fixed = arithmetic.kind == "fixed"
    value = -(2.0 ** (arithmetic.bits - 1)) * arithmetic.unit if fixed else -arithmetic.format.largest
    score = (
        0.0
        if not fixed and arithmetic.subtract
        else 40.0
        if fixed
        else math.log(arithmetic.format.largest) * (1 - 2**-9)
    )
    scores = torch.full((1, 1, 1, length + 1), score, dtype=torch.float64)
    values = torch.full((1, 1, length, 1), value, dtype=torch.float64)
    sums = ExactSums(arithmetic, Attended(scores, values, values[:, :, :1]))
    channel = Channel()
    assert torch.equal(sums.together(range(length), channel), sums.alone())
    weighted, below = (message.payload[0] for message in channel.messages[-2:])
    per_value = arithmetic.per_value(length)
    size = ((1 << per_value) - weighted).bit_length() + 1
    slack = 0 if fixed else 3  # the largest float is short of the next power of two, and so is the weight
    assert per_value - slack - 1 <= size <= per_value
    assert arithmetic.per_sum(length) - slack <= below.bit_length() <= arithmetic.per_sum(length)


def test_numbers_too_large_for_their_bits_are_refused():
    with pytest.raises(InputError, match="does not fit in 3 bits"):
        Channel().integers("Alice", np.array([[8]], dtype=object), 3, "a sum")
    with pytest.raises(InputError, match="does not fit in 3 bits"):
        Channel().integers("Alice", np.array([[4]], dtype=object), 3, "a sum", signed=True)
    got = Channel().integers("Alice", np.array([[-4, 3, 0, -1]], dtype=object), 3, "a sum", signed=True)
    assert got.tolist() == [[-4, 3, 0, -1]]
    with pytest.raises(InputError, match="a weight overflows in e4m3"):
        task = sx.tasks.create("parity", length=2)
        model = sx.models.create("transformer", task, width=2, norm="none", bias=True)
        with torch.no_grad():
            model.blocks[0].mixer.query.bias.fill_(30.0)
            model.blocks[0].mixer.key.bias.fill_(30.0)
        evaluate(model, torch.zeros(1, 2).long(), torch.zeros(1, 1).long(), of_format("e4m3")[0])


def test_other_models_are_refused(task, batch):
    for name, layers in [("lstm", 1), ("transformer", 2)]:
        model = sx.models.create(name, task, width=8, layers=layers)
        with pytest.raises(InputError, match="one-layer Transformers"):
            attention_protocol(model, batch.context, batch.queries, [0])
    with pytest.raises(InputError, match="cut must be in 1 … 10, got 11"):
        recurrent_protocol(sx.models.create("lstm", task, width=8), batch.context, batch.queries, 11)


@pytest.mark.parametrize("where", ["model", "mixer", "query", "forward", "parametrised", "subclass"])
def test_a_model_that_computes_what_its_weights_do_not_say_is_refused(task, batch, where):
    """Weights would be read, and found equal to themselves, beside a model that answers otherwise."""
    model = sx.models.create("transformer", task, width=8)
    mixer = model.blocks[0].mixer
    if where in ("model", "mixer", "query"):
        found = {"model": model, "mixer": mixer, "query": mixer.query}[where]
        found.register_forward_hook(lambda module, given, out: out)
    elif where == "forward":
        mixer.out.forward = lambda x: 2 * x
    elif where == "parametrised":
        torch.nn.utils.parametrize.register_parametrization(mixer.value, "weight", torch.nn.Tanh())
    else:
        mixer.__class__ = type("Doubled", (type(mixer),), {"__module__": "theirs"})
    with pytest.raises(InputError, match="has hooks, or a forward of its own|is a (Parametrized|Doubled)"):
        attention_protocol(model, batch.context, batch.queries, [0])


def test_nothing_is_equal_to_no_number(task, batch):
    for name in ("transformer", "gru"):
        model = sx.models.create(name, task, width=8)
        with torch.no_grad():
            model.head.bias[0] = torch.nan
        with pytest.raises(InputError, match="logits are no numbers"):
            if name == "transformer":
                attention_protocol(model, batch.context, batch.queries, [0])
            else:
                recurrent_protocol(model, batch.context, batch.queries, 5)


def all_pairs(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    strings = list(itertools.product((0, 1), repeat=n))
    pairs = list(itertools.product(strings, strings))
    return torch.tensor([x for x, _ in pairs]), torch.tensor([y for _, y in pairs])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("layout", ["concatenated", "interleaved"])
def test_reductions_are_right_on_all_small_instances(n, layout):
    x, y = all_pairs(n)
    equal, disjoint = (x == y).all(dim=1), ((x & y) == 0).all(dim=1)
    task = sx.tasks.create("equality", length=2 * n, layout=layout)
    assert torch.equal(task.answer(*reductions.equality_instance(task, x, y))[:, 0].bool(), equal)
    task = sx.tasks.create("disjointness", length=2 * n, layout=layout)
    assert torch.equal(task.answer(*reductions.disjointness_instance(task, x, y))[:, 0].bool(), disjoint)
    dyck = sx.tasks.create("bounded-dyck", length=2 * n, kinds=2, depth=1)
    assert torch.equal(dyck.answer(*reductions.dyck_instance(x, y))[:, 0].bool(), equal)
    for place in range(n):
        places = torch.full((len(x),), place)
        lookup = sx.tasks.create("index-lookup", length=n, alphabet=2)
        assert torch.equal(lookup.answer(*reductions.index_instance(x, places))[:, 0], x[:, place])
        recall = sx.tasks.create("associative-recall", pairs=n, keys=n, values=2)
        assert torch.equal(recall.answer(*reductions.recall_instance(recall, x, places))[:, 0], x[:, place])
