"""Audits: what a state of a measured size means for every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from separatrix.bounds.sizes import longest_recurrent
from separatrix.bounds.state_size import StateSize
from separatrix.errors import InputError
from separatrix.notebook import Shown
from separatrix.tasks import Task, create
from separatrix.tasks.base import LONGEST

Ruling = Literal["ruled out (proved)", "not ruled out", "no bound known"]


@dataclass(frozen=True)
class TaskVerdict(Shown):
    """What a state of this size means for one task, in any arithmetic: bits are those of the tensors handed over.

    ruling:           of exact models at this length; a state that is not ruled out may still be too small
    exact_at_most:    the largest length that is not ruled out, as words; None where no bound is known
    accuracy_ceiling: proved for average accuracy over the task's own inputs; 1 where none is proved

    >>> size = sx.bounds.StateSize((sx.bounds.Part(bits_each=32, constant=4),), source="four numbers")
    >>> (said,) = sx.bounds.verdicts(size, length=400, tasks=[sx.tasks.create("parity", length=400)])
    >>> said.task, said.needed_bits, said.state_bits, said.ruling
    ('parity', 1.0, 128, 'not ruled out')
    """

    task: str
    length: int
    needed_bits: float | None
    state_bits: int
    ruling: Ruling
    exact_at_most: str | None
    accuracy_ceiling: float

    @property
    def possible(self) -> bool:
        """Whether exactness at this length is not ruled out."""
        return self.ruling != "ruled out (proved)"


def verdicts(size: StateSize, length: int, tasks: list[Task] | None = None) -> list[TaskVerdict]:
    """Every task's verdict at a context length, by the recurrent bound: the whole past is what is handed over.

    >>> size = sx.bounds.StateSize((sx.bounds.Part(bits_each=32, constant=1024),), source="an LSTM of width 512")
    >>> lookup = sx.tasks.create("index-lookup", length=8192, alphabet=64)
    >>> (said,) = sx.bounds.verdicts(size, length=8192, tasks=[lookup])
    >>> said.ruling, said.needed_bits, said.state_bits
    ('ruled out (proved)', 49152.0, 32768)
    """
    found = []
    for task in tasks if tasks is not None else standard_tasks(length):
        bits, needed = size.bits(task.length), task.recurrent_bits()
        ruling: Ruling = "no bound known" if needed is None else "not ruled out"
        if needed is not None and needed > bits:
            ruling = "ruled out (proved)"
        reach = None if needed is None else _reach(size, task)
        found.append(TaskVerdict(task.name, task.length, needed, bits, ruling, reach, task.accuracy_ceiling(bits)))
    return found


def _reach(size: StateSize, task: Task) -> str:
    """Up to which length a state of this size, the largest it gets, is not ruled out."""
    if size.most_bits is None:
        lengths = [2**k for k in range(1, LONGEST.bit_length()) if _exists(task, 2**k)]
        out = [n for n in lengths if (task.at_length(n).recurrent_bits() or 0.0) > size.bits(n)]
        if out:
            return "no known length" if len(out) == len(lengths) else f"some lengths, not {out[-1]:,}"
        return _every(task, lengths[-1])
    longest = longest_recurrent(task, size.most_bits).length
    if longest is None or not _exists(task, longest + 2):
        return _every(task, longest)
    return f"at most {longest:,} (proved)"


def _every(task: Task, last: int | None) -> str:
    """Every length, or every one the task has: longer contexts would need more keys, say, than there are."""
    if last is None or _exists(task, 2 * last + 2):
        return "every length"
    while _exists(task, last + 2):
        last += 2
    return f"every length the task has (to {last:,})"


def _exists(task: Task, length: int) -> bool:
    if length > LONGEST:
        return True
    try:
        task.at_length(length)
    except InputError:
        return False
    return True


def standard_tasks(length: int) -> list[Task]:
    """The tasks an audit looks at, at an even length."""
    length += length % 2
    return [
        create("index-lookup", length=length, alphabet=64),
        create("associative-recall", length=length, keys=max(64, length), values=64),
        create("equality", length=length),
        create("disjointness", length=length),
        create("bounded-dyck", length=length, kinds=2, depth=10, negatives=("random",)),
        create("group-word", length=length, group="S5"),
    ]
