"""Ceilings of decisions: no message beats them, tried exhaustively; closed forms are the norms of their matrices."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import separatrix as sx
from separatrix.errors import InputError
from separatrix.tasks.decision_ceiling import splits


def strings(n: int, alphabet: int = 2) -> np.ndarray:
    return np.array(list(itertools.product(range(alphabet), repeat=n)))


def inner_product(n: int) -> np.ndarray:
    return (-1.0) ** (strings(n) @ strings(n).T) / 4**n


def equality(task: sx.tasks.Task) -> np.ndarray:
    """The task's own distribution, pair by pair, with the sign of the answer."""
    n, s = task.length // 2, task.alphabet
    distance = (strings(n, s)[:, None] != strings(n, s)[None]).sum(-1)
    apart = [d for d in (task.distances or sorted({min(2**i, n) for i in range(n.bit_length() + 1)})) if d <= n]
    signed = np.where(distance == 0, 0.5, 0.0)
    for d in apart:
        signed -= (distance == d) * 0.5 / len(apart) / (math.comb(n, d) * (s - 1) ** d)
    return signed / s**n


def disjointness(n: int, density: float) -> np.ndarray:
    """Half disjoint pairs, half with exactly one common element."""
    each = np.array([[1 - 2 * density, density], [density, 0.0]])
    total = np.zeros((2**n, 2**n))
    for (i, x), (j, y) in itertools.product(enumerate(strings(n)), repeat=2):
        factors = each[x, y]
        common = [k for k in range(n) if x[k] and y[k]]
        total[i, j] = 0.5 * factors.prod() if not common else 0.0
        if len(common) == 1:
            total[i, j] -= 0.5 / n * np.delete(factors, common[0]).prod()
    return total


def random_matrix(rows: int, columns: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    weights = draw.exponential(size=(rows, columns)) ** 3
    return weights / weights.sum() * draw.choice([-1, 1], size=weights.shape)


@pytest.mark.parametrize("bits", [0, 1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_no_message_beats_the_ceiling_of_a_random_matrix(seed, bits):
    signed = random_matrix(2 + seed % 6, 3 + seed % 4, seed)
    ceiling = sx.bounds.decision_ceiling(sx.bounds.correlation_norm(signed), bits)
    best = sx.bounds.best_accuracy(signed, bits)
    assert 0.5 <= best <= ceiling + 1e-12
    assert sx.bounds.decision_ceiling(math.sqrt(signed.size) * np.linalg.norm(signed, 2), bits) >= best - 1e-12
    if 2**bits >= len(signed):
        assert best == pytest.approx(1.0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_inner_product_in_closed_form_and_against_every_message(n):
    signed = inner_product(n)
    assert sx.bounds.correlation_norm(signed) == pytest.approx(2 ** (-n / 2))
    for bits in range(n + 1):
        assert sx.bounds.inner_product_ceiling(n, bits) == pytest.approx(min(1, 0.5 + 2 ** ((bits - n) / 2 - 1)))
        assert sx.bounds.best_accuracy(signed, bits) <= sx.bounds.inner_product_ceiling(n, bits) + 1e-12
    assert sx.bounds.inner_product_ceiling(n, n) == 1.0 == pytest.approx(sx.bounds.best_accuracy(signed, n))


@pytest.mark.parametrize(
    ("n", "alphabet", "distances"),
    [(1, 2, None), (2, 2, None), (3, 2, None), (3, 2, (2,)), (5, 2, (1, 4)), (2, 3, (1,)), (3, 3, None)],
)
def test_krawtchouk_sums_are_the_norm_of_equality(n, alphabet, distances):
    task = sx.tasks.create("equality", length=2 * n, alphabet=alphabet, distances=distances)
    signed = equality(task)
    drawn = task.sample(4000, torch.Generator().manual_seed(0))
    first, second = (
        part @ torch.tensor([alphabet**i for i in reversed(range(n))]) for part in task.split(drawn.context)
    )
    counted = np.zeros_like(signed)
    np.add.at(counted, (first.numpy(), second.numpy()), (2 * drawn.targets[:, 0].numpy() - 1) / 4000)
    assert np.abs(counted - signed).max() < 0.03 and not (counted[signed == 0]).any()  # it is the task's distribution
    norm = sx.bounds.correlation_norm(signed)
    for bits in (0, 0.5, 1):
        assert task.accuracy_ceiling(bits) == pytest.approx(sx.bounds.decision_ceiling(norm, bits))
    if alphabet**n <= 9:
        for bits in range(3):
            assert sx.bounds.best_accuracy(signed, bits) <= task.accuracy_ceiling(bits) + 1e-12


def test_equality_is_weak_as_it_must_be():
    """A few random bits nearly decide equality, so no ceiling may forbid it: from two bits on there is none."""
    task = sx.tasks.create("equality", length=60)
    assert task.recurrent_bits() == 30 and task.accuracy_ceiling(0) < 1 and task.accuracy_ceiling(2) == 1.0
    assert sx.tasks.create("equality", length=6, layout="interleaved").accuracy_ceiling(0) == 1.0
    assert sx.bounds.best_accuracy(equality(sx.tasks.create("equality", length=6)), 1) > 0.7


@pytest.mark.parametrize("n", [2, 3])
def test_disjointness_by_enumeration(n):
    signed = disjointness(n, 1 / 3)
    norm = sx.bounds.correlation_norm(signed)
    assert norm < 1
    for bits in range(n):
        assert sx.bounds.best_accuracy(signed, bits) <= sx.bounds.decision_ceiling(norm, bits) + 1e-12


def test_splits_are_all_partitions():
    for count in range(1, 7):
        found = [frozenset(map(frozenset, groups)) for groups in splits(range(count), count)]
        assert len(found) == len(set(found)) == [1, 1, 2, 5, 15, 52, 203][count]
    assert len(list(splits(range(5), 2))) == 16


def test_bounds_with_an_error_turn_the_ceiling_around():
    task = sx.tasks.create("index-lookup", length=50, alphabet=4)
    for error in (0.01, 0.1, 0.3, 0.6):
        bits = sx.bounds.needed_with_error(task, error)
        assert task.accuracy_ceiling(bits) >= 1 - error > task.accuracy_ceiling(bits - 1)
    assert sx.bounds.needed_with_error(task, 0.0) == task.recurrent_bits() == 100
    assert sx.bounds.needed_with_error(task, 0.75) == 0
    assert sx.bounds.needed_with_error(sx.tasks.create("parity", length=50), 0.1) is None
    assert sx.bounds.needed_with_error(sx.tasks.create("equality", length=50), 0.4) == 0
    with pytest.raises(InputError, match=r"error must be in 0 … 1"):
        sx.bounds.needed_with_error(task, 1.5)


def test_bad_matrices_are_one_line():
    with pytest.raises(InputError, match="summing to 1"):
        sx.bounds.correlation_norm(np.ones((2, 2)))
    with pytest.raises(InputError, match="every split of 11 rows is too many"):
        sx.bounds.best_accuracy(np.ones((11, 2)) / 22, 1)
    with pytest.raises(InputError, match="distances must be in 0 … 3"):
        sx.bounds.difference_norm(3, {4: 1.0})
    with pytest.raises(InputError, match="bits >= 0"):
        sx.bounds.decision_ceiling(0.5, -1)
