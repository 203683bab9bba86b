"""Recall with overwriting by a delta rule: every context of few pairs, keys repeated, and long ones."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from attack.instances import _latest as latest

from separatrix import constructions
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check, check_file
from separatrix.errors import InputError

NAME = "associative-recall-deltanet"


def least(built, context):
    """The least difference of the right logit and any other, at once and token by token; every key is asked."""
    queries = torch.arange(built.task.keys).expand(len(context), -1)
    right, model = latest(built.task, context, queries)[..., None], built.model
    with torch.no_grad():
        state = model.prefill(context[:, :1])
        for t in range(1, context.shape[1]):
            state = model.prefill(context[:, t : t + 1], state, start=t)
        found = [model(context, queries), model.decode(state, queries)]
    return min(float((y.gather(2, right)[..., 0] - y.scatter(2, right, -torch.inf).amax(dim=2)).min()) for y in found)


@pytest.mark.parametrize(("keys", "values"), [(2, 2), (3, 2), (2, 5)])
def test_every_context_of_three_pairs_is_right_by_the_certified_margin(keys, values):
    built = constructions.create(NAME, pairs=2, keys=keys, values=values)
    for pairs in (1, 2, 3):
        entries = [torch.tensor([key, keys + value]) for key, value in product(range(keys), range(values))]
        context = torch.stack([torch.cat(chosen) for chosen in product(entries, repeat=pairs)])
        assert least(built, context) >= built.certificate.margin * (1 - 1e-6)
    assert check(built.model, built.certificate).margin == built.certificate.margin > 0.49


def drawn(task, rows, pairs, generator):
    """Pairs drawn with replacement."""
    keys = torch.randint(task.keys, (rows, pairs), generator=generator)
    values = torch.randint(task.values, (rows, pairs), generator=generator) + task.value_offset
    return torch.stack([keys, values], dim=2).flatten(1)


def test_contexts_longer_than_any_chunk():
    built = constructions.create(NAME, pairs=8, keys=64, values=40)
    context = drawn(built.task, 10, 150, torch.Generator().manual_seed(0))
    same = drawn(built.task, 10, 150, torch.Generator().manual_seed(1))
    same[:, 0::2] = 7  # one key, overwritten all the time
    assert least(built, torch.cat([context, same])) >= built.certificate.margin * (1 - 1e-6)
    assert built.width == 64 + 6 + 1


@pytest.mark.long
def test_a_million_answers():
    built, generator = constructions.create(NAME, pairs=8, keys=50, values=20), torch.Generator().manual_seed(2)
    for _ in range(20):
        assert least(built, drawn(built.task, 1000, 60, generator)) > 0


def test_the_state_is_the_table_itself():
    """Rows of S are 0 or 1024, exactly: a value's bits and their opposites."""
    built = constructions.create(NAME, pairs=4, keys=6, values=8)
    context = drawn(built.task, 50, 9, torch.Generator().manual_seed(3))
    with torch.no_grad():
        ((_, memory),) = built.model.prefill(context)
    assert torch.isin(memory, torch.tensor([0.0, 1024.0])).all()
    written = (memory[:, 0, :, :6].sum(dim=-1) == 3 * 1024).sum(dim=1)
    assert torch.equal(written, torch.tensor([len(set(row[0::2].tolist())) for row in context]))


@pytest.mark.parametrize("number_format", ["real", "bf16", "fp16", "fixed(16)"])
def test_formats_in_which_a_memory_is_not_certified(number_format):
    with pytest.raises(CertificateError, match="in fp32: in .* a memory is not certified"):
        constructions.create(NAME, pairs=2, keys=3, values=2, format=number_format)


def test_what_cannot_be_built():
    with pytest.raises(InputError, match="must be different tokens"):
        constructions.create(NAME, pairs=2, keys=3, values=3, shared=True)
    with pytest.raises(CertificateError, match="at most 4,096"):
        constructions.create(NAME, pairs=2, keys=5000, values=2)


def test_saved_and_checked_from_the_file(tmp_path):
    path = constructions.create(NAME, pairs=2, keys=3, values=2).save(tmp_path / "memory.safetensors")
    assert "the value that followed it last" in check_file(path).statement


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("strength.weight", (0, 4), 16.0, "leave gates between 0 and 1"),
        ("strength.weight", (0, 0), 300.0, "values must write, keys and queries must not"),
        ("enter.weight", (3, 0), 4.0, "the SiLU of 4 is neither 0 nor 4"),
        ("enter.weight", (3, 1), 1024.0, "different unit vectors"),
        ("enter.weight", (6, 3), 1000.0, "0 and one power of two"),
        ("norm", 0, 0.0, "taken for others"),
    ],
)
def test_every_rule_is_needed(name, place, value, message):
    built = constructions.create(NAME, pairs=2, keys=3, values=2)
    built.model.state_dict()[f"blocks.0.mixer.{name}"][place] = value
    with pytest.raises(CertificateError, match=message):
        check(built.model, built.certificate)


@pytest.mark.parametrize(
    ("channel", "coordinate", "message"),
    [(6, 0, "at the key before it alone, and itself alone"), (0, 3, "whatever value stands before it")],
)
def test_taps_that_mix_neighbours(channel, coordinate, message):
    built = constructions.create(NAME, pairs=2, keys=3, values=2)
    weights = built.model.state_dict()
    weights["blocks.0.mixer.enter.weight"][channel, coordinate] = 1024.0
    weights["blocks.0.mixer.conv.weight"][channel, 0, 0] = 1.0
    with pytest.raises(CertificateError, match=message):
        check(built.model, built.certificate)
