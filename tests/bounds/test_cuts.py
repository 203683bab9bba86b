"""The two cuts, against values known by hand, an independent enumeration, and machines that solve the task."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import separatrix as sx
from separatrix import InputError
from separatrix.bounds import (
    attention_rows,
    best_attention_cut,
    memory_profile,
    recurrent_rows,
    residual_automaton,
    truth_table,
)
from separatrix.bounds.conflicts import colours, conflict_graph, largest_clique
from separatrix.bounds.table import count_rows


def create(name: str, **parameters):
    return sx.tasks.create(name, **parameters)


@pytest.mark.parametrize(
    ("task", "profile"),
    [
        (create("index-lookup", length=4, alphabet=2), [1, 2, 4, 8, 16]),
        (create("equality", length=6), [1, 2, 4, 8, 5, 3, 2]),
        (create("equality", length=6, layout="interleaved"), [1, 2, 2, 3, 2, 3, 2]),
        (create("disjointness", length=6), [1, 2, 4, 8, 5, 3, 2]),
        (create("bounded-dyck", length=6, kinds=2, depth=1), [1, 3, 2, 3, 2, 3, 2]),
        (create("bounded-dyck", length=6, kinds=2, depth=2), [1, 3, 6, 3, 6, 3, 2]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_memory_profiles_known_by_hand(task, profile):
    assert [rows.count for rows in memory_profile(task)] == profile
    assert [recurrent_rows(task, prefix) for prefix in range(task.length + 1)] == profile


@pytest.mark.parametrize(
    ("task", "held", "rows"),
    [
        (create("index-lookup", length=4, alphabet=2), [0, 1, 2, 3], 2),
        (create("equality", length=6), [0, 1, 2], 8),
        (create("equality", length=6, layout="interleaved"), [0, 2, 4], 8),
        (create("bounded-dyck", length=6, kinds=2, depth=1), [0, 2, 4], 9),
        (create("bounded-dyck", length=6, kinds=2, depth=2), [0, 2, 4], 33),
        (create("group-word", length=4, group="S3"), [0, 2], 36),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_attention_rows_known_by_hand(task, held, rows):
    assert attention_rows(task, held=held) == rows


ENUMERABLE = [
    create("index-lookup", length=4, alphabet=3),
    create("index-lookup", length=3, alphabet=2, offset=1),
    create("index-lookup", length=3, alphabet=2, mixed_lengths=True),
    *(create("bounded-dyck", length=n, kinds=2, depth=k) for n in (4, 6) for k in (1, 2, 3)),
    create("bounded-dyck", length=8, kinds=1, depth=3),
    create("bounded-dyck", length=6, kinds=3, depth=2),
    create("equality", length=8),
    create("equality", length=6, alphabet=3),
    create("equality", length=6, alphabet=3, layout="interleaved"),
    create("equality", length=2, layout="interleaved"),
    create("disjointness", length=8),
    create("disjointness", length=8, layout="interleaved"),
    create("disjointness", length=2, layout="interleaved"),
    create("associative-recall", pairs=2, keys=3, values=2),
    create("associative-recall", pairs=2, keys=4, values=2),
    create("associative-recall", pairs=2, keys=3, values=3, shared=True),
    create("associative-recall", pairs=1, keys=4, values=3),
    create("associative-recall", pairs=3, keys=4, values=2),
    create("associative-recall", pairs=3, keys=3, values=2),
    create("associative-recall", pairs=2, keys=3, values=2, absent=0.5),
    create("associative-recall", pairs=2, keys=4, values=2, absent=0.5),
    create("associative-recall", pairs=1, keys=4, values=3, absent=0.1),
    create("sparse-threshold", length=7),
    create("sparse-threshold", length=8, instance="equality"),
    create("sparse-threshold", length=8, instance="disjointness"),
    create("parity", length=6),
    create("modular-counter", length=7, modulus=3),
    create("modular-counter", length=3, modulus=9),
    create("group-word", length=4, group="S3"),
    create("group-word", length=3, table=((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0))),
]

LOWER_ONLY = {"sparse-threshold"}
"""Tasks whose closed form is a bound from below on the recurrent side too."""


@pytest.mark.parametrize("task", ENUMERABLE, ids=lambda task: f"{task.name}-{task.length}-{task.content_hash()[:4]}")
def test_closed_forms_agree_with_enumeration(task):
    most = max(rows.count for rows in memory_profile(task))
    if task.name in LOWER_ONLY:
        assert task.recurrent_bits() <= math.log2(most) + 1e-9
    else:
        assert task.recurrent_bits() == pytest.approx(math.log2(most), abs=1e-9)
    best = best_attention_cut(task)
    assert task.attention_bits() <= best.bits + 1e-9
    if task.name not in ("bounded-dyck", "sparse-threshold", "associative-recall"):  # at least, says the form
        assert task.attention_bits() == pytest.approx(best.bits, abs=1e-9)


def slowly(function, alphabet: int, length: int, held: list[int]) -> int:
    """Distinct rows, by dictionaries of dictionaries."""
    rows: dict[tuple, dict] = {}
    for context in itertools.product(range(alphabet), repeat=length):
        key = tuple(context[i] for i in held)
        rest = tuple(context[i] for i in range(length) if i not in held)
        rows.setdefault(key, {})[rest] = function(context)
    return len({tuple(sorted(row.items())) for row in rows.values()})


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_functions_against_a_slow_enumeration(data):
    alphabet, length = data.draw(st.sampled_from([(2, 1), (2, 4), (2, 6), (3, 3), (4, 2)]))
    size = alphabet**length
    answers = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    matrix = np.array(answers, dtype=np.uint8).reshape((alphabet,) * length)
    held = data.draw(st.lists(st.integers(0, length - 1), unique=True).map(sorted))
    rest = [i for i in range(length) if i not in held]
    turned = matrix.transpose(*held, *rest).reshape(alphabet ** len(held), -1)

    def function(context):
        return int(matrix[context])

    assert count_rows(turned, None).count == slowly(function, alphabet, length, held)


@pytest.mark.parametrize("task", ENUMERABLE, ids=lambda task: f"{task.name}-{task.length}-{task.content_hash()[:4]}")
def test_the_residual_automaton_solves_the_task_with_as_many_states_as_the_bound(task):
    if not truth_table(task).total:
        with pytest.raises(InputError, match="need not be unique"):
            residual_automaton(task)
        return
    automaton = residual_automaton(task)
    assert automaton.profile == [rows.count for rows in memory_profile(task)]
    generator = torch.Generator().manual_seed(0)
    contexts = torch.stack(
        [torch.randint(len(a), (30,), generator=generator) + a[0] for a in truth_table(task).alphabets], 1
    )
    queries = torch.tensor(list(task.query_values)).expand(30, -1)
    assert [list(automaton.run(c)) for c in contexts.tolist()] == task.answer(contexts, queries).tolist()


def test_an_automaton_is_a_table_a_graph_and_a_drawing():
    automaton = residual_automaton(create("bounded-dyck", length=4, kinds=1, depth=1))
    assert {"position", "state", "token", "next"} == set(automaton.rows()[0])
    assert automaton.dot().startswith("digraph")
    assert automaton.svg().count("<circle") == sum(automaton.profile)
    with pytest.raises(InputError, match="too large to draw"):
        automaton.svg(states=2)
    with pytest.raises(InputError, match="token 5 cannot stand at position 0"):
        automaton.run([5, 0, 0, 0])


@pytest.mark.parametrize(("length", "kinds", "depth"), [(6, 2, 2), (8, 1, 3), (6, 3, 1)])
def test_residual_classes_against_automata_lib(length, kinds, depth):
    from automata.fa.dfa import DFA

    task = create("bounded-dyck", length=length, kinds=kinds, depth=depth)
    automaton = residual_automaton(task)
    states = {f"{t}.{s}" for t, count in enumerate(automaton.profile) for s in range(count)} | {"sink"}
    alphabet = {str(k) for k in range(2 * kinds)}
    moves = {state: dict.fromkeys(alphabet, "sink") for state in states}
    for row in automaton.rows():
        moves[f"{row['position']}.{row['state']}"][str(row["token"])] = f"{row['position'] + 1}.{row['next']}"
    final = {f"{length}.{s}" for s, said in enumerate(automaton.answers) if said == (1,)}
    machine = DFA(states=states, input_symbols=alphabet, transitions=moves, initial_state="0.0", final_states=final)
    dead = sum(1 for t in range(1, length + 1))  # one rejecting class at every prefix length, all of them one sink
    assert len(machine.minify().states) == sum(automaton.profile) - dead + 1


def test_undefined_entries_never_raise_the_bound():
    """Two rows that nowhere contradict each other may share a message."""
    matrix = np.array([[0, 255], [255, 1], [1, 0]], dtype=np.uint8)
    assert count_rows(matrix, 255).count == 2
    assert count_rows(np.array([[255, 255], [0, 1]], dtype=np.uint8), 255).count == 1


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_messages_needed_lie_between_the_clique_and_the_colours(data):
    """Against the chromatic number, by trying all colourings of few rows."""
    size = data.draw(st.integers(1, 6))
    entries = data.draw(st.lists(st.sampled_from([0, 1, 255]), min_size=3 * size, max_size=3 * size))
    rows = np.array(entries, dtype=np.uint8).reshape(size, 3)
    graph = conflict_graph(rows, 255)
    slow = [[any(x != y and 255 not in (x, y) for x, y in zip(a, b, strict=True)) for b in rows] for a in rows]
    assert graph.tolist() == slow
    clique = largest_clique(graph)
    assert all(graph[i, j] for i, j in itertools.combinations(clique, 2))
    needed = next(
        n
        for n in range(1, size + 1)
        for said in itertools.product(range(n), repeat=size)
        if not any(graph[i, j] and said[i] == said[j] for i, j in itertools.combinations(range(size), 2))
    )
    assert len(clique) <= needed <= colours(graph)


def test_many_partial_rows_are_bounded_in_one_pass(monkeypatch):
    task = create("associative-recall", pairs=2, keys=3, values=2)
    held, table = [0, 1, 2, 3], truth_table(task)
    dense = count_rows(table.matrix(held), table.undefined)
    monkeypatch.setattr("separatrix.bounds.table.GRAPH_ROWS", 0)
    single = count_rows(table.matrix(held), table.undefined)
    assert (dense.count, dense.exact) == (4, True)
    assert 1 <= single.count <= 4
    assert not single.exact


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: recurrent_rows(create("equality", length=64), 3),
            r"709,551,616 table entries, .*fits is 26",
        ),
        (lambda: recurrent_rows(create("equality", length=2**60), 3), "astronomically many table entries"),
        (
            lambda: recurrent_rows(create("nearest-neighbor", points=2), 1),
            "vector contexts",
        ),
        (lambda: recurrent_rows(create("parity", length=4), 5), "prefix must be in 0 … 4, got 5"),
        (lambda: attention_rows(create("parity", length=4), [1, 1]), "distinct positions in 0 … 3"),
        (lambda: attention_rows(create("parity", length=4), [4]), "distinct positions in 0 … 3"),
        (lambda: attention_rows(create("index-lookup", length=4), [0], query=9), "query must be in 0 … 3, got 9"),
    ],
)
def test_requests_past_the_budget_or_range_are_refused_at_once(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_function_that_changes_its_mind_is_found_out(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import random\ndef f(context, query):\n    return random.randrange(2)\n")
    with pytest.raises(InputError, match=r"answered \[\d\], then \[\d\]: expected one answer"):
        recurrent_rows(create(f"{path}:f", length=10, alphabet=2, answer_count=2), 3)


def test_a_search_is_not_called_exact():
    found = best_attention_cut(create("equality", length=12), subset_budget=1000)
    assert not found.exact
    assert found.rows.count == 64
    assert "subsets tried" in found.method
