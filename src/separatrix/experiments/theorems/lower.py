"""Lower bounds run: closed forms against enumerations of the cuts; automata, fooling sets and ranks that meet them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any, Literal

import torch

from separatrix.bounds import (
    accuracy_ceiling,
    best_attention_cut,
    best_prefix_cut,
    best_two_way_cut,
    fooling_set,
    memory_profile,
    rank,
    residual_automaton,
)
from separatrix.bounds.arithmetic import ANY
from separatrix.bounds.table import truth_table
from separatrix.experiments.theorems.findings import Finding, title
from separatrix.tasks import Problem, Task, create

Side = Literal["recurrent", "attention", "two-way", "rounded"]

LOWER: list[tuple[str, dict[str, Any], list[int]]] = [
    ("index-lookup", {"alphabet": 2}, [1, 2, 4, 6, 8]),
    ("index-lookup", {"alphabet": 3}, [1, 2, 4, 5]),
    ("bounded-dyck", {"kinds": 2, "depth": 1}, [2, 4, 6, 8]),
    ("bounded-dyck", {"kinds": 2, "depth": 2}, [4, 6, 8]),
    ("equality", {"layout": "concatenated"}, [2, 4, 6, 8]),
    ("equality", {"layout": "interleaved"}, [4, 6, 8]),
    ("disjointness", {"layout": "concatenated"}, [2, 4, 6, 8]),
    ("disjointness", {"layout": "interleaved"}, [4, 6, 8]),
    ("associative-recall", {"keys": 3, "values": 2}, [2, 4, 6]),
    ("sparse-threshold", {"instance": "majority"}, [3, 5, 8]),
    ("sparse-threshold", {"instance": "inner-product", "threshold": 2}, [4, 6, 8]),
    ("parity", {}, [2, 4, 8]),
    ("modular-counter", {"modulus": 3}, [2, 4, 6]),
    ("group-word", {"group": "S3"}, [2, 3, 4]),
    ("automaton", {}, [3, 5, 8]),
]
"""Tasks whose closed forms are compared with the enumeration of both cuts."""

SIDES: dict[Side, tuple[str, str]] = {
    "recurrent": ("a recurrent model's state takes at least the closed form", ANY),
    "attention": (
        "one-layer attention sends at least the closed form, one message",
        "exact sums, no maximum subtracted",
    ),
    "two-way": ("one-layer attention exchanges at least the closed form", "exact sums, maximum subtracted"),
    "rounded": ("one-layer attention exchanges at least the closed form", "every result rounded, sums in order"),
}
"""What each cut says, and the arithmetic it says it in."""


def enumerated(name: str, parameters: dict[str, Any], lengths: list[int], side: Side) -> Finding:
    """The closed form against the enumeration of one cut: the enumeration may find more rows, never fewer."""
    holds, measured, bound = True, 0.0, 0.0
    for length in lengths:
        task = create(name, length=length, **parameters)
        measured, bound = _bits(task, side), _closed(task, side) or 0.0
        holds &= measured >= bound - 1e-9
    statement, arithmetic = SIDES[side]
    cuts: dict[Side, str] = {
        "recurrent": "all prefix cuts",
        "attention": "all cuts, query known",
        "two-way": "fooling sets of promising cuts",
        "rounded": "a fooling set of each prefix",
    }
    return Finding(
        subject=title(name, parameters),
        statement=statement,
        kind="lower bound",
        ran=f"{cuts[side]}, N = {', '.join(map(str, lengths))}; shown: {lengths[-1]}",
        measured=measured,
        bound=bound,
        unit="bits",
        holds=holds,
        arithmetic=arithmetic,
        known="proved",
    )


def _bits(task: Task, side: Side) -> float:
    match side:
        case "recurrent":
            return max(math.log2(rows.count) for rows in memory_profile(task))
        case "attention":
            return best_attention_cut(task).bits
        case "two-way":
            return best_two_way_cut(task).bits
    return best_prefix_cut(task).bits


def _closed(task: Task, side: Side) -> float | None:
    match side:
        case "recurrent":
            return task.recurrent_bits()
        case "attention":
            return task.attention_bits()
    return task.two_way_bits(prefix=side == "rounded")


def tight(name: str, parameters: dict[str, Any]) -> Finding:
    """The residual automaton has as many states at each position as the cut has rows, and answers every input."""
    task = create(name, **parameters)
    bits = max(math.log2(rows.count) for rows in memory_profile(task))
    automaton = residual_automaton(task)
    contexts = every_context(task)
    queries = torch.tensor(list(task.query_values)).expand(len(contexts), -1)
    right = task.answer(contexts, queries).tolist()
    wrong = sum(list(automaton.run(c)) != a for c, a in zip(contexts.tolist(), right, strict=True))
    return Finding(
        subject=title(name, parameters),
        statement="the recurrent bound is met by an automaton that is told the position",
        kind="tightness",
        ran=f"the residual automaton on all {len(contexts):,} contexts of length {task.length}: {wrong} wrong",
        measured=automaton.bits,
        bound=bits,
        unit="bits",
        holds=wrong == 0 and abs(automaton.bits - bits) < 1e-9,
        arithmetic=ANY,
        known="proved",
    )


def witness(name: str, parameters: dict[str, Any], held: int, kind: Literal["fooling set", "rank"]) -> Finding:
    """A fooling set, or the rank, of the cut after the first half: found, and checked by its own definition."""
    task = create(name, **parameters)
    matrix = truth_table(task).matrix(range(held), query=0)
    found = fooling_set(matrix) if kind == "fooling set" else rank(matrix)
    found.check(matrix)
    bound = task.two_way_bits(prefix=True) or 0.0
    return Finding(
        subject=title(name, parameters),
        statement=f"log2 of a {kind} bounds what is exchanged, both ways",
        source="Kushilevitz and Nisan 1997",
        kind="lower bound",
        ran=f"the {kind} of the {matrix.shape[0]} × {matrix.shape[1]} matrix of the first half, checked",
        measured=found.bits,
        bound=bound,
        unit="bits",
        holds=found.bits >= bound - 1e-9,
        arithmetic="exact sums with the maximum subtracted, and every result rounded in order",
        known="proved",
    )


def conjunction(length: int) -> Finding:
    """Disjointness as a 2-CNF: so some k-CNF of N / 2 clauses needs N / 2 bits of any recurrent state."""
    half = length // 2
    clauses = [{"positions": [i, half + i], "table": [1, 1, 1, 0]} for i in range(half)]
    task = create("sparse-threshold", length=length, instance="custom", threshold=half, features=clauses)
    return Finding(
        subject=f"2-CNF of {half} clauses, length {length}",
        statement="formulas in conjunctive normal form need a linear state",
        kind="lower bound",
        ran="all prefix cuts of the formula that says that two sets are disjoint",
        measured=_bits(task, "recurrent"),
        bound=float(half),
        unit="bits",
        holds=_bits(task, "recurrent") >= half,
        arithmetic=ANY,
        known="proved",
    )


def nearest(dimension: int) -> Finding:
    """The points +-e_i, all labellings, each asked at every point: each labelling is a residual class of its own."""
    points = torch.cat([torch.eye(dimension), -torch.eye(dimension)])
    task = create("nearest-neighbor", points=2 * dimension, dimension=dimension, labels=2, margin=1.0)
    labels = torch.tensor(list(product((0, 1), repeat=len(points))))
    context = torch.zeros(len(labels), len(points), 2, task.vector_size or 0)
    context[:, :, 0, :dimension] = points
    context[:, :, 1, dimension:] = torch.nn.functional.one_hot(labels, 2).float()
    asked = torch.nn.functional.pad(points, (0, 2)).expand(len(labels), -1, -1)
    answers = task.answer(context.flatten(1, 2), asked)
    rows = len(answers.unique(dim=0))
    bound = task.recurrent_bits() or 0.0
    return Finding(
        subject=f"nearest-neighbor, {len(points)} points, margin 1",
        statement="a recurrent model's state takes at least the closed form",
        kind="lower bound",
        ran=f"all {len(labels)} labellings of the points +-e_i, each point asked: rows told apart by the oracle",
        measured=math.log2(rows),
        bound=bound,
        unit="bits",
        holds=math.log2(rows) >= bound - 1e-9,
        arithmetic=ANY,
        known="proved",
    )


def ceiling() -> Finding:
    """Keeping as many tokens as fit and guessing the others never scores above the ceiling."""
    length, alphabet = 400, 64
    scores = {kept: kept / length + (1 - kept / length) / alphabet for kept in range(0, length + 1, 20)}
    tops = {kept: accuracy_ceiling(length, alphabet, 6 * kept) for kept in scores}
    half = length // 2
    return Finding(
        subject="index-lookup, alphabet 64, length 400",
        statement="a state of M bits scores at most the rate–distortion ceiling",
        kind="ceiling",
        ran=f"states that keep 0 … {length} tokens over {alphabet} and guess the others; {half} kept is shown",
        measured=scores[half],
        bound=tops[half],
        unit="accuracy",
        holds=all(scores[kept] <= tops[kept] + 1e-9 for kept in scores),
        arithmetic=ANY,
        known="proved",
    )


def every_context(task: Problem) -> torch.Tensor:
    """Int[B, N]: all contexts of a task's length, also those outside its domain."""
    alphabets = [torch.tensor(list(task.position_alphabet(i))) for i in range(task.length)]
    return torch.cartesian_prod(*alphabets).reshape(-1, task.length)


def lower_bounds() -> list[tuple[Callable[..., Finding], tuple[Any, ...]]]:
    """Everything here, as functions with their arguments."""
    runs: list[tuple[Callable[..., Finding], tuple[Any, ...]]] = []
    for name, parameters, lengths in LOWER:
        runs += [(enumerated, (name, parameters, lengths, side)) for side in SIDES]
        if truth_table(create(name, length=lengths[-1], **parameters)).total:  # else no smallest automaton is unique
            runs.append((tight, (name, {**parameters, "length": lengths[-1]})))
    for name in ("equality", "disjointness"):
        runs += [(witness, (name, {"length": 8}, 4, kind)) for kind in _KINDS[name]]
    runs.append((witness, ("sparse-threshold", {"length": 8, "instance": "inner-product", "threshold": 2}, 4, "rank")))
    return [*runs, (conjunction, (8,)), (nearest, (3,)), (ceiling, ())]


_KINDS = {"equality": ("fooling set", "rank"), "disjointness": ("rank",)}
"""What is found greedily: a fooling set for disjointness of full size takes luck."""
