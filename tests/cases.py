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
    Case("index-lookup", {"length": 4, "alphabet": 4, "offset": 1}, [2, 0, 1, 3], 1, 2),
    Case("index-lookup", {"length": 4, "alphabet": 4, "mixed_lengths": True}, [2, 0, 4, 4], 1, 0),
    Case("bounded-dyck", {"length": 4, "kinds": 2, "depth": 2}, [0, 1, 3, 2], 0, 1),
    Case("bounded-dyck", {"length": 4, "kinds": 2, "depth": 1, "negatives": ["random"]}, [0, 1, 3, 2], 0, 0),
    Case("bounded-dyck", {"length": 2, "kinds": 2, "depth": 2, "negatives": ["random"]}, [0, 3], 0, 0),
    Case("equality", {"length": 6}, [0, 1, 1, 0, 1, 0], 0, 0),
    Case("equality", {"length": 6, "alphabet": 3}, [0, 2, 1, 0, 2, 1], 0, 1),
    Case("equality", {"length": 4, "layout": "interleaved"}, [0, 0, 1, 1], 0, 1),
    Case("disjointness", {"length": 6}, [1, 0, 1, 0, 1, 0], 0, 1),
    Case("disjointness", {"length": 6}, [1, 0, 1, 0, 0, 1], 0, 0),
    Case("disjointness", {"length": 6, "layout": "interleaved"}, [1, 1, 0, 0, 0, 0], 0, 0),
    Case("sparse-threshold", {"length": 3}, [1, 0, 1], 0, 1),
    Case("sparse-threshold", {"length": 4}, [1, 0, 1, 0], 0, 0),
    Case("sparse-threshold", {"length": 4, "instance": "inner-product", "threshold": 2}, [1, 1, 1, 1], 0, 1),
    Case(
        "sparse-threshold",
        {
            "length": 3,
            "instance": "custom",
            "threshold": 2,
            "features": [{"positions": [0, 1], "table": [0, 0, 0, 1]}, {"positions": [2, 1], "table": [0, 1, 1, 0]}],
        },
        [1, 1, 0],
        0,
        1,
    ),
    Case("associative-recall", {"pairs": 2, "keys": 4, "values": 3}, [2, 5, 0, 6], 0, 2),
    Case("associative-recall", {"pairs": 2, "keys": 4, "values": 3}, [2, 5, 0, 6], 1, 3),  # an absent key
    Case("associative-recall", {"pairs": 2, "keys": 4, "values": 4, "shared": True}, [2, 1, 0, 3], 2, 1),
    Case(
        "nearest-neighbor",
        {"points": 2, "dimension": 2},
        [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]],
        [0.8, 0.6, 0, 0],
        0,
    ),
    Case(
        "nearest-neighbor",
        {"points": 2, "dimension": 4, "geometry": "cube", "margin": 0.5},
        [[0.5, 0.5, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 0, 1], [-0.5, 0.5, -0.5, -0.5, 0, 0], [0, 0, 0, 0, 1, 0]],
        [0.5, 0.5, 0.5, -0.5, 0, 0],
        1,
    ),
    Case("parity", {"length": 4}, [1, 0, 1, 1], 0, 1),
    Case("modular-counter", {"length": 5, "modulus": 3}, [1, 1, 0, 1, 1], 0, 1),
    Case("group-word", {"length": 2, "group": "S3"}, [1, 1], 0, 0),
    Case("automaton", {"length": 3}, [1, 0, 1], 0, 1),
    Case("automaton", {"length": 3, "transitions": [[1, 2], [2, 0], [0, 1]], "outputs": [0, 1, 2]}, [1, 1, 0], 0, 2),
]
