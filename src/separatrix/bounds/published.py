"""Lower bounds of the literature on models of several layers: published, and not verified here.

Nothing here is printed as proved: no protocol of this library executes these arguments, and where a constant is not
explicit no number follows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from separatrix.tasks import Problem

STATUS = "published, constant not explicit"


@dataclass(frozen=True)
class Published:
    """A lower bound that others have published: of which layers, what it says, and what keeps a number from following.

    explicit: whether its constants are, for the task as it is defined here
    """

    layers: str
    statement: str
    explicit: bool
    why: str
    source: str


COMPOSITION = (
    Published(
        layers="1",
        statement="composing two different functions of m values exactly needs H (d + 1) p >= m log2 m",
        explicit=False,
        why="stated for two functions, each given as a table; here one table is applied several times",
        source="Peng, Narayanan and Papadimitriou 2024, arXiv 2402.08164",
    ),
    Published(
        layers="L",
        statement="a decoder composing L different functions over n tokens needs width n^c, c > 0 depending on L",
        explicit=False,
        why="stated for L functions and a large enough n, how large is not said",
        source="Chen, Peng and Wu 2024, arXiv 2412.02975",
    ),
)


def published(task: Problem) -> tuple[Published, ...]:
    """What is published on several layers at a task; nothing for most.

    >>> from separatrix.tasks import create
    >>> len(published(create("composition", length=20))), published(create("parity", length=8))
    (2, ())
    """
    return COMPOSITION if task.name == "composition" else ()


def as_rows(task: Problem) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [asdict(each) for each in published(task)]
