"""What is proved in a cell: impossible, from which length; or how large every exact model is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache

from separatrix.bounds.arithmetic import ANY, STATE_FORMULA, ArithmeticModel
from separatrix.bounds.monotone import Settling
from separatrix.bounds.sizes import smallest_state
from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.experiments.map.cells import Fact, MapRow
from separatrix.models import architecture
from separatrix.models.mixer import declared
from separatrix.models.settling import WIDTH, settles
from separatrix.tasks import Problem
from separatrix.tasks import create as create_task
from separatrix.tasks.groups import Table

DEPTH = 1
"""Layers at which a row of every depth is stated; the length grows in proportion to them."""


def proved(row: MapRow, task: Problem, arithmetics: Sequence[ArithmeticModel], number_format: str) -> Iterator[Fact]:
    """What is proved of every model of a row at a task."""
    if row.name == "transformer":
        if row.layers == 1:
            yield from attention(task, arithmetics)
        return
    yield from impossible(row, task, number_format)
    yield from state(task, arithmetics[0].bits)


def state(task: Problem, precision: int) -> Iterator[Fact]:
    """The bound on every recurrent state."""
    if (bits := task.recurrent_bits()) is not None and bits > 0:
        numbers = smallest_state(bits, precision)
        words = f"a state of at least {bits:,.4g} bits, {numbers:,} numbers of {precision} bits ({ANY})"
        yield Fact(kind="needs", words=words, evidence={
            "theorem": "recurrent cut: the state after a prefix tells its residual class",
            "formula": STATE_FORMULA, "arithmetic": ANY, "bits": bits, "numbers": numbers, "precision": precision,
            "command": command("bounds", task, f"--precision {precision}"),
        })  # fmt: skip


def attention(task: Problem, arithmetics: Sequence[ArithmeticModel]) -> Iterator[Fact]:
    """The bounds on one layer, each in its arithmetic; those of a single number say nothing."""
    for each in arithmetics:
        bits = each.needed(task)
        width = 0 if bits is None else each.smallest_width(bits, 1, task.length)
        if bits is not None and width > 1:
            words = f"one head of values at least {width:,} wide ({each.words})"
            yield Fact(kind="needs", words=words, evidence={
                "theorem": f"attention cut: {each.quantity}", "formula": each.formula, "assumed": each.assumptions,
                "arithmetic": each.words, "bits": bits, "width": width, "heads": 1,
                "command": command("bounds", task, f"--precision {each.bits}"),
            })  # fmt: skip


def impossible(row: MapRow, task: Problem, number_format: str) -> Iterator[Fact]:
    """Counting that transitions of one sign cannot do, at any width."""
    if (orders := counted(task)) is None:
        return
    found, layers = settled(row.name, canonical_json(row.options), number_format)
    if found is None:
        return
    ending = [order for order in orders if found.ends_counting(order)]
    if not ending:
        return
    length = 2 * found.steps + found.period
    depth = "" if row.layers or len(layers) > 1 else "; with L layers from about L times that on"
    words = (
        f"no width and no weights are right on all strings of one length N >= {length:,}, states in {number_format}, "
        f"{len(layers)} layer{'' if len(layers) == 1 else 's'}, read token by token{depth}"
    )
    yield Fact(kind="impossible", words=words, evidence={
        "theorem": "on a constant input monotone rounded maps stop: separatrix.bounds.monotone",
        "settles_at": found.steps, "period": found.period, "layers": len(layers), "from_length": length,
        "later": length > task.length,
        "number_format": number_format, "counts_modulo": min(ending), "transitions": list(layers),
        "formula": "T = sum over layers of (stages W + taps - 1); N >= 2 T + period",
        "strings": strings(found, min(ending)), "command": f"separatrix limits {row.name}",
    })  # fmt: skip


@lru_cache(maxsize=256)
def settled(name: str, options: str, number_format: str) -> tuple[Settling | None, tuple[str, ...]]:
    """What is proved of an architecture's constant inputs, and the transitions of its layers.

    A row of every depth is looked at with one layer, and nothing is proved of it where a second one is of another kind;
    hybrids have the layers of their pattern.
    """
    given, pattern = json.loads(options), "+" in name or "*" in name
    every = not pattern and "layers" not in given
    probe = create_task("parity", length=4)
    try:
        fixed = {} if pattern else {"layers": DEPTH}
        model = architecture(name).for_task(probe, width=WIDTH, **{**fixed, **given})
        deeper = architecture(name).for_task(probe, width=WIDTH, **given, layers=DEPTH + 1) if every else model
    except InputError:  # it has no model of this size: nothing is proved of it
        return None, ()
    found = None if settles(deeper, number_format) is None else settles(model, number_format)
    return found, tuple(declared(block.mixer) for block in getattr(model, "blocks", []))


def strings(found: Settling, order: int) -> str:
    """Two strings of one length that no such model tells apart, in words."""
    t, p = found.steps, found.period
    return f"0^{t + p:,} 1^{t:,} and 0^{t:,} 1^{t + p:,}: the counts differ by {p}, not a multiple of {order}"


def counted(task: Problem) -> list[int] | None:
    """Numbers modulo which a task counts some token that may stand anywhere, beside one that changes nothing.

    For a word problem the orders of the group's elements: a power of g tells how often g came, modulo its order. None
    for tasks that are not known to count.
    """
    told = task.model_dump()
    match task.name:
        case "parity":
            return [2]
        case "modular-counter":
            return [told["modulus"]]
        case "group-word":
            return orders(task.elements)  # type: ignore[attr-defined]
        case "state-tracking":
            return [task.counts] if task.counts else orders(task.elements)  # type: ignore[attr-defined]
    return None


def orders(table: Table) -> list[int]:
    """The orders of a group's elements above 1, from its multiplication table.

    >>> orders(((0, 1, 2), (1, 2, 0), (2, 0, 1)))
    [3]
    """
    (identity,) = [e for e in range(len(table)) if table[e][e] == e]
    found = set()
    for element in range(len(table)):
        power, order = element, 1
        while power != identity:
            power, order = table[power][element], order + 1
        found.add(order)
    return sorted(found - {1})


def command(name: str, task: Problem, *more: str) -> str:
    """The command line that says the same of a task."""
    fields = {key: value for key, value in task.model_dump(mode="json").items() if key != "name"}
    told = [f"--{key.replace('_', '-')} {value}" for key, value in fields.items() if isinstance(value, int | str)]
    return " ".join(["separatrix", name, task.name, *told, *more])
