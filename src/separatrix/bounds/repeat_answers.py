"""What a repeat of a model's state means for the task the model was made for: its answers at the two lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from separatrix.bounds.repeats import Repeats, evaluating, states
from separatrix.errors import InputError
from separatrix.tasks import Task


@dataclass(frozen=True)
class Answered:
    """The right answer and a model's own, to one query, after so many times the token.

    >>> sx.bounds.Answered(length=47, right=1, given=0).right
    1
    """

    length: int
    right: int
    given: int


@torch.no_grad()
def answered(model: Any, found: Repeats) -> tuple[Answered, ...]:
    """Both lengths' answers to a query that tells them apart, where the model's own task has one; else nothing.

    The state is the same, hence the answer given is: where the right answers differ, one of the two is wrong. Only
    tasks with answers after their context are asked, at lengths the task has.

    >>> model = sx.models.create("lstm", sx.tasks.create("parity", length=8), width=2)
    >>> found = sx.bounds.repeats(model, token=1)
    >>> one, other = sx.bounds.answered(model, found)
    >>> one.given == other.given, one.right != other.right
    (True, True)
    """
    task = getattr(model, "task", None)
    if found.lengths is None or not isinstance(task, Task) or task.vector_size is not None:
        return ()
    queries = torch.arange(task.query_count)[None] + task.query_values[0]
    right = []
    for length in found.lengths:
        try:
            here = task.at_length(length)
        except InputError:
            return ()
        context = torch.full((1, length), found.token)
        if length not in here.lengths or here.query_values != task.query_values or not bool(here.valid(context)):
            return ()
        right.append(here.answer(context, queries)[0])
    (apart,) = torch.nonzero(right[0] != right[1], as_tuple=True)
    if not len(apart):
        return ()
    query = queries[:, apart[:1]]
    given = []
    with evaluating(model):
        for length, state in zip(range(1, found.lengths[1] + 1), states(model, found.token), strict=False):
            if length in found.lengths:
                given.append(int(model.decode(state, query).argmax(-1)))
    return tuple(
        Answered(length, int(answers[apart[0]]), answer)
        for length, answers, answer in zip(found.lengths, right, given, strict=True)
    )
