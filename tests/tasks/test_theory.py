"""Closed forms against brute force, by dictionaries and lists and nothing else."""

from __future__ import annotations

import math
from itertools import combinations, product

import mpmath
import networkx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_automata import automata

import separatrix as sx
from separatrix.tasks.logarithms import log2_add, log2_binomial, log2_power_sum
from separatrix.tasks.packing import cube_points, sphere_points

SMALL = [
    ("bounded-dyck", {"length": 6, "kinds": 2, "depth": 1}),
    ("bounded-dyck", {"length": 6, "kinds": 2, "depth": 2}),
    ("bounded-dyck", {"length": 6, "kinds": 2, "depth": 3}),
    ("bounded-dyck", {"length": 10, "kinds": 1, "depth": 3}),
    ("bounded-dyck", {"length": 4, "kinds": 3, "depth": 9}),
    ("bounded-dyck", {"length": 2, "kinds": 3, "depth": 1}),
    ("equality", {"length": 6}),
    ("equality", {"length": 6, "layout": "interleaved"}),
    ("disjointness", {"length": 6, "layout": "interleaved"}),
    ("sparse-threshold", {"length": 7}),
    ("sparse-threshold", {"length": 8}),
    ("sparse-threshold", {"length": 8, "instance": "inner-product", "threshold": 2}),
    ("sparse-threshold", {"length": 8, "instance": "inner-product", "threshold": 4}),
    ("associative-recall", {"pairs": 2, "keys": 3, "values": 2, "absent": 0.5}),
    ("associative-recall", {"pairs": 3, "keys": 4, "values": 2, "absent": 0.5}),
    ("associative-recall", {"pairs": 3, "keys": 3, "values": 2}),
    ("associative-recall", {"pairs": 1, "keys": 3, "values": 2}),
    ("associative-recall", {"pairs": 2, "keys": 3, "values": 2}),
    ("associative-recall", {"pairs": 2, "keys": 4, "values": 2}),
    ("associative-recall", {"pairs": 2, "keys": 3, "values": 3}),
    ("associative-recall", {"pairs": 3, "keys": 4, "values": 2}),
    ("index-lookup", {"length": 3, "alphabet": 2, "mixed_lengths": True}),
    ("index-lookup", {"length": 2, "alphabet": 3, "mixed_lengths": True}),
    ("group-word", {"length": 3, "group": "S3"}),
    ("automaton", {"length": 6}),
    ("automaton", {"length": 5, "transitions": [[1, 2], [3, 0], [0, 1], [3, 2]], "outputs": [0, 1, 2, 1], "start": 2}),
]


def answers(task):
    """Every valid context with its answers to all queries, in order; None where they may not be asked."""
    contexts = torch.tensor(list(product(*(task.position_alphabet(i) for i in range(task.length)))))
    contexts = contexts[task.valid(contexts)]
    queries = torch.tensor(list(task.query_values)).expand(len(contexts), -1)
    said = task.answer(contexts, queries).masked_fill(~task.asked(contexts, queries), -1).tolist()
    return [(tuple(c), tuple(None if a < 0 else a for a in s)) for c, s in zip(contexts.tolist(), said, strict=True)]


def messages(table, held: list[int], length: int, query: int | None = None) -> int:
    """Held assignments no two of which may share a message: the most that contradict each other pairwise."""
    rows: dict[tuple, dict] = {}
    for context, said in table:
        rest = tuple(context[i] for i in range(length) if i not in held)
        entries = {(rest, q): a for q, a in enumerate(said) if a is not None and query in (None, q)}
        rows.setdefault(tuple(context[i] for i in held), {}).update(entries)
    kinds = list({tuple(sorted(row.items())): row for row in rows.values()}.values())
    if len({frozenset(row) for row in rows.values()}) == 1:  # all entries defined: different rows contradict each other
        return len(kinds)
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(kinds)))
    for i, j in combinations(range(len(kinds)), 2):
        if any(kinds[j].get(place, said) != said for place, said in kinds[i].items()):
            graph.add_edge(i, j)
    return len(networkx.max_weight_clique(graph, weight=None)[0])


@pytest.mark.parametrize(("name", "parameters"), SMALL)
def test_recurrent_bits_are_reached_by_the_residual_classes(name, parameters):
    task = sx.tasks.create(name, **parameters)
    table = answers(task)
    most = max(messages(table, list(range(t)), task.length) for t in range(task.length + 1))
    if name == "sparse-threshold" and parameters.get("instance") == "inner-product":
        assert task.recurrent_bits() <= math.log2(most) + 1e-9
        half = messages(table, list(range(task.length // 2)), task.length)
        assert task.recurrent_bits() == pytest.approx(math.log2(half))
    else:
        assert task.recurrent_bits() == pytest.approx(math.log2(most))


@pytest.mark.parametrize(("name", "parameters"), SMALL)
def test_attention_bits_are_reached_by_some_subset(name, parameters):
    task = sx.tasks.create(name, **parameters)
    table = answers(task)
    places = range(task.length)
    sets = [list(places[0::2]), list(places[1::2]), *([*places[:t]] for t in range(task.length + 1))]
    if task.length <= 6:
        sets = [list(held) for size in range(task.length + 1) for held in combinations(places, size)]
    most = max(messages(table, held, task.length, query) for held in sets for query in range(task.query_count))
    assert task.attention_bits() <= math.log2(most) + 1e-9


@pytest.mark.parametrize(
    ("kinds", "depth", "length", "rows"), [(2, 1, 6, 9), (2, 2, 6, 33), (3, 2, 4, 19), (1, 2, 10, 17), (2, 3, 6, 33)]
)
def test_holding_the_odd_places_of_bounded_dyck_is_counted_exactly(kinds, depth, length, rows):
    task = sx.tasks.create("bounded-dyck", length=length, kinds=kinds, depth=depth)
    assert task.attention_bits() == pytest.approx(math.log2(rows))
    assert messages(answers(task), list(range(0, length, 2)), length, 0) == rows


@settings(max_examples=25, deadline=None)
@given(automata(st.integers(1, 6)))
def test_recurrent_bits_of_any_automaton_count_its_residual_classes(parameters):
    task = sx.tasks.create("automaton", **parameters)
    table = answers(task)
    most = max(messages(table, list(range(t)), task.length) for t in range(task.length + 1))
    assert task.recurrent_bits() == pytest.approx(math.log2(most))


def test_bounds_of_huge_tasks_are_finite():
    counter = [[(i + 1) % 12, i] for i in range(12)]
    assert sx.tasks.create("automaton", length=2**60, transitions=counter, outputs=range(12)).recurrent_bits() == (
        pytest.approx(math.log2(12))
    )
    dyck = sx.tasks.create("bounded-dyck", length=2**60, kinds=3, depth=2**40)
    assert dyck.recurrent_bits() == pytest.approx(2**40 * math.log2(3), rel=1e-9)
    assert dyck.attention_bits() == pytest.approx(2**59 * math.log2(6), rel=1e-9)
    recall = sx.tasks.create("associative-recall", pairs=2**40, keys=2**50, values=2, absent=0.5)
    assert recall.recurrent_bits() > 2**40 * 10


@pytest.mark.parametrize(("n", "k"), [(300, 150), (2**60, 2**30), (2**60, 2**59), (10**6, 10**5), (5, 0), (5, 5)])
def test_binomials(n, k):
    with mpmath.workdps(60):
        exact = mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)
        exact = float(exact / mpmath.log(2))
    assert log2_binomial(n, k) == pytest.approx(exact, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("base", "low", "high", "step", "plus"),
    [(2, 0, 5, 1, 0), (3, 1, 7, 2, 1), (1, 0, 9, 2, 1), (2, 0, 5000, 1, 1), (7, 1, 3001, 2, 1), (5, 0, 0, 2, 0)],
)
def test_power_sums(base, low, high, step, plus):
    assert log2_power_sum(base, low, high, step, plus) == pytest.approx(
        math.log2(plus + sum(base**i for i in range(low, high + 1, step))), rel=1e-13
    )


def test_sums_of_logarithms():
    assert log2_add(3.0, 3.0) == 4
    assert log2_add(0.0, 5000.0) == 5000


@pytest.mark.parametrize(("d", "margin"), [(2, 0.3), (2, 1.0), (3, 0.5), (8, 0.4), (5, 1.2), (1, 0.5), (6, 2.0)])
def test_as_many_points_fit_on_the_sphere_as_is_said(d, margin):
    """Points are placed one by one, each where it is furthest from the others among many random places."""
    wanted = min(sphere_points(d, margin), 40)
    if d == 2:
        angles = torch.arange(wanted, dtype=torch.float64) * (2 * math.pi / wanted)
        placed = torch.stack([angles.cos(), angles.sin()], dim=1)
    elif wanted <= 2 * d:
        simplex = torch.eye(d + 1, dtype=torch.float64) - 1 / (d + 1)
        cross = torch.cat([torch.eye(d, dtype=torch.float64), -torch.eye(d, dtype=torch.float64)])
        placed = (simplex / simplex.norm(dim=1, keepdim=True)) if wanted == d + 1 else cross[: 2 * d]
        placed = torch.stack([cross[0], cross[d]]) if wanted == 2 else placed
    else:
        many = torch.randn(20000, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        many /= many.norm(dim=1, keepdim=True)
        placed = many[:1]
        while len(placed) < wanted:
            placed = torch.cat([placed, many[(many @ placed.T).amax(dim=1).argmin()][None]])
    inner = placed @ placed.T - 4 * torch.eye(len(placed), dtype=torch.float64)
    assert len(placed) >= wanted
    assert inner.max() <= 1 - margin + 1e-9


@pytest.mark.parametrize(("d", "margin"), [(4, 0.1), (6, 0.5), (6, 1.0), (8, 0.75), (3, 2.0)])
def test_as_many_points_fit_on_the_cube_as_is_said(d, margin):
    words, chosen = list(product([-1, 1], repeat=d)), []
    for word in words:
        if all(sum(x * y for x, y in zip(word, other, strict=True)) / d <= 1 - margin + 1e-9 for other in chosen):
            chosen.append(word)
    assert cube_points(d, margin) <= len(chosen)


def test_a_margin_limits_what_nearest_neighbour_is_proved_to_need():
    free = sx.tasks.create("nearest-neighbor", points=50, dimension=2, margin=0)
    wide = sx.tasks.create("nearest-neighbor", points=50, dimension=2, margin=0.5)
    assert free.recurrent_bits() == 50
    assert wide.recurrent_bits() == 6  # a hexagon
