"""Worked examples every stage is tested on: task, parameters, context, query, answer."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One worked example: the task with these parameters answers `answer` to `query` about `context`."""

    task: str
    parameters: dict
    context: list
    query: int | list
    answer: int


CASES = [
    Case("index-lookup", {"length": 4, "alphabet": 4}, [2, 0, 1, 3], 2, 1),
    Case("index-lookup", {"length": 6, "alphabet": 2}, [1, 0, 0, 1], 3, 1),  # any length up to N
]
