"""Rows of a partial table: which may share a message, and how many messages that takes at least and at most.

Two rows conflict when some entry is defined in both and differs. Rows may share a message when no two of them
conflict: the messages needed are the chromatic number of the conflict graph.
"""

from __future__ import annotations

import numpy as np

WORK = 2**28
"""Comparisons a search for cliques may take: it starts from as many rows as that allows."""


def conflict_graph(rows: np.ndarray, undefined: int) -> np.ndarray:
    """bool[R, R]: which rows of a table [R, columns] conflict."""
    defined = (rows != undefined).astype(np.float32)
    both = defined @ defined.T
    for answer in np.unique(rows[rows != undefined]):
        same = (rows == answer).astype(np.float32)
        both -= same @ same.T
    return both > 0.5


def largest_clique(graph: np.ndarray) -> list[int]:
    """A large clique, greedily: from every row in turn, the row next that conflicts with most of those still possible.

    From the rows of most conflicts alone where all would be too much work.
    """
    order = np.argsort(-graph.sum(axis=1), kind="stable")
    best: list[int] = []
    spent = 0
    for start in order:
        members, possible = [int(start)], graph[start].copy()
        while possible.any():
            places = np.flatnonzero(possible)
            member = places[graph[np.ix_(places, places)].sum(axis=1).argmax()]
            spent += len(places) ** 2
            members.append(int(member))
            possible &= graph[member]
        best = max(best, members, key=len)
        if spent > WORK:
            break
    return best


def colours(graph: np.ndarray) -> int:
    """Messages that suffice: greedy colouring, always the row next that has most different ones around it (DSATUR)."""
    degree = graph.sum(axis=1)
    around = np.zeros((len(graph), 1), dtype=bool)  # which colours a row's neighbours have
    left = np.ones(len(graph), dtype=bool)
    while left.any():
        row = int(np.lexsort((degree, np.where(left, around.sum(axis=1), -1)))[-1])
        colour = int(around[row].argmin())
        if around[row, colour]:
            colour = around.shape[1]
            around = np.pad(around, ((0, 0), (0, 1)))
        around[graph[row], colour] = True
        left[row] = False
    return around.shape[1]
