"""Bits packed eight strings to a byte, and features evaluated and set by them."""

from __future__ import annotations

import pytest
import torch
from chi_square import uniform
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_oracles import sparse_threshold

import separatrix as sx
from separatrix.tasks import stream
from separatrix.tasks.bitstrings import ones, pack, random_bits, unpack
from separatrix.tasks.features import Feature, FeatureBank

CPU = torch.device("cpu")


@settings(max_examples=40, deadline=None)
@given(strings=st.integers(1, 40), places=st.integers(1, 40))
def test_packed_strings_are_unpacked_again_and_counted(strings, places):
    rows = random_bits(strings, places, stream(strings, "train", places))
    packed = pack(rows)
    assert packed.shape == (places, -(-strings // 8))
    assert torch.equal(unpack(packed, strings), rows)
    assert torch.equal(ones(rows), rows.long().sum(dim=1))


@pytest.mark.parametrize("places", [8, 2040, 2041, 5000])
def test_ones_of_long_rows_do_not_overflow(places):
    assert ones(torch.ones(3, places, dtype=torch.uint8)).tolist() == [places] * 3


def test_random_bits_are_uniform():
    assert uniform(map(tuple, random_bits(20_000, 4, stream(0, "train")).tolist()), 16)


@st.composite
def features(draw, places: int = 9):
    width = draw(st.integers(1, 8))
    positions = draw(st.permutations(range(places)))[:width]
    table = draw(st.lists(st.integers(0, 1), min_size=2**width, max_size=2**width))
    return Feature(positions=tuple(positions), table=tuple(table))


def slowly(feature: Feature, row: list[int]) -> int:
    return feature.table[sum(row[p] << j for j, p in enumerate(feature.positions))]


@settings(max_examples=60, deadline=None)
@given(declared=st.lists(features(), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_features_are_evaluated_and_turned(declared, seed):
    bank, generator = FeatureBank(declared, CPU), stream(seed, "train")
    bits = random_bits(30, 9, generator)
    values = bank.values(bits)
    assert values.tolist() == [[slowly(feature, row) for feature in declared] for row in bits.tolist()]
    for number, feature in enumerate(declared):  # one at a time, so that none spoils another's
        before, was = bits.clone(), bank.values(bits)
        string = bank.changeable(was, was[:, number] == 0)[:, number].nonzero()[:, 0]
        assert len(string) == (30 if len(set(feature.table)) == 2 else 0)
        bank.turn(bits, string, torch.full_like(string, number), generator)
        assert torch.equal(bank.values(bits)[string, number], 1 - was[string, number])
        turned = bits != before
        assert not turned[:, [p for p in range(9) if p not in feature.positions]].any()
        for row, flips in zip(before[string].tolist(), turned[string].sum(dim=1).tolist(), strict=True):
            near = ([bit ^ (p == q) for q, bit in enumerate(row)] for p in feature.positions)
            if any(slowly(feature, other) != slowly(feature, row) for other in near):
                assert flips == 1


def test_a_feature_turns_by_a_random_one_of_the_bits_that_are_enough():
    bank = FeatureBank([Feature(positions=(0, 1, 2, 3), table=(0,) + (1,) * 15)], CPU)
    bits, all_ = torch.zeros(20_000, 5, dtype=torch.uint8), torch.arange(20_000)
    bank.turn(bits, all_, torch.zeros_like(all_), stream(0, "train"))
    assert (bits.sum(dim=1) == 1).all()
    assert uniform(bits.argmax(dim=1).tolist(), 4)


def test_a_feature_no_single_bit_of_which_is_enough_takes_any_assignment_with_the_value():
    bank = FeatureBank(
        [Feature(positions=(0, 1, 2), table=(1, 1, 1, 0, 1, 0, 0, 0)), Feature(positions=(3,), table=(0, 1))], CPU
    )
    bits, all_ = torch.zeros(20_000, 4, dtype=torch.uint8), torch.arange(20_000)
    bank.turn(bits, all_, torch.zeros_like(all_), stream(0, "train"))
    assert uniform(map(tuple, bits.tolist()), 4)
    assert (bits.sum(dim=1) >= 2).all()


def test_features_of_any_width_are_evaluated_and_set():
    draw = torch.Generator().manual_seed(0)
    features = [
        {
            "positions": torch.randperm(12, generator=draw)[:width].tolist(),
            "table": torch.randint(2, (2**width,), generator=draw).tolist(),
        }
        for width in (1, 2, 3, 4, 5, 6)
    ]
    for widest in (3, 4, 6):
        task = sx.tasks.create(
            "sparse-threshold", length=12, instance="custom", threshold=2, features=features[:widest]
        )
        batch = task.sample(400, stream(0, "train"))
        said = [sparse_threshold(task, context, 0) for context in batch.context.tolist()]
        assert batch.targets[:, 0].tolist() == said
        assert 100 < sum(said) < 300
