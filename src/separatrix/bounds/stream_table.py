"""A stream task's labels at one length, and the rows of its cuts: prefix classes by all later labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np

from separatrix.bounds.table import Rows, assignments, count_rows
from separatrix.errors import InputError
from separatrix.tasks import UNLABELLED, StreamTask

BUDGET = 2**24
"""Most labels a table may have: streams times places; they are all asked of the oracle at once."""

PLACES = 64
"""More of them than can be enumerated, whatever the alphabet."""


class StreamTable:
    """Every label of a stream task: `places[t]` has one axis for each token up to place t.

    Streams outside the task's domain, and places without an answer, hold `undefined`: a label counts where some ending
    makes the stream a valid one. Raises InputError, before any work, for a table of more than `budget` labels, and for
    a task whose label depends on a later token.

    >>> table = sx.bounds.StreamTable(sx.tasks.create("state-tracking", length=3, machine="parity"))
    >>> table.places[1].tolist(), [table.prefix_rows(prefix).count for prefix in range(4)]
    ([[0, 1], [1, 0]], [1, 2, 2, 1])
    """

    def __init__(self, task: StreamTask, budget: int = BUDGET) -> None:
        check_stream_budget(task, budget)
        self.task = task
        alphabets = [task.position_alphabet(i) for i in range(task.length)]
        self.shape = tuple(len(alphabet) for alphabet in alphabets)
        inputs = assignments(alphabets)  # (S^T, T)
        dtype = np.uint8 if task.answers < 255 else np.uint16 if task.answers < 2**16 - 1 else np.uint32
        self.undefined = int(np.iinfo(dtype).max)
        labels = task.answer(inputs).numpy()
        told = np.where(labels == UNLABELLED, self.undefined, labels).astype(dtype)
        valid: np.ndarray = task.valid(inputs).numpy()
        self.alphabets = alphabets
        self.total = bool(valid.all())
        self.places = [self._at(place, told[:, place], valid) for place in range(task.length)]

    def _at(self, place: int, labels: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """The label of a place for all tokens up to it, whatever follows."""
        beginnings = prod(self.shape[: place + 1])
        followed = labels.reshape(beginnings, -1), valid.reshape(beginnings, -1)
        highest = np.where(followed[1], followed[0], 0).max(axis=1)
        lowest = np.where(followed[1], followed[0], self.undefined).min(axis=1)
        possible = followed[1].any(axis=1)
        if (highest != lowest)[possible].any():
            raise InputError(f"{self.task.name}: the label at place {place} depends on a later token")
        return np.where(possible, highest, self.undefined).astype(labels.dtype).reshape(self.shape[: place + 1])

    def prefix_rows(self, prefix: int) -> Rows:
        """Classes of the prefixes of a length, told apart by the labels of all later places under all endings."""
        rows = prod(self.shape[:prefix])
        later = [place.reshape(rows, -1) for place in self.places[prefix:]]
        return self._count(np.concatenate(later, axis=1) if later else np.empty((rows, 0), np.uint8))

    def place_rows(self, held: Sequence[int], place: int) -> Rows:
        """Rows of the attention cut at one place: earlier places are held or the rest, its own token is public."""
        return max((self._count(each) for each in self.matrices(held, place)), key=lambda found: found.count)

    def matrices(self, held: Sequence[int], place: int) -> np.ndarray:
        """The attention cut at one place, held assignments × the rest's, for each token that may stand there."""
        if not all(0 <= i < place for i in held):
            raise InputError(f"held must be places before {place}, got {list(held)}")
        rest = [i for i in range(place) if i not in held]
        turned = self.places[place].transpose(place, *held, *rest)
        return turned.reshape(self.shape[place], prod(self.shape[i] for i in held), -1)

    def _count(self, matrix: np.ndarray) -> Rows:
        defined = matrix != self.undefined
        if not defined.any():
            return Rows(1, True, "nothing is asked any more")
        return count_rows(matrix, None if defined.all() else self.undefined)


def check_stream_budget(task: StreamTask, budget: int = BUDGET) -> None:
    """InputError, with the size it would need, for a table past the budget."""
    if task.length <= PLACES:
        size = prod(len(task.position_alphabet(i)) for i in range(task.length)) * task.length
        if size <= budget:
            return
    told = "astronomically many" if task.length > PLACES or math.log2(size) > 60 else f"{size:,}"
    raise InputError(
        f"{task.name} at length {task.length} has {told} labels to enumerate, more than the {budget:,} allowed: "
        "take a shorter length or a smaller alphabet"
    )


@lru_cache(maxsize=8)
def stream_table(task: StreamTask, budget: int = BUDGET) -> StreamTable:
    """The table of a stream task, kept for the next question about it.

    >>> sx.bounds.stream_table(sx.tasks.create("flip-flop", length=4)).shape
    (1, 2, 1, 2)
    """
    return StreamTable(task, budget)
