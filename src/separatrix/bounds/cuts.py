"""The two cuts: one idea behind every lower bound, computed by enumeration.

Split the input into a held part and the rest. Whoever holds the held part sends one message, from which all answers
must follow; so there are at least as many messages as different rows of the matrix held × rest → answer.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from separatrix.bounds.stream_table import BUDGET as LABELS
from separatrix.bounds.stream_table import stream_table
from separatrix.bounds.table import BUDGET, Rows, table_entries, truth_table
from separatrix.bounds.two_way import CrossingSet, crossing_set
from separatrix.errors import InputError
from separatrix.notebook import Shown
from separatrix.tasks import Problem, StreamTask, Task
from separatrix.tasks.base import context_task

SUBSET_BUDGET = 2**30
"""Most table entries looked at over all subsets before a search takes the place of trying them all."""


def recurrent_cut(task: Problem, prefix: int, budget: int = BUDGET) -> Rows:
    """The recurrent cut: held = the first `prefix` tokens, the rest = the others and the query.

    The message is the state: m p >= log2 rows for every prefix. Rows are Myhill–Nerode classes, so that the residual
    automaton attains the bound. Prefixes of a stream are told apart by all later labels.

    >>> task = sx.tasks.create("index-lookup", length=4, alphabet=4)
    >>> [sx.bounds.recurrent_cut(task, prefix=prefix).count for prefix in range(5)]
    [1, 4, 16, 64, 256]
    """
    if not 0 <= prefix <= task.length:
        raise InputError(f"prefix must be in 0 … {task.length}, got {prefix}")
    if isinstance(task, StreamTask):
        return stream_table(task, min(budget, LABELS)).prefix_rows(prefix)
    return truth_table(context_task(task), budget).rows(range(prefix))


def recurrent_rows(task: Problem, prefix: int) -> int:
    """Different rows of the recurrent cut after `prefix` tokens, query unknown. Raises InputError past the budget.

    >>> sx.bounds.recurrent_rows(sx.tasks.create("index-lookup", length=4, alphabet=4), prefix=3)
    64
    """
    return recurrent_cut(task, prefix).count


def memory_profile(task: Problem, budget: int = BUDGET) -> list[Rows]:
    """The recurrent cut at every prefix, from 0 to the whole context.

    >>> [rows.count for rows in sx.bounds.memory_profile(sx.tasks.create("equality", length=6))]
    [1, 2, 4, 8, 5, 3, 2]
    >>> [rows.count for rows in sx.bounds.memory_profile(sx.tasks.create("flip-flop", length=6))]
    [1, 1, 2, 3, 2, 1, 1]
    """
    return [recurrent_cut(task, prefix, budget) for prefix in range(task.length + 1)]


def attention_cut(task: Task, held: Sequence[int], query: int | None = None, budget: int = BUDGET) -> Rows:
    """The attention cut: held = any context positions, the query public (None: the query with the most rows).

    The message is each head's partial sums: m (2p + L) + H (p + L) >= log2 rows in fixed point; see `arithmetic`.

    >>> task = sx.tasks.create("equality", length=6)
    >>> sx.bounds.attention_cut(task, held=range(3)).count, sx.bounds.attention_cut(task, held=[0, 3]).count
    (8, 2)
    """
    held = sorted(held)
    if len(set(held)) < len(held) or (held and not 0 <= held[0] <= held[-1] < task.length):
        raise InputError(f"held must be distinct positions in 0 … {task.length - 1}, got {list(held)}")
    table = truth_table(task, budget)
    if query is not None and query not in task.query_values:
        raise InputError(f"query must be in {task.query_values[0]} … {task.query_values[-1]}, got {query}")
    asked = range(task.query_count) if query is None else [task.query_values.index(query)]
    return max((table.rows(held, q) for q in asked), key=lambda rows: rows.count)


def attention_rows(task: Task, held: Sequence[int], query: int | None = None) -> int:
    """Different rows of the attention cut at `held`, query public (None: best query). InputError past the budget.

    >>> sx.bounds.attention_rows(sx.tasks.create("index-lookup", length=4, alphabet=4), held=[0, 2], query=2)
    4
    """
    return attention_cut(task, held, query).count


@dataclass(frozen=True)
class BestCut(Shown):
    """The attention cut with the most rows: which positions, and whether all subsets were tried.

    >>> cut = sx.bounds.best_attention_cut(sx.tasks.create("equality", length=6))
    >>> cut.rows.count, len(cut.held), cut.exact
    (8, 3, True)
    """

    held: tuple[int, ...]
    rows: Rows
    exact: bool
    method: str
    place: int | None = None
    """Of a stream: where the label stands; the token there is public."""

    @property
    def bits(self) -> float:
        """log2 of the rows."""
        return math.log2(self.rows.count)


def best_attention_cut(task: Problem, budget: int = BUDGET, subset_budget: int = SUBSET_BUDGET) -> BestCut:
    """The held positions with the most rows: over all subsets where that is affordable, otherwise by search.

    The search climbs from halves, odd and even positions and random subsets, adding or taking one position at a time;
    its result is a proved lower bound, but not called exact. A stream is cut at each of its places.

    >>> sx.bounds.best_attention_cut(sx.tasks.create("index-lookup", length=4, alphabet=4)).rows.count
    4
    """
    if isinstance(task, StreamTask):
        return _best_place(task, min(budget, LABELS), subset_budget)
    task = context_task(task)
    if table_entries(task) * 2**task.length <= subset_budget:
        subsets = [s for size in range(task.length + 1) for s in combinations(range(task.length), size)]
        rows = {held: attention_cut(task, held, budget=budget) for held in subsets}
        best = max(rows, key=lambda held: rows[held].count)
        return BestCut(best, rows[best], rows[best].exact, f"all {len(subsets)} subsets")
    return _climb(task, budget)


def _best_place(task: StreamTask, budget: int, subset_budget: int) -> BestCut:
    """The best of all places and subsets before them; of beginnings, endings, odd and even places if there are many."""
    table = stream_table(task, budget)
    everything = sum(2**place * math.prod(table.shape[: place + 1]) for place in range(task.length)) <= subset_budget
    cuts = [(place, held) for place in range(task.length) for held in _held_before(place, everything)]
    rows = {(place, held): table.place_rows(held, place) for place, held in cuts}
    place, held = max(rows, key=lambda cut: rows[cut].count)
    best, words = rows[place, held], "all subsets before each place" if everything else "some subsets before each place"
    return BestCut(held, best, everything and best.exact, words, place)


def _held_before(place: int, everything: bool) -> list[tuple[int, ...]]:
    if everything:
        return [held for size in range(place + 1) for held in combinations(range(place), size)]
    parts = [range(cut) for cut in range(place + 1)] + [range(cut, place) for cut in range(1, place)]
    return [tuple(part) for part in [*parts, range(0, place, 2), range(1, place, 2)]]


def two_way_cut(task: Problem, held: Sequence[int], budget: int = BUDGET, place: int | None = None) -> CrossingSet:
    """A fooling set of the attention cut at `held`, for the query that has the largest: for messages both ways.

    place: of a stream, where the label stands (default: the last place); the token there takes the query's part

    >>> len(sx.bounds.two_way_cut(sx.tasks.create("equality", length=6), held=range(3)).pairs)
    8
    >>> len(sx.bounds.two_way_cut(sx.tasks.create("composition", length=4, values=3, hops=1), held=range(3)).pairs)
    3
    """
    if isinstance(task, StreamTask):
        stream = stream_table(task, min(budget, LABELS))
        matrices = stream.matrices(held, task.length - 1 if place is None else place)
        kept = (matrix for matrix in matrices if (matrix != stream.undefined).any())
        return max((crossing_set(each, stream.undefined) for each in kept), key=_size, default=CrossingSet(()))
    task = context_task(task)
    table = truth_table(task, budget)
    undefined = None if table.total else table.undefined
    found = (crossing_set(table.matrix(held, query), undefined) for query in range(task.query_count))
    return max(found, key=_size)


def _size(found: CrossingSet) -> int:
    return len(found.pairs)


def best_two_way_cut(task: Problem, budget: int = BUDGET) -> CrossingSet:
    """The largest fooling set found of prefixes, of the cut with the most rows, and of odd and of even places.

    Of a stream at the place where that cut is.

    >>> found = sx.bounds.best_two_way_cut(sx.tasks.create("equality", length=6))
    >>> len(found.pairs), found.bits
    (8, 3.0)
    """
    best = best_attention_cut(task, budget)
    n = task.length if best.place is None else best.place
    cuts = {best.held, tuple(range(0, n, 2)), tuple(range(1, n, 2))}
    found = [two_way_cut(task, held, budget, best.place) for held in sorted(cuts)]
    return max(*found, best_prefix_cut(task, budget), key=_size)


def best_prefix_cut(task: Problem, budget: int = BUDGET) -> CrossingSet:
    """The largest fooling set of a prefix cut, the query public, that is found; of a stream at its best place.

    >>> sx.bounds.best_prefix_cut(sx.tasks.create("equality", length=6)).bits
    3.0
    >>> len(sx.bounds.best_prefix_cut(sx.tasks.create("state-tracking", length=4, machine="S3")).pairs)
    6
    """
    place = best_attention_cut(task, budget).place if isinstance(task, StreamTask) else None
    last = task.length if place is None else place
    cuts = (two_way_cut(task, range(prefix), budget, place) for prefix in range(1, last + 1))
    return max(cuts, key=_size, default=CrossingSet(()))


def _climb(task: Task, budget: int) -> BestCut:
    n = task.length
    draw = random.Random(0)
    starts = [tuple(range(n // 2)), tuple(range(n // 2, n)), tuple(range(0, n, 2)), tuple(range(1, n, 2)), (0,)]
    starts += [tuple(sorted(draw.sample(range(n), n // 2))) for _ in range(3)]
    known: dict[tuple[int, ...], Rows] = {}

    def rows(held: tuple[int, ...]) -> Rows:
        if held not in known:
            known[held] = attention_cut(task, held, budget=budget)
        return known[held]

    best = starts[0]
    for start in starts:
        held = start
        while True:
            near = [tuple(sorted(set(held) ^ {i})) for i in range(n)]
            better = max(near, key=lambda other: rows(other).count)
            if rows(better).count <= rows(held).count:
                break
            held = better
        best = max(best, held, key=lambda other: rows(other).count)
    return BestCut(best, known[best], False, f"climbing from {len(starts)} starts, {len(known)} subsets tried")
