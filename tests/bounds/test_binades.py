"""A float's binades in the place of bits: no bound printed for an arithmetic exceeds a model that works in it."""

from __future__ import annotations

import torch
from binades import float_equality, nearest_to_zero

from separatrix.bounds import RoundedSums, attention_protocol, of_precision
from separatrix.bounds.protocols import evaluate
from separatrix.constructions.rounding.transformer import RoundedTransformer
from separatrix.numerics import parse
from separatrix.tasks import stream

PAIRS = 111


def adversarial(pairs: int) -> torch.Tensor:
    """Strings that differ in one place, in the last, in all, in two that pull against each other; and equal ones."""
    draw = torch.Generator().manual_seed(0)
    first = torch.randint(2, (2 * pairs + 8, pairs), generator=draw)
    second = first.clone()
    for j in range(pairs):
        second[j, j] ^= 1
        first[pairs + j, j], second[pairs + j, j] = 1, 0
        first[pairs + j, j + 1 :], second[pairs + j, j + 1 :] = 0, 1
    second[-1], first[-2], second[-2] = 1 - first[-1], 0, 0
    first[-3] = second[-3] = 1
    return torch.stack([first, second], dim=2).flatten(1)


def test_width_2_decides_interleaved_equality_of_111_bits_in_bf16():
    least, greatest = nearest_to_zero(PAIRS, parse("bf16"))  # over all inputs
    assert greatest < 0 < least and min(least, -greatest) > 2.0**-126  # what its head compares with
    model = float_equality(PAIRS)
    context = torch.cat([adversarial(PAIRS), model.task.sample(200, stream(0, "test")).context])
    queries = torch.zeros(len(context), 1, dtype=torch.int64)
    logits = RoundedTransformer(model, "bf16").forward(context, queries)
    right = model.task.answer(context, queries)
    assert 0 < right.sum() < len(right)
    assert torch.equal(logits.argmax(-1), right)
    arithmetic = RoundedSums(16, parse("bf16"))
    assert torch.equal(logits, evaluate(model, context, queries, arithmetic))
    run = attention_protocol(model, context[:64], queries[:64], range(100), arithmetic)
    assert run.exact and run.bits == 96 < PAIRS


def test_a_wrong_gap_is_found_out(monkeypatch):
    monkeypatch.setattr("binades.APART", 0)
    least, greatest = nearest_to_zero(6, parse("bf16"))
    assert not greatest < 0 < least


def test_only_fixed_point_asks_for_more_than_width_2():
    task = float_equality(PAIRS).task
    widths = {each.words: each.smallest_width(each.needed(task), 1, task.length) for each in of_precision(16)}
    assert [words for words, width in widths.items() if width > 2] == ["16-bit fixed point, exact sums"]
