"""The planner of a page: sizes of the library, computed here and shown there, so that no digit can differ."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from separatrix.bounds import Part, StateSize, verdicts
from separatrix.bounds.classes import table
from separatrix.bounds.formats import of_precision
from separatrix.bounds.in_words import sentence
from separatrix.errors import InputError
from separatrix.experiments.card import references
from separatrix.experiments.search.frontier import Frontier
from separatrix.report.html.labels import model_label, short_name
from separatrix.report.html.state_laws import BITS, state_laws
from separatrix.tasks import Problem, Task, create
from separatrix.trust import names_code

LENGTHS = (8, 16, 32, 64, 100, 128, 256, 400, 512, 1024, 4096, 16384, 65536, 2**20)
PRECISIONS = (8, 16, 32)
TASKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("index-lookup", {"alphabet": 2}),
    ("index-lookup", {"alphabet": 64}),
    ("index-lookup", {"alphabet": 32768}),
    ("bounded-dyck", {"kinds": 2, "depth": 2}),
    ("bounded-dyck", {"kinds": 8, "depth": 16}),
    ("equality", {"layout": "concatenated"}),
    ("equality", {"layout": "interleaved"}),
    ("disjointness", {"layout": "concatenated"}),
    ("disjointness", {"layout": "interleaved"}),
    ("parity", {}),
    ("modular-counter", {"modulus": 60}),
    ("group-word", {"group": "S5"}),
)
"""What can be planned for on a page; `separatrix plan` plans for any task."""

STATES = {"1 kB": 8_000, "4 KiB": 8 * 2**12, "64 KiB": 8 * 2**16, "1 MB": 8_000_000, "16 MiB": 8 * 2**24,
          "1 GB": 8_000_000_000}  # fmt: skip
"""States that are asked about on a page, with their bits."""


def plan_data(frontiers: Sequence[Frontier]) -> dict[str, Any]:
    """What the planner of a page shows: the tasks, the built-in models with the bits of their measured states, and the
    formulas of others' states.
    """
    tasks, states = planner(frontiers), list(STATES)
    return {"tasks": tasks, "states": states, "models": _models(), "laws": state_laws(), "formats": BITS}


@cache
def _models() -> list[dict[str, Any]]:
    """Each reference card's model and its state, in the words of a card: the page takes a card of one's own as well."""
    return [{"label": model_label(card.model), "state": card.state.model_dump(mode="json")} for card in references()]


def planner(frontiers: Sequence[Frontier]) -> list[dict[str, Any]]:
    """For each task its name, and by length: rows by precision, and what the page's own searches found there.

    reach: up to which length each of `STATES` is not ruled out
    """
    searched = [each for each in frontiers if not names_code(each.plan.task["name"])]
    own = [(each.plan.task["name"], {k: v for k, v in each.plan.task.items() if k != "name"}) for each in searched]
    wanted = list({_key(*one): one for one in [*own, *TASKS]}.values())
    return [_task(name, fields, searched) for name, fields in wanted]


def _key(name: str, fields: dict[str, Any]) -> str:
    return title(name, fields)


def title(name: str, fields: dict[str, Any]) -> str:
    """A task with the fields that were chosen: `index lookup, alphabet 64`."""
    words = [f"{field.replace('_', ' ')} {value}" for field, value in fields.items() if field != "length"]
    return ", ".join([short_name(name).replace("-", " "), *words])


def _task(name: str, fields: dict[str, Any], frontiers: Sequence[Frontier]) -> dict[str, Any]:
    own = {length for each in frontiers if each.plan.task["name"] == name for length in each.plan.lengths}
    lengths = {}
    for length in sorted({*LENGTHS, *own}):
        try:
            task = create(name, **{**fields, "length": length})
        except InputError:  # it does not exist at this length
            continue
        found = [row for each in frontiers for row in found_at(each, task)]
        lengths[str(length)] = {"sizes": {str(p): _sizes(task, p) for p in PRECISIONS}, "found": found}
    return {"title": title(name, fields), "lengths": lengths, "reach": _reach(name, fields, lengths)}


def _reach(name: str, fields: dict[str, Any], lengths: dict[str, Any]) -> list[str | None]:
    """The answer of `separatrix plan --state` for each state of the page."""
    task = create(name, **{**fields, "length": int(next(iter(lengths)))}) if lengths else None
    if not isinstance(task, Task):
        return []
    sizes = (StateSize((Part(bits_each=1, constant=bits),), source="given") for bits in STATES.values())
    return [verdicts(size, task.length, [task])[0].exact_at_most for size in sizes]


@cache
def _sizes(task: Problem, precision: int) -> dict[str, Any]:
    """The rows of `table`, as far as they are shown, and the sentence they end in."""
    rows = table(task, of_precision(precision))
    shown = [[row["architecture class"], row["arithmetic"], row["lower bound"], row["status"], row["best known"],
              row["source"]] for row in rows]  # fmt: skip
    return {"rows": shown, "sentence": sentence(rows, precision)}


def found_at(frontier: Frontier, task: Problem) -> list[dict[str, Any]]:
    """The smallest models that a search found for exactly this task."""
    try:
        same = create(**{**frontier.plan.task, "length": task.length}) == task
    except InputError:
        return []
    return [
        {
            "model": f"{short_name(point.model['name'])}, {point.model.get('layers', 1)} layers",
            "width": point.width or point.status,
            "state, bits": point.state_bits,
            "seeds": f"{point.reached} of {point.seeds}",
        }
        for point in frontier.points
        if same and point.length == task.length
    ]
