"""What every position makes of the tokens it sees, by trying all of them; and what the task says it should make.

A *local function* is a Boolean function of the tokens at a few positions. Both sides, the weights and the task, are
brought to one form: positions in ascending order, without those the function does not depend on, functions that are
never true left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments.two_layers import Reading, TwoLayers
from separatrix.constructions.check.kernel.exact import column_units
from separatrix.tasks import Task

BUDGET, BLOCK = 2**27, 2**20
"""Numbers of rows looked at, at most: of all kinds of positions, and at a time."""

Functions = dict[tuple[bytes, tuple[int, ...]], np.ndarray]
"""Table (its bytes and its shape) → the places [M, m] it is a function of, sorted by rows, with repetitions."""


class Seen:
    """The least and the largest row, and one of the coarsest unit, of all that pass by."""

    def __init__(self, width: int) -> None:
        self.low, self.high, self.unit = np.full((3, width), np.inf) * [[1], [-1], [1]]

    def watch(self, rows: np.ndarray) -> np.ndarray:
        """The same rows."""
        self.low, self.high = np.minimum(self.low, rows.min(axis=0)), np.maximum(self.high, rows.max(axis=0))
        self.unit = np.minimum(self.unit, column_units(rows))
        return rows

    @property
    def rows(self) -> np.ndarray:
        """[3, D]"""
        return np.stack([self.low, self.high, np.where(np.isinf(self.unit), 0, self.unit)])


def evaluated(
    model: TwoLayers, read: Reading, used: np.ndarray, look: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What `look` says of all positions' rows, [M, D] to [M] booleans: tables [S, …] with the places they apply to.

    A row is the residual stream after the first layer, for one assignment of tokens to the m places a position sees,
    its own first. Positions are of one kind that hold the same in the coordinates `used`, [D] booleans, and whose heads
    read the same. CertificateError for more than BUDGET numbers of rows, and where a sum rounds.
    """
    size, own = model.task.alphabet_size, np.arange(len(model.positions))
    seen = np.concatenate([own[:, None], read.targets], axis=1)
    first = (seen[:, :, None] == seen[:, None, :]).argmax(axis=2)  # where the same position was seen first
    held = np.concatenate([model.positions[:, used], first], axis=1)
    kinds, index = np.unique(held, axis=0, return_inverse=True)
    index, spent = index.reshape(-1), 0
    members = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
    for kind, positions in zip(kinds, members, strict=True):
        pattern = kind[-first.shape[1] :].astype(int)
        distinct = sorted(set(pattern.tolist()))
        count = size ** len(distinct)
        spent += count * model.width
        if spent > BUDGET:
            raise CertificateError(
                f"positions see too many different strings of tokens: of {count:,} and more, of width {model.width}, "
                f"the checker tries as many as have {BUDGET:,} numbers"
            )
        constant, chosen = np.where(used, model.positions[positions[0]], 0), [distinct.index(s) for s in pattern]
        said, shape = np.empty(count, dtype=bool), [size] * len(distinct)
        for start in range(0, count, step := max(1, BLOCK // model.width)):
            block = np.arange(start, min(start + step, count))
            tokens = np.stack(np.unravel_index(block, shape), axis=1)[:, chosen]
            said[block] = look(_rows(model, read, tokens, constant))
        yield said.reshape(shape), seen[positions][:, distinct]


def _rows(model: TwoLayers, read: Reading, tokens: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """The residual stream after the first layer, [M, D], where positions hold a constant and see tokens [M, heads + 1].

    Their own token is the first.
    """
    rows = model.exact.add(
        model.embed[tokens[:, 0]],
        constant,
        *(output[tokens[:, h]] for h, output in enumerate(read.outputs, start=1)),
        what="the residual stream",
    )
    return model.after_mlp(0, rows, "first layer")


def collect(found: Iterator[tuple[np.ndarray, np.ndarray]]) -> Functions:
    """Local functions in their one form, from tables [S, …] with the places [M, m] they apply to."""
    parts: dict[tuple[bytes, tuple[int, ...]], list[np.ndarray]] = {}
    for whole, everywhere in found:
        essential = [axis for axis in range(whole.ndim) if (whole != whole.take([0], axis=axis)).any()]
        table = whole[tuple(slice(None) if axis in essential else 0 for axis in range(whole.ndim))]
        if not table.any():
            continue
        places = everywhere[:, essential]
        orders = np.argsort(places, axis=1)
        for order in np.unique(orders, axis=0):
            chosen = (orders == order).all(axis=1)
            turned = np.ascontiguousarray(table.transpose(order) if table.ndim else table)
            parts.setdefault((turned.tobytes(), turned.shape), []).append(places[chosen][:, order])
    merged = {key: np.concatenate(each) for key, each in parts.items()}
    return {key: each[np.lexsort(each.T[::-1])] if each.shape[1] else each for key, each in merged.items()}


def require_same(found: Functions, meant: Functions, repeated: bool) -> None:
    """CertificateError unless the weights evaluate the task's functions and no others.

    repeated: whether it matters how often each is there
    """
    for key in found.keys() | meant.keys():
        ours, theirs = (each.get(key, np.zeros((0, len(key[1])), dtype=np.int64)) for each in (found, meant))
        if not repeated:
            ours, theirs = (np.unique(each, axis=0) if each.shape[1] else each[:1] for each in (ours, theirs))
        if ours.shape != theirs.shape or (ours != theirs).any():
            table = np.frombuffer(key[0], dtype=bool).astype(int).tolist()
            raise CertificateError(
                f"the weights evaluate the function {table} at {len(ours)} places of the context, the task at "
                f"{len(theirs)}, or at others"
            )


def claim(task: Task, every_length: bool = False) -> str:
    """What is proved of thresholds of local functions, as a sentence."""
    lengths = "every length up to" if every_length else "length"
    return f"every context of {lengths} {task.length} is answered as {task.name} is defined"


def sizes(model: TwoLayers, read: Reading) -> dict[str, int]:
    """What certificates of these arguments say of sizes; of a sparse threshold, heads and bits a feature looks at."""
    if model.task.name != "sparse-threshold":
        return {"width": model.width}
    widest = max((places.shape[1] for places in meaning(model.task).functions.values()), default=0)
    return {"width": model.width, "heads": read.targets.shape[1], "bits": widest}


@dataclass(frozen=True)
class Meaning:
    """A task as [at least `threshold` of `count` local functions hold], answered `answer` then, else 1 - answer."""

    functions: Functions
    count: int
    threshold: int
    answer: int


def meaning(task: Task, negated: bool = False) -> Meaning:
    """What a task asks; negated, as a statement about the functions that fail.

    CertificateError for tasks that are no thresholds of local functions.
    """
    if task.name not in _MEANINGS:
        raise CertificateError(f"{task.name} is no threshold of local functions known to the checker")
    tables, threshold, answer = _MEANINGS[task.name](task)
    count = sum(len(places) for _, places in tables)
    if not negated:
        return Meaning(collect(iter(tables)), count, threshold, answer)
    return Meaning(collect((~table, places) for table, places in tables), count, count - threshold + 1, 1 - answer)


Tables = list[tuple[np.ndarray, np.ndarray]]


def _two_strings(wrong: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[Any], tuple[Tables, int, int]]:
    """Answered 0 as soon as one pair of opposite symbols is wrong."""

    def functions(task: Any) -> tuple[Tables, int, int]:
        symbols, n = np.arange(task.alphabet_size), task.length // 2
        first = np.arange(n) if task.layout == "concatenated" else 2 * np.arange(n)
        pairs = np.stack([first, first + (n if task.layout == "concatenated" else 1)], axis=1)
        return [(wrong(symbols[:, None], symbols[None, :]), pairs)], 1, 0

    return functions


def _sparse(task: Any) -> tuple[Tables, int, int]:
    features, threshold = task.definition()
    tables = []
    for feature in features:
        table = np.array(feature.table, dtype=bool).reshape([2] * len(feature.positions))
        tables.append((table.transpose(), np.array([feature.positions])))  # bit 0 varies fastest
    return tables, threshold, 1


_MEANINGS: dict[str, Callable[[Any], tuple[Tables, int, int]]] = {
    "equality": _two_strings(lambda x, y: x != y),
    "disjointness": _two_strings(lambda x, y: (x == 1) & (y == 1)),
    "sparse-threshold": _sparse,
}
