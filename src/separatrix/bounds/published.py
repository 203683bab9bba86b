"""Lower bounds of the literature on models of several layers: published, and not verified here.

Nothing here is printed as proved: no protocol of this library executes these arguments. Where all constants are
explicit a number follows for the task at hand, by a reduction that is stated; where one is not, none is printed.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from separatrix.tasks import Problem

STATUS = "published, not verified here"


@dataclass(frozen=True)
class Published:
    """A lower bound that others have published: of which layers, what it says, and how a number follows, or why none.

    explicit: whether its constants are, for the task as it is defined here
    bits:     what the left side must be at least, for this task; None where no number follows
    """

    layers: str
    statement: str
    explicit: bool
    why: str
    source: str
    bits: float | None = None

    def width(self, heads: int, precision: int) -> int | None:
        """The least d with H (d + 1) p >= bits, where the statement is of this form."""
        if self.bits is None or self.layers != "1":
            return None
        return max(0, math.ceil(self.bits / (heads * precision) - 1e-9) - 1)


def _composition(values: int, hops: int) -> tuple[Published, ...]:
    each = values // hops
    one = Published(
        layers="1",
        statement="composing two different functions of n values exactly needs H (d + 1) p >= n log2 n",
        explicit=hops > 1,
        why=f"tables that map each of {hops} blocks of n = {each:,} values to the next compose different functions"
        if hops > 1
        else "one hop composes nothing",
        source="Peng, Narayanan and Papadimitriou 2024, arXiv 2402.08164, Theorem 1",
        bits=each * math.log2(each) if hops > 1 and each > 1 else None,
    )
    several = Published(
        layers="L",
        statement="a decoder composing L different functions over n tokens needs H d p > n^(2^(-4 L))",
        explicit=False,
        why="from a length on that is not stated; at L = 2 the right side is below 2 for every n below 2^256",
        source="Chen, Peng and Wu 2024, arXiv 2412.02975",
    )
    half = values // 2
    chasing = Published(
        layers="k rounds",
        statement="k pointers through two tables of n, chased in k rounds, the wrong side first: n / 8 bits in all",
        explicit=hops > 1,
        why=f"of deterministic protocols, n = {half:,}: the table's halves, pointing at one another, on two sides",
        source="Viola 2025, arXiv 2507.08919; Nisan and Wigderson 1993",
        bits=half / 8 if hops > 1 else None,
    )
    recurrent = Published(
        layers="L, recurrent",
        statement="h hops over N tokens need L >= h layers, or a width that grows as N / h^6",
        explicit=False,
        why="up to a factor that is not stated; the bound above, proved here, is on the state of all L layers together",
        source="Sanford, Hsu and Telgarsky 2024, arXiv 2402.09268",
    )
    return one, several, chasing, recurrent


def published(task: Problem) -> tuple[Published, ...]:
    """What is published on several layers, and on composition, at a task; nothing for most.

    >>> from separatrix.tasks import create
    >>> found = published(create("composition", length=80, values=64, hops=2))
    >>> found[0].bits, found[0].width(heads=1, precision=16)  # H (d + 1) p >= 32 log2 32
    (160.0, 9)
    >>> published(create("parity", length=8))
    ()
    """
    told = task.model_dump()
    return _composition(told["values"], told["hops"]) if task.name == "composition" else ()


def as_rows(task: Problem) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [asdict(each) for each in published(task)]
