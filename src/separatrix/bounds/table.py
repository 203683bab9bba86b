"""A task's truth table at one length, and the rows of its cuts: what one side of the input must hand over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

import numpy as np
import torch

from separatrix.bounds.conflicts import colours, conflict_graph, largest_clique
from separatrix.errors import InputError
from separatrix.notebook import Shown
from separatrix.tasks import Task

BUDGET = 2**27
"""Most entries a table may have; at one byte each (two for more than 254 answers)."""

_BLOCK = 2**18

GRAPH_ROWS = 1024
"""Partial rows of which all pairs are compared; of more, a single pass takes those that contradict all before."""


@dataclass(frozen=True)
class Rows(Shown):
    """How many different rows a cut has: at least so many messages are needed, and so many suffice when exact.

    >>> rows = sx.bounds.recurrent_cut(sx.tasks.create("modular-counter", length=8, modulus=5), prefix=6)
    >>> rows.count, rows.exact
    (5, True)
    """

    count: int
    exact: bool
    method: str


class TruthTable:
    """Every answer of a task: `entries` has one axis per position (its tokens in order), and one for the queries.

    Contexts and queries outside the task's domain hold `undefined`. Raises InputError, before any work, for a task
    without an alphabet or a table of more than `budget` entries.

    >>> table = sx.bounds.TruthTable(sx.tasks.create("parity", length=3))
    >>> table.entries.shape, table.entries[..., 0].ravel().tolist()
    ((2, 2, 2, 1), [0, 1, 1, 0, 1, 0, 0, 1])
    """

    def __init__(self, task: Task, budget: int = BUDGET) -> None:
        check_enumerable(task)
        check_budget(task, budget)
        self.task = task
        self.alphabets = [task.position_alphabet(i) for i in range(task.length)]
        self.shape = tuple(len(alphabet) for alphabet in self.alphabets)
        dtype = np.uint8 if task.answers < 255 else np.uint16
        self.undefined = int(np.iinfo(dtype).max)
        flat = np.empty((prod(self.shape), task.query_count), dtype=dtype)
        split = _first_of_block(self.shape, _BLOCK // task.query_count)
        endings = assignments(self.alphabets[split:])
        queries = torch.tensor(list(task.query_values)).expand(len(endings), -1)
        for block, beginning in enumerate(assignments(self.alphabets[:split])):
            context = torch.cat([beginning.expand(len(endings), -1), endings], dim=1)
            answers = task.answer(context, queries)
            if block == 0 and not torch.equal(answers, task.answer(context, queries)):
                raise InputError(f"{task.name} is not deterministic: asked twice, it answered differently")
            answers = torch.where(task.valid(context)[:, None] & task.asked(context, queries), answers, self.undefined)
            flat[block * len(endings) : (block + 1) * len(endings)] = answers.numpy().astype(dtype)
        self.entries = flat.reshape(*self.shape, task.query_count)
        self.total = not bool((flat == self.undefined).any())

    def matrix(self, held: Sequence[int], query: int | None = None) -> np.ndarray:
        """The cut's matrix: held assignments × (the other positions' assignments, and the queries unless one is given).

        query: number of a query in `task.query_values`, counted from 0
        """
        rest = [position for position in range(len(self.shape)) if position not in held]
        entries = self.entries if query is None else self.entries[..., query : query + 1]
        turned = entries.transpose(*held, *rest, len(self.shape))
        return turned.reshape(prod(self.shape[i] for i in held), -1)

    @cached_property
    def residuals(self) -> list[np.ndarray]:
        """For every prefix length t the residual class of each prefix, in lexicographic order, classes from 0.

        Backwards, as in Moore's minimisation: prefixes are equivalent when every next token leads to equivalent ones.
        Only for tables without undefined entries.
        """
        classes = [unique_rows(self.matrix(range(len(self.shape))))[1]]
        for size in reversed(self.shape):
            after = classes[0].reshape(-1, size)
            most = int(after.max()) + 1
            if size * math.log2(most + 1) < 63:
                after = (after * most ** np.arange(size, dtype=np.int64)).sum(axis=1, keepdims=True)
            classes.insert(0, unique_rows(after)[1])
        return classes

    def rows(self, held: Sequence[int], query: int | None = None) -> Rows:
        """How many different rows the cut at `held` has."""
        if self.total and query is None and list(held) == list(range(len(held))):
            return Rows(int(self.residuals[len(held)].max()) + 1, True, "residual classes, from the last token back")
        return count_rows(self.matrix(held, query), self.undefined if not self.total else None)


def _first_of_block(shape: Sequence[int], size: int) -> int:
    """The first position of the longest ending whose assignments are at most `size` (at least the last position)."""
    position, entries = len(shape) - 1, shape[-1]
    while position > 0 and entries * shape[position - 1] <= size:
        position -= 1
        entries *= shape[position]
    return position


def assignments(alphabets: Sequence[range]) -> torch.Tensor:
    """Int[B, n]: all assignments of n positions, in lexicographic order (one empty assignment of none)."""
    if not alphabets:
        return torch.zeros(1, 0, dtype=torch.int64)
    grids = torch.meshgrid(*(torch.tensor(list(alphabet)) for alphabet in alphabets), indexing="ij")
    return torch.stack([grid.flatten() for grid in grids], dim=1)


def unique_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(index of the first row of each kind, kind of each row), by comparing whole rows as bytes."""
    packed = np.ascontiguousarray(matrix)
    width = packed.shape[1] * packed.dtype.itemsize
    if width in (1, 2, 4, 8):
        keys = packed.view(f"u{width}").ravel()
    else:
        keys = packed.view(np.dtype((np.void, width))).ravel()
    _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
    return first, kind.ravel()


def count_rows(matrix: np.ndarray, undefined: int | None) -> Rows:
    """Different rows. With undefined entries two rows may share a message unless they contradict each other.

    Then the count is that of rows that contradict each other pairwise (a clique, found greedily): a proved lower bound,
    and exact where as many messages are found to suffice.
    """
    first, _ = unique_rows(matrix)
    if undefined is None:
        return Rows(len(first), True, "all rows compared")
    rows = matrix[first]
    rows = rows[(rows != undefined).any(axis=1)]
    if not (rows == undefined).any():
        return Rows(len(rows), True, "all rows compared")
    if len(rows) > GRAPH_ROWS:
        return Rows(_greedy_clique(rows, undefined), False, "rows contradicting each other pairwise, taken in order")
    graph = conflict_graph(rows, undefined)
    count = len(largest_clique(graph))
    return Rows(count, count == colours(graph), "rows contradicting each other pairwise, found greedily")


def _greedy_clique(rows: np.ndarray, undefined: int) -> int:
    """Rows that contradict each other pairwise, in the order of how much of them is defined."""
    clique: list[int] = []
    for i in np.argsort((rows == undefined).sum(axis=1), kind="stable"):
        kept = rows[clique]
        clash = (kept != rows[i]) & (kept != undefined) & (rows[i] != undefined)
        if clash.any(axis=1).all():
            clique.append(int(i))
    return len(clique)


def table_entries(task: Task) -> int:
    """How many entries a task's truth table has."""
    return prod(len(task.position_alphabet(i)) for i in range(task.length)) * task.query_count


def check_enumerable(task: Task) -> None:
    """InputError for tasks that cannot be enumerated."""
    if task.vector_size is not None:
        raise InputError(f"{task.name} has vector contexts, which cannot be enumerated: use its closed form")
    if task.alphabet_size < 2:
        raise InputError(
            f"{task.name} has an alphabet of {task.alphabet_size}: nothing to remember; expected 2 or more"
        )


def check_budget(task: Task, budget: int) -> None:
    """InputError, with the size it would need and the largest length that fits, for tables past the budget."""
    if task.length > 10_000 or (entries := table_entries(task)) > budget:
        fits = [n for n in _lengths_below(task) if table_entries(task.at_length(n)) <= budget]
        largest = f"the largest length that fits is {max(fits)}" if fits else "no length of it fits"
        size = "astronomically many" if task.length > 10_000 else f"{entries:,}"
        raise InputError(
            f"{task.name} at length {task.length} has {size} table entries, more than the {budget:,} allowed: {largest}"
        )


def _lengths_below(task: Task) -> list[int]:
    found = []
    for n in range(1, min(task.length, 64)):
        try:
            task.at_length(n)
        except InputError:
            continue
        found.append(n)
    return found


@lru_cache(maxsize=8)
def truth_table(task: Task, budget: int = BUDGET) -> TruthTable:
    """The table of a task, kept for the next question about it.

    >>> sx.bounds.truth_table(sx.tasks.create("disjointness", length=4)).entries.shape
    (2, 2, 2, 2, 1)
    """
    return TruthTable(task, budget)
