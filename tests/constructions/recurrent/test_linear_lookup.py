"""Index lookup by linear attention without decay: every context of few tokens, long ones, and every rule."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from separatrix import constructions
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.tasks import stream

NAME = "index-lookup-linear-attention"


def least(built, context):
    """The least difference of the right logit and any other, at once and token by token; every place is asked."""
    queries, model = torch.arange(context.shape[1]).expand(context.shape), built.model
    right = built.task.answer(context, queries)[..., None]
    with torch.no_grad():
        state = model.prefill(context[:, :1])
        for t in range(1, context.shape[1]):
            state = model.prefill(context[:, t : t + 1], state, start=t)
        found = [model(context, queries), model.decode(state, queries)]
    return min(float((y.gather(2, right)[..., 0] - y.scatter(2, right, -torch.inf).amax(dim=2)).min()) for y in found)


@pytest.mark.parametrize(("length", "alphabet"), [(1, 2), (6, 2), (4, 3), (3, 5)])
def test_every_context_is_right_by_the_certified_margin(length, alphabet):
    built = constructions.create(NAME, length=length, alphabet=alphabet)
    for n in range(1, length + 1):
        context = torch.tensor(list(product(range(alphabet), repeat=n)))
        assert least(built, context) >= built.certificate.margin
    assert check(built.model, built.certificate).margin == built.certificate.margin > 1.99
    assert built.width == length + (alphabet - 1).bit_length()


def test_contexts_longer_than_any_chunk():
    built = constructions.create(NAME, length=150, alphabet=64)
    for n in (150, 97):
        assert least(built, built.task.sample(8, stream(0, "test"), length=n).context) >= built.certificate.margin


def test_the_state_is_the_context_itself():
    built = constructions.create(NAME, length=20, alphabet=16)
    context = built.task.sample(4, stream(0, "test")).context
    with torch.no_grad():
        ((memory,),) = built.model.prefill(context)
    bits = (memory[:, 0, :, :4] > 0).long() @ torch.tensor([1, 2, 4, 8])
    assert torch.equal(memory[..., :4].abs(), torch.full_like(memory[..., :4], 1024.0)) and not memory[..., 4:].any()
    assert len(set(bits[0].tolist())) == len(set(context[0].tolist()))


def test_formats_and_sizes_that_are_refused():
    for number_format in ("real", "bf16", "fixed(16)"):
        with pytest.raises(CertificateError, match="a memory is not certified"):
            constructions.create(NAME, length=3, alphabet=2, format=number_format)
    with pytest.raises(CertificateError, match="at most 4,096"):
        constructions.create(NAME, length=5000, alphabet=2)


def test_saved_and_checked_from_the_file(tmp_path):
    path = constructions.create(NAME, length=5, alphabet=3).save(tmp_path / "table.safetensors")
    assert check_file(path).statement.startswith("every place of every context of 1 to 5 tokens over 3 is answered")


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("blocks.0.mixer.decay.1.bias", 1, 30.0, "makes it less than 1"),
        ("blocks.0.mixer.decay.0.weight", (0, 0), 1.0, "decays must depend on nothing"),
        ("blocks.0.mixer.key.weight", (0, 1), 1.0, "different unit vectors"),
        ("blocks.0.mixer.key.weight", (0, 4), 1.0, "keys must come from places alone"),
        ("blocks.0.mixer.value.weight", (0, 0), 1.0, "keys must come from places alone, values from tokens alone"),
        ("blocks.0.mixer.value.weight", (0, 5), 64.0, "0 and one power of two"),
        ("blocks.0.mixer.query.weight", (2, 1), 1.0, "ask for the unit vector of its place"),
        ("blocks.0.mixer.gate.weight", (0, 2), 4.0, "the SiLU of 4"),
        ("blocks.0.mixer.gate.weight", (0, 2), 256.0, "the same for all queries"),
        ("positions.table.weight", (0, 4), 1.0, "coordinates of their own"),
        ("head.bias", 0, 50.0, "taken for others"),
    ],
)
def test_every_rule_is_needed(name, place, value, message):
    built = constructions.create(NAME, length=4, alphabet=3)
    built.model.state_dict()[name][place] = value
    with pytest.raises(CertificateError, match=message):
        check(built.model, built.certificate)
