"""Ceilings of disjointness: norms against enumerated matrices, and no message beats either ceiling, tried in full."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import separatrix as sx
from separatrix.errors import InputError
from separatrix.tasks.disjointness_ceiling import disjointness_norm, information_ceiling


def signed(n: int, density: float, common: dict[int, float]) -> np.ndarray:
    """The distribution of pairs, [2^n, 2^n], with the sign of the answer, from its definition."""
    each = np.array([[1 - 2 * density, density], [density, 0.0]])
    strings = np.array(list(itertools.product(range(2), repeat=n)))
    total = np.zeros((2**n, 2**n))
    for (i, x), (j, y) in itertools.product(enumerate(strings), repeat=2):
        met = np.flatnonzero(x & y)
        if not len(met):
            total[i, j] = each[x, y].prod() / 2
        elif len(met) in common:
            total[i, j] = -common[len(met)] / 2 / math.comb(n, len(met)) * np.delete(each[x, y], met).prod()
    return total


@pytest.mark.parametrize(
    ("n", "density", "common"),
    [
        (1, 0.3, {1: 1.0}),
        (2, 1 / 3, {1: 1.0}),
        (3, 0.2, {1: 0.5, 2: 0.5}),
        (4, 0.5, {1: 0.5, 2: 0.25, 3: 0.25}),
        (5, 0.1, {2: 0.75, 5: 0.25}),
        (6, 1 / 3, {1: 0.5, 2: 0.5}),
    ],
)
def test_the_norm_by_blocks_is_that_of_the_matrix(n, density, common):
    norm = disjointness_norm(n, density, tuple(common.items()))
    assert norm == pytest.approx(sx.bounds.correlation_norm(signed(n, density, common)), rel=1e-9)


@pytest.mark.parametrize("negatives", [("one",), ("several",), ("one", "several")])
@pytest.mark.parametrize("n", [2, 3])
def test_no_message_beats_the_tasks_ceiling(n, negatives):
    task = sx.tasks.create("disjointness", length=2 * n, negatives=negatives)
    matrix = signed(n, task.density, task.common(n))
    for bits in range(n + 1):
        ceiling = task.accuracy_ceiling(bits)
        assert sx.bounds.best_accuracy(matrix, bits) <= ceiling + 1e-12
        if not bits:
            assert ceiling < 1


def test_the_matrix_is_the_tasks_own_distribution():
    n = 4
    task = sx.tasks.create("disjointness", length=2 * n)
    drawn = task.sample(20000, torch.Generator().manual_seed(0))
    first, second = (part @ (2 ** torch.arange(n).flip(0)) for part in task.split(drawn.context))
    counted = np.zeros((2**n, 2**n))
    np.add.at(counted, (first.numpy(), second.numpy()), (2 * drawn.targets[:, 0].numpy() - 1) / 20000)
    expected = signed(n, task.density, task.common(n))
    assert np.abs(counted - expected).max() < 0.01 and not counted[expected == 0].any()


def entropy(p: float) -> float:
    return -sum(q * math.log2(q) for q in (p, 1 - p) if 0 < q < 1)


@pytest.mark.parametrize(("density", "common"), [(1 / 3, 1), (0.25, 1), (0.1, 1), (0.25, 2)])
def test_no_message_of_little_information_beats_the_information_ceiling(density, common):
    """All 256 messages of one bit about three elements: what each scores, beside the ceiling of what it says."""
    n, chance, told = 3, 1 - density, 0
    strings = np.array(list(itertools.product(range(2), repeat=n)))
    weights = (density**strings * chance ** (1 - strings)).prod(axis=1)
    matrix = signed(n, density, {common: 1.0})
    for said in itertools.product((0, 1), repeat=2**n):
        message = np.array(said)
        information = entropy(float(weights[message == 1].sum()))
        score = 0.5 + sum(np.abs(matrix[message == m].sum(axis=0)).sum() for m in (0, 1)) / 2
        ceiling = information_ceiling(n, density, {common: 1.0}, information)
        assert score <= ceiling + 1e-12
        told += information > 0 and ceiling < 1
    assert told or common > 1 or density > 0.3


def test_the_information_of_one_place_is_a_share_of_the_messages():
    """The lemma by itself, for messages of one bit at random: the sum of I_k is at most M (1 - r) / (1 - 2 r)."""
    n, density, draw = 4, 1 / 3, np.random.default_rng(0)
    strings = np.array(list(itertools.product(range(2), repeat=n)))
    each = np.array([[1 - 2 * density, density], [density, 0.0]])
    pairs = np.array([[each[x, y].prod() for y in strings] for x in strings])  # [x, y]
    for trial in range(20):
        message = strings.sum(1) % 2 if not trial else draw.integers(2, size=2**n)
        most = entropy(float(pairs.sum(axis=1)[message == 1].sum()))
        total = 0.0
        for k in range(n):
            rest = np.delete(strings, k, axis=1) @ (2 ** np.arange(n - 1))
            joint = np.zeros((2, 2, 2 ** (n - 1)))
            for m, value in itertools.product((0, 1), repeat=2):
                rows = pairs[(message == m) & (strings[:, k] == value)].sum(axis=0)
                np.add.at(joint[value, m], rest, rows)
            apart = joint.sum(axis=(1, 2), keepdims=True) * joint.sum(axis=0, keepdims=True)
            there = joint > 0
            total += float((joint[there] * np.log2(joint[there] / apart[there])).sum())
        assert total <= most * (1 - density) / (1 - 2 * density) + 1e-12


def test_it_grows_with_the_length_and_ends_where_one_bit_suffices():
    long = sx.tasks.create("disjointness", length=2000, negatives=("one",))
    assert long.recurrent_bits() == 1000 and 0.59 < long.accuracy_ceiling(10) < 0.6
    assert sx.bounds.needed_with_error(long, 0.1) == 194  # of 1,000 bits, to be right on 90 %
    assert [long.accuracy_ceiling(2**i) for i in range(12)] == sorted(long.accuracy_ceiling(2**i) for i in range(12))
    complements = sx.tasks.create("disjointness", length=2000, negatives=("one",), density=0.5)
    assert complements.accuracy_ceiling(1) == 1.0  # the parity of the ones of a set decides
    assert sx.tasks.create("disjointness", length=2000, layout="interleaved").accuracy_ceiling(0) == 1.0


def test_bad_numbers_are_one_line():
    with pytest.raises(InputError, match="a density in 0 … 1/2"):
        sx.bounds.disjointness_ceiling(3, 0.6, {1: 1.0}, 1)
    with pytest.raises(InputError, match="shares of 1 … 3 common elements, summing to 1"):
        sx.bounds.disjointness_ceiling(3, 0.3, {4: 1.0}, 1)
