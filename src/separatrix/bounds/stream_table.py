"""A stream task's labels at one length, and the rows of its cuts: prefix classes by all later labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np

from separatrix.bounds.table import BUDGET, Rows, assignments, count_rows
from separatrix.errors import InputError
from separatrix.tasks import UNLABELLED
from separatrix.tasks.streams.contract import StreamTask


class StreamTable:
    """Every label of a stream task: `entries` has one axis per place (its tokens in order), and one for the labels.

    Streams outside the task's domain, and places without an answer, hold `undefined`. Raises InputError, before any
    work, for a table of more than `budget` entries.
    """

    def __init__(self, task: StreamTask, budget: int = BUDGET) -> None:
        alphabets = [task.position_alphabet(i) for i in range(min(task.length, 64))]
        if task.length > 64 or (entries := prod(len(a) for a in alphabets) * task.length) > budget:
            size = "astronomically many" if task.length > 64 else f"{entries:,}"
            raise InputError(
                f"{task.name} at length {task.length} has {size} table entries, more than the {budget:,} allowed: "
                "take a shorter length or a smaller alphabet"
            )
        self.task, self.alphabets = task, alphabets
        self.shape = tuple(len(alphabet) for alphabet in alphabets)
        inputs = assignments(alphabets)  # (S^T, T)
        dtype = np.uint8 if task.answers < 255 else np.uint16
        self.undefined = int(np.iinfo(dtype).max)
        labels = task.answer(inputs).numpy()
        told = np.where(labels == UNLABELLED, self.undefined, labels).astype(dtype)
        self.entries = told.reshape(*self.shape, task.length)
        valid: np.ndarray = task.valid(inputs).numpy().reshape(self.shape)
        for place in reversed(range(task.length)):  # a label counts where some ending makes the stream a valid one
            if place + 1 < task.length:
                valid = np.any(valid, axis=place + 1, keepdims=True)
            self.entries[..., place] = np.where(valid, self.entries[..., place], self.undefined)

    def prefix_rows(self, prefix: int) -> Rows:
        """Classes of the prefixes of a length, told apart by the labels of all later places under all endings."""
        later = self.entries[..., prefix:]
        return self._count(later.reshape(prod(self.shape[:prefix]), -1))

    def place_rows(self, held: Sequence[int], place: int) -> Rows:
        """Rows of the attention cut at one place: earlier places are held or the rest, its own token is public."""
        if not all(0 <= i < place for i in held):
            raise InputError(f"held must be places before {place}, got {list(held)}")
        rest = [i for i in range(len(self.shape)) if i not in held and i != place]
        turned = self.entries[..., place].transpose(place, *held, *rest)
        rows = prod(self.shape[i] for i in held)
        return max(
            (self._count(turned[token].reshape(rows, -1)) for token in range(self.shape[place])),
            key=lambda found: found.count,
        )

    def _count(self, matrix: np.ndarray) -> Rows:
        if matrix.shape[1] == 0 or bool((matrix == self.undefined).all()):
            return Rows(1, True, "nothing is asked any more")
        return count_rows(matrix, self.undefined if bool((matrix == self.undefined).any()) else None)


@lru_cache(maxsize=8)
def stream_table(task: StreamTask, budget: int = BUDGET) -> StreamTable:
    """The table of a stream task, kept for the next question about it."""
    return StreamTable(task, budget)
