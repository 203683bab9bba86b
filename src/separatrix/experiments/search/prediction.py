"""Where a frontier probably lies, so that a search need not begin at the smallest width."""

from __future__ import annotations

from collections.abc import Sequence

from separatrix.errors import InputError
from separatrix.experiments.search.frontier import FrontierCell
from separatrix.experiments.search.frontier_bounds import at, known, model_class
from separatrix.models.sizing import measured_numbers
from separatrix.tasks import Problem

SCALARS_A_BIT = 2
"""Scalars of a trained recurrent state for each bit that it must hold: what training was seen to need, roughly. It only
decides where a search begins."""


def predicted(cell: FrontierCell, cells: Sequence[FrontierCell]) -> int:
    """The width to begin with: that of the nearest shorter length, scaled as the lower bounds are; or what theory says.

    A recurrent state grows in proportion to the lower bound, an attention layer's width with its own. Where a shorter
    length was searched in vain, the largest width is all that is tried.
    """
    task, grid = at(cell.plan, cell.length), cell.grid()
    shorter = [other for other in cells if other.model == cell.model and other.length < cell.length and other.tried]
    if shorter:
        point = max(shorter, key=lambda other: other.length).point()
        if point.width is None:
            return grid[-1]
        return _scaled(cell, task, at(cell.plan, point.length), point.width)
    if model_class(cell.model) == "recurrent":
        return _width_of(cell, task, SCALARS_A_BIT * (task.recurrent_bits() or 0.0))
    upper = known(task, cell.model).upper
    return grid[0] if upper is None else min((w for w in grid if w >= upper.size), default=grid[-1])


def _scaled(cell: FrontierCell, task: Problem, neighbour: Problem, width: int) -> int:
    """A neighbouring length's width, scaled as what is proved grows."""
    ours, theirs = (known(each, cell.model).lower for each in (task, neighbour))
    ratio = ours / theirs if ours and theirs else 1.0
    if model_class(cell.model) == "recurrent":
        return _width_of(cell, task, ratio * _numbers(cell, task, width))
    return min((w for w in cell.grid() if w >= ratio * width), default=cell.grid()[-1])


def _width_of(cell: FrontierCell, task: Problem, numbers: float) -> int:
    """The smallest width of the grid whose state holds so many scalars, by bisection; the largest where none does."""
    grid = cell.grid()
    low, high = 0, len(grid) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _numbers(cell, task, grid[middle]) >= numbers else (middle + 1, high)
    return grid[low]


def _numbers(cell: FrontierCell, task: Problem, width: int) -> int:
    options = {name: value for name, value in cell.model.items() if name not in ("name", "code")}
    try:
        return measured_numbers(cell.model["name"], task, **{**options, "width": width})
    except (InputError, RuntimeError):  # a width that the architecture refuses: the trial will say so
        return 0
