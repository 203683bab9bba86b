"""Bounds that allow errors: the state of every model that is right often enough, by the ceilings turned around."""

from __future__ import annotations

from separatrix.errors import InputError
from separatrix.tasks import Problem


def needed_with_error(task: Problem, error: float) -> int | None:
    """The fewest whole bits of state with which a model may be right on a share 1 - error of the task's own inputs.

    Average accuracy over the task's distribution, any encoder and decoder, randomised ones too, in any arithmetic: the
    least M whose proved ceiling reaches 1 - error. 0 where the ceiling allows that without any state. None where no
    ceiling below 1 is proved for the task. Raises InputError for errors outside 0 … 1.

    >>> task = sx.tasks.create("index-lookup", length=400, alphabet=64)
    >>> [sx.bounds.needed_with_error(task, error) for error in (0.0, 0.1, 0.5)]
    [2400, 1974, 805]
    """
    if not 0 <= error <= 1:
        raise InputError(f"error must be in 0 … 1, got {error}")
    wanted = 1 - error
    if task.accuracy_ceiling(0) >= wanted:
        return None if task.accuracy_ceiling(0) >= 1 else 0
    high = 1
    while task.accuracy_ceiling(high) < wanted:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if task.accuracy_ceiling(middle) >= wanted else (middle, high)
    return high
