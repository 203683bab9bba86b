"""Bounded Dyck with two layers: every string of every length, the places where depth and kinds hide, and the rules."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
import torch
from constructions.two_layer import FORMATS, create, exhaustive_margin, least_margin

from separatrix.bounds.known_upper import attention_upper, two_layer_upper
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.constructions.rounding.transformer import RoundedTransformer
from separatrix.errors import InputError
from separatrix.tasks import stream

NAME = "bounded-dyck-two-layers"
CASES = [
    *({"length": length, "kinds": 1, "depth": depth} for length in (2, 8, 12) for depth in (1, 2)),
    *({"length": length, "kinds": 2, "depth": depth} for length in (2, 6) for depth in (1, 2)),
    {"length": 4, "kinds": 3, "depth": 2},
    {"length": 4, "kinds": 5, "depth": 2},
]


@pytest.mark.parametrize("parameters", CASES)
def test_every_string_of_every_length_is_right_by_the_certified_margin(parameters):
    built = create(NAME, **parameters)
    assert exhaustive_margin(built) >= built.certificate.margin == check(built.model, built.certificate).margin == 2


@pytest.mark.long
@pytest.mark.parametrize(("length", "kinds"), [(16, 1), (10, 2), (8, 3)])
def test_every_string_that_can_be_listed(length, kinds):
    built, size = create(NAME, length=length, kinds=kinds), 2 * kinds
    codes = torch.arange(size**length)
    for part in codes.split(2**17):
        context = part[:, None] // size ** torch.arange(length) % size
        asked = torch.zeros(len(context), 1, dtype=torch.int64)
        with torch.no_grad():
            assert least_margin(built.task, built.model(context, asked), context, asked) >= 2


@pytest.mark.parametrize("number_format", [*FORMATS, "fixed(16)"])
def test_every_string_is_right_with_every_result_rounded(number_format):
    if number_format == "e4m3":
        with pytest.raises(CertificateError, match="e4m3 adds multiples of"):
            create(NAME, length=2, kinds=1, format=number_format)
        return
    for parameters in ({"length": 6, "kinds": 1}, {"length": 4, "kinds": 3}, {"length": 6, "kinds": 1, "depth": 1}):
        built = create(NAME, **parameters, format=number_format)
        for order in ("sequential", "pairwise"):
            assert exhaustive_margin(built, order) >= built.certificate.margin
        assert check(built.model, built.certificate).margin >= built.certificate.margin


@pytest.mark.parametrize("length", [2, 100, 2**20])
@pytest.mark.parametrize("kinds", [1, 2, 3, 64])
def test_the_width_does_not_depend_on_the_length(length, kinds):
    built = create(NAME, length=length, kinds=kinds)
    assert built.width == 4 + (kinds - 1).bit_length() == two_layer_upper(built.task).size


def hard(task, members):
    """Members and what is next to them: each bracket of another kind, turned, exchanged with the next, or both ends."""
    n, length = task.kinds, members.shape[1]
    found = [members]
    for place in range(length):
        other, turned, swapped = members.clone(), members.clone(), members.clone()
        other[:, place] = (other[:, place] % n + 1) % n + n * (other[:, place] >= n)
        turned[:, place] = (turned[:, place] + n) % (2 * n)
        swapped[:, [place, (place + 1) % length]] = swapped[:, [(place + 1) % length, place]]
        found += [other, turned, swapped]
    rolled = [members.roll(shift, dims=1) for shift in (1, 2, length // 2)]
    deeper = members.clone()
    deeper[:, :6] = torch.tensor([0, 0, 0, n, n, n])
    return torch.cat([*found, *rolled, deeper])


def wrong(built, context):
    """How many strings are answered wrongly in float32."""
    asked = torch.zeros(len(context), 1, dtype=torch.int64)
    with torch.no_grad():
        said = torch.cat([built.model(part, asked[: len(part)]).argmax(-1) for part in context.split(512)])
    return int((said != built.task.answer(context, asked)).sum())


@pytest.mark.parametrize("length", [64, 250])
def test_drawn_strings_and_those_next_to_them(length):
    built = create(NAME, length=250, kinds=3)
    generator = stream(0, "test")
    members = built.task.strings(length, torch.zeros(2, dtype=torch.bool), generator)
    drawn = built.task.sample(200, generator, length=length).context
    assert wrong(built, torch.cat([hard(built.task, members), drawn])) == 0


@pytest.mark.long
@pytest.mark.parametrize("kinds", [2, 7])
def test_a_million_drawn_and_hard_strings(kinds):
    built = create(NAME, length=100, kinds=kinds)
    generator = stream(1, "test")
    drawn = [built.task.sample(2**14, generator, length=length).context for length in (20, 60, 100) for _ in range(16)]
    members = built.task.strings(40, torch.zeros(2000, dtype=torch.bool), generator)
    contexts = [*drawn, hard(built.task, members)]
    assert sum(map(len, contexts)) > 10**6
    assert sum(wrong(built, context) for context in contexts) == 0


def test_long_strings_rounded():
    built = create(NAME, length=200, kinds=2, format="bf16")
    batch = built.task.sample(16, stream(0, "test"), length=200)
    logits = RoundedTransformer(built.model, "bf16").forward(batch.context, batch.queries)
    assert least_margin(built.task, logits, batch.context, batch.queries) >= 2


def test_what_formats_bear():
    """Scores are whole multiples of beta up to about 5 N / 4: a format's whole numbers are where it ends."""
    for number_format, longest in (("fp32", 13_421_770), ("bf16", 202), ("fp16", 1022)):
        assert create(NAME, length=longest, kinds=2, format=number_format).width == 5
        with pytest.raises(CertificateError, match="exactly up to|differences of the first layer's scores"):
            create(NAME, length=longest + 2, kinds=2, format=number_format)


def test_saved_and_checked_from_the_file(tmp_path):
    built = create(NAME, length=1024, kinds=2)
    verdict = check_file(built.save(tmp_path / "built.safetensors"))
    assert verdict.statement.startswith("every string of every even length up to 1024 is accepted if it is in bounded")


def test_deeper_brackets_are_refused():
    with pytest.raises(InputError, match="depth 1 or 2, got depth 3"):
        create(NAME, length=8, kinds=2, depth=3)


def test_one_layer_that_hands_on_every_token():
    """Outputs w(x_i) / (w(x_1) + … + w(x_N) + w(end)) of N coordinates: no two strings have the same."""
    task = create(NAME, length=4, kinds=2).task
    weights = [Fraction(2 + token) for token in range(task.alphabet_size)]
    strings = list(product(range(task.alphabet_size), repeat=task.length))
    sums = {string: 1 + sum(weights[token] for token in string) for string in strings}
    read = {tuple(weights[token] / sums[string] for token in string) for string in strings}
    assert len(read) == len(strings) and len(next(iter(read))) == attention_upper(task).size == task.length


def altered(built, name, place, value):
    built.model.state_dict()[name][place] = value
    return built


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("positions.table.weight", (4, 0), 1.0, "one score|does not read"),  # places 3 and 5 are equally recent
        ("positions.table.weight", (5, 1), 1.0, "the end token does not read the last token"),
        ("blocks.0.mixer.query.weight", (0, 2), 1.0, "queries depend on the tokens"),
        ("blocks.0.mixer.value.weight", (2, 0), 1.0, "values must tell places apart"),
        ("embed.weight", (4, 2), 3.0, "objections are not the task's"),  # the end is as loud as they are
        ("blocks.0.mlp.3.weight", (3, 2), 0.0, "objections are not the task's"),  # never too deep
        ("blocks.0.mlp.3.weight", (3, 4), 0.0, "objections are not the task's"),  # one kind closes the other
        ("blocks.1.mixer.value.bias", 0, 0.0, "do not move the answer's coordinate"),
        ("head.bias", 1, 1.0, "without a bias"),
    ],
)
def test_every_rule_is_needed(name, place, value, message):
    built = altered(create(NAME, length=8, kinds=2), name, place, value)
    with pytest.raises(CertificateError, match=message):
        check(built.model, built.certificate)


def test_a_deeper_language_is_another():
    """Without the unit that minds a second bracket, weights for depth 1 are those for depth 2."""
    built = altered(create(NAME, length=6, kinds=1, depth=1), "blocks.0.mlp.3.weight", (3, 4), 0.0)
    assert exhaustive_margin(built) < 0
    with pytest.raises(CertificateError, match="objections are not the task's"):
        check(built.model, built.certificate)
