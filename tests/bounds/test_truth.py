"""No bound above the truth: small instances against a brute force that shares no code with the package's tables."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import separatrix as sx
from separatrix.bounds import FixedPointSums
from separatrix.bounds.known_upper import recurrent_upper

LOOKUPS = [(1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (1, 5), (2, 3), (3, 3)]
INNER = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
INSTANCES = [
    *(("index-lookup", {"length": n, "alphabet": s}) for n, s in LOOKUPS),
    *(("index-lookup", {"length": n, "alphabet": 2, "mixed_lengths": True}) for n in (1, 2, 3)),
    *(
        ("bounded-dyck", {"length": n, "kinds": c, "depth": k, "negatives": ["random"]})
        for n, c in [(2, 1), (4, 1), (6, 1), (8, 1), (2, 2), (4, 2), (6, 2), (2, 3), (4, 3)]
        for k in (1, 2, 3)
    ),
    *(
        (name, {"length": n, "layout": layout})
        for name in ("equality", "disjointness")
        for layout in ("concatenated", "interleaved")
        for n in (2, 4, 6, 8)
    ),
    *(("equality", {"length": 4, "alphabet": 3, "layout": layout}) for layout in ("concatenated", "interleaved")),
    *(("parity", {"length": n}) for n in (1, 2, 5)),
    *(("modular-counter", {"length": n, "modulus": m}) for n in (1, 3, 6) for m in (2, 3, 5, 9)),
    *(("group-word", {"length": n, "group": "S3"}) for n in (1, 2, 3)),
    *(("group-word", {"length": n, "table": ((0, 1), (1, 0))}) for n in (1, 2, 4)),
    *(("automaton", {"length": n}) for n in (1, 2, 4, 7)),
    *(("automaton", {"length": n, "transitions": [[1, 2], [2, 0], [0, 1]], "outputs": [0, 1, 2]}) for n in (1, 3, 5)),
    *(
        ("associative-recall", {"pairs": k, "keys": keys, "values": v, "absent": absent})
        for k, keys, v in [(1, 2, 2), (1, 3, 3), (2, 3, 2), (2, 4, 2), (2, 3, 3)]
        for absent in (0.0, 0.5)
    ),
    *(("sparse-threshold", {"length": n}) for n in (1, 2, 3, 4, 5, 6, 7)),
    *(("sparse-threshold", {"length": n, "instance": i}) for n in (2, 4, 6, 8) for i in ("equality", "disjointness")),
    *(("sparse-threshold", {"length": 2 * h, "instance": "inner-product", "threshold": t}) for h, t in INNER),
    *(("sparse-threshold", {"length": n, "instance": i, "k": 2}) for n in (3, 5) for i in ("k-cnf", "k-dnf")),
]  # fmt: skip


def test_there_are_a_hundred_instances():
    assert len(INSTANCES) >= 100


def whole_table(task):
    """{context: tuple of answers, None where nothing is asked} of every context, from the oracle alone."""
    contexts = list(itertools.product(*(task.position_alphabet(i) for i in range(task.length))))
    asked = torch.tensor(list(task.query_values)).expand(len(contexts), -1)
    tensor = torch.tensor(contexts).view(len(contexts), task.length)
    answers, fits, may = task.answer(tensor, asked), task.valid(tensor), task.asked(tensor, asked)
    rows = zip(contexts, answers.tolist(), fits.tolist(), may.tolist(), strict=True)
    return {c: tuple(a if m else None for a, m in zip(row, ask, strict=True)) for c, row, fit, ask in rows if fit}


def rows_of(table, held, query=None):
    """Each assignment of the held places as a dictionary: the rest (and query) to the answer."""
    found = {}
    for context, answers in table.items():
        key = tuple(context[i] for i in held)
        rest = tuple(t for i, t in enumerate(context) if i not in held)
        for q, answer in enumerate(answers):
            if answer is not None and query in (None, q):
                found.setdefault(key, {})[rest, q] = answer
    return list(found.values())


def contradict(one, other):
    return any(other.get(column, answer) != answer for column, answer in one.items())


def messages(rows):
    """At most so many messages are needed: greedy classes of rows that contradict nobody in their class."""
    classes = []
    for row in {tuple(sorted(row.items())): row for row in rows}.values():
        home = next((c for c in classes if not contradict(c, row)), None)
        if home is None:
            classes.append(dict(row))
        else:
            home.update(row)
    return len(classes)


@pytest.mark.parametrize(("name", "parameters"), INSTANCES, ids=str)
def test_no_bound_is_above_what_suffices(name, parameters):
    """One message of `messages` values does suffice at a cut: the most of any prefix, or of any cut for one query."""
    task = sx.tasks.create(name, **parameters)
    table, n = whole_table(task), task.length
    prefixes = [range(t) for t in range(n + 1)]
    state = max(messages(rows_of(table, held)) for held in prefixes)
    known = task.recurrent_bits()
    if known is None:
        assert name == "sparse-threshold" and task.attention_bits() is task.two_way_bits() is None
        return
    assert known <= math.log2(state) + 1e-9
    whole = 2**n * task.query_count * len(table) <= 2**14
    cuts = [held for size in range(n + 1) for held in itertools.combinations(range(n), size)] if whole else [
        range(0, n, 2), range(1, n, 2), *prefixes
    ]  # fmt: skip
    once = {tuple(held): max(messages(rows_of(table, held, q)) for q in range(task.query_count)) for held in cuts}
    assert task.attention_bits() <= math.log2(max(once.values())) + 1e-9
    assert task.two_way_bits() <= math.log2(max(once.values())) + 1e-9
    prefix = max(once[tuple(held)] for held in prefixes)
    assert task.two_way_bits(prefix=True) <= math.log2(prefix) + 1e-9
    assert (
        task.two_way_bits(prefix=True) <= task.two_way_bits() <= task.attention_bits() + 1e-9 or name == "bounded-dyck"
    )
    upper = recurrent_upper(task)
    assert upper is None or upper.size >= math.log2(state) - 1e-9


@pytest.mark.parametrize(
    ("name", "parameters"), [case for case in INSTANCES if "mixed_lengths" not in case[1]], ids=str
)
def test_states_that_are_said_to_suffice_do(name, parameters):
    """One machine for all positions: layers of residual classes, those that can only be rejected as one state."""
    task = sx.tasks.create(name, **parameters)
    upper = recurrent_upper(task)
    if upper is None:
        return
    table, n = whole_table(task), task.length
    dead, layers = set(), 0
    for t in range(n + 1):
        kinds = {tuple(sorted(row.items())) for row in rows_of(table, range(t))}
        lost = {kind for kind in kinds if task.answers == 2 and {answer for _, answer in kind} == {0} and t}
        dead |= {"rejected"} if lost else set()
        layers += len(kinds - lost)
    one_machine = min(layers + len(dead), MACHINES.get(name, lambda task: math.inf)(task))
    assert 2**upper.size >= one_machine


MACHINES = {
    "index-lookup": lambda task: task.alphabet**task.length,
    "bounded-dyck": lambda task: 1 + sum(task.kinds**h for h in range(min(task.depth, task.length // 2) + 1)),
    "equality": lambda task: task.alphabet + 2 if task.layout == "interleaved" else math.inf,
    "disjointness": lambda task: 4 if task.layout == "interleaved" else math.inf,
    "parity": lambda task: 2,
    "modular-counter": lambda task: min(task.modulus, task.length + 1),
    "group-word": lambda task: task.answers,
    "automaton": lambda task: len(task.transitions),
    "sparse-threshold": lambda task: task.length // 2 + 2 if task.instance == "majority" else math.inf,
    "associative-recall": lambda task: 2 ** recurrent_upper(task).size,
}
"""States of machines known by hand; recall's are counted in the test of tables below."""


def smallest_machine(strings, alphabet, most):
    """The fewest states of a machine, the same at every step, that answers these strings: every machine is tried."""
    for states in range(1, most + 1):
        for moves in itertools.product(range(states), repeat=states * alphabet):
            ends = {}
            for string, answer in strings:
                state = 0
                for token in string:
                    state = moves[state * alphabet + token]
                if ends.setdefault(state, answer) != answer:
                    break
            else:
                return states
    return None


@pytest.mark.parametrize(
    ("name", "parameters", "states"),
    [
        ("bounded-dyck", {"length": 4, "kinds": 1, "depth": 1}, 3),  # seen: "1 bit" was said to suffice
        ("parity", {"length": 4}, 2),
        ("modular-counter", {"length": 3, "modulus": 3}, 3),
        ("equality", {"length": 2}, 2),  # the parity of both bits
    ],
)
def test_machines_found_by_search_have_no_fewer_states_than_bound_and_no_more_than_known(name, parameters, states):
    task = sx.tasks.create(name, **parameters)
    found = smallest_machine([(c, a[0]) for c, a in whole_table(task).items()], task.alphabet_size, 3)
    assert found == states
    assert task.recurrent_bits() <= math.log2(found) <= recurrent_upper(task).size


def solvable(bits):
    """For each function of three bits, whether one head of width 1 computes it with exact sums in fixed point.

    Every table of weights 0 … 2^p - 1 and values -2^(p-1) … 2^(p-1) - 1 for place and token is tried.
    """
    numbers = {(w, w * v) for w in range(2**bits) for v in range(-(2 ** (bits - 1)), 2 ** (bits - 1))}
    numbers = np.array(sorted(numbers))
    tables = np.array(list(itertools.product(range(len(numbers)), repeat=6))).reshape(-1, 3, 2)
    found = set()
    contexts = list(itertools.product((0, 1), repeat=3))
    for part in np.array_split(tables, max(1, len(tables) // 2**16)):
        chosen = numbers[part]  # (tables, place, token, weight or product)
        sums = np.stack([sum(chosen[:, i, t] for i, t in enumerate(c)) for c in contexts], axis=1)
        quotient = np.where(sums[..., 0] == 0, 0.0, sums[..., 1] / np.maximum(sums[..., 0], 1))
        same = np.abs(quotient[:, :, None] - quotient[:, None]) < 1e-9
        for pattern in np.unique(same.reshape(len(same), -1), axis=0):
            groups = pattern.reshape(8, 8).argmax(axis=1)
            kinds = sorted(set(groups.tolist()))
            for answer in itertools.product((0, 1), repeat=len(kinds)):
                found.add(tuple(answer[kinds.index(g)] for g in groups))
    return found


def test_models_found_by_search_obey_the_bound_in_fixed_point():
    """All 256 functions of three bits: who is solved at width 1 of one bit a number is asked for no more."""
    solved = solvable(1)
    assert 50 < len(solved) < 256
    arithmetic = FixedPointSums(1, 0)
    for answers in solved:
        table = np.array(answers).reshape(2, 2, 2)
        most = 1
        for size in (1, 2, 3):
            for held in itertools.combinations(range(3), size):
                turned = np.moveaxis(table, held, range(size)).reshape(2**size, -1)
                most = max(most, len(np.unique(turned, axis=0)))
        assert math.log2(most) <= arithmetic.capacity(1, 1, 3)
        assert arithmetic.smallest_width(math.log2(most), 1, 3) == 1


def test_tables_of_pairs_are_counted():
    """Every state of a machine that keeps pairs, by writing down what it has seen."""
    for pairs, keys, values in [(1, 2, 2), (2, 3, 2), (2, 4, 2), (2, 3, 3)]:
        seen = {()}
        for k in range(1, pairs + 1):
            for order in itertools.permutations(range(keys), k):
                for told in itertools.product(range(values), repeat=k):
                    table = frozenset(zip(order, told, strict=True))
                    before = frozenset(zip(order[:-1], told[:-1], strict=True))
                    seen |= {(table, None), (before, order[-1])}
        task = sx.tasks.create("associative-recall", pairs=pairs, keys=keys, values=values)
        assert recurrent_upper(task).size == math.ceil(math.log2(len(seen)))
