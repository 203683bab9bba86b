"""Making a map: rows and columns, and every cell from what is proved, built and found."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from separatrix.bounds.formats import of_precision
from separatrix.constructions import names as construction_names
from separatrix.constructions import theorem
from separatrix.errors import InputError
from separatrix.experiments.map.cells import Map, MapCell, MapColumn, MapRow
from separatrix.experiments.map.evidence import facts as built
from separatrix.experiments.map.evidence import shipped
from separatrix.experiments.map.found import TrainedModels
from separatrix.experiments.map.proved import proved
from separatrix.models import architecture
from separatrix.models import names as model_names
from separatrix.numerics import parse
from separatrix.tasks import create
from separatrix.words import plural

LENGTH, PRECISION, FORMAT = 256, 16, "bf16"

BOUNDED = [[min(count + 1, 3), max(count - 1, 0), count, 0] for count in range(4)]
"""A counter of 0 … 3 that stops there: up, down, stay, and from 0 again."""

TASKS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("index lookup", "idx", {"name": "index-lookup", "alphabet": 16}),
    ("associative recall", "rec", {"name": "associative-recall", "keys": "N"}),
    ("equality", "eq", {"name": "equality"}),
    ("equality, interleaved", "eqi", {"name": "equality", "layout": "interleaved"}),
    ("disjointness", "dis", {"name": "disjointness"}),
    ("disjointness, interleaved", "dii", {"name": "disjointness", "layout": "interleaved"}),
    ("sparse threshold", "thr", {"name": "sparse-threshold"}),
    ("nearest neighbour", "nn", {"name": "nearest-neighbor"}),
    ("bounded Dyck-(2,2)", "dyk", {"name": "bounded-dyck", "kinds": 2, "depth": 2}),
    ("bounded Dyck-(2,3)", "dy3", {"name": "bounded-dyck", "kinds": 2, "depth": 3}),
    ("flip-flop", "ff", {"name": "automaton", "transitions": [[0, 0, 1], [1, 0, 1]], "outputs": [0, 1]}),
    ("parity", "par", {"name": "parity"}),
    ("counting modulo 3", "mod", {"name": "modular-counter", "modulus": 3}),
    ("words of S3", "S3", {"name": "group-word", "group": "S3"}),
    ("words of S5", "S5", {"name": "group-word", "group": "S5"}),
    ("counting 0 … 3", "cnt", {"name": "automaton", "transitions": BOUNDED, "outputs": [0, 1, 2, 3]}),
    ("flip-flop stream", "ffs", {"name": "flip-flop"}),
    ("brackets to come", "nxt", {"name": "next-bracket"}),
    ("running parity", "rpa", {"name": "state-tracking", "machine": "parity"}),
    ("running count 0 … 3", "rct", {"name": "state-tracking", "machine": "automaton", "table": BOUNDED}),
)
"""The columns: label, a name of a few letters, and the task but for its length N; the last four ask at every token."""


def standard_tasks(length: int = LENGTH) -> tuple[MapColumn, ...]:
    """The library's tasks that exist at a length; those that a construction is about and no other column has come last.

    Raises InputError where there are none.
    """
    wanted = list(TASKS)
    covered = {fields["name"] for _, _, fields in TASKS}
    more = [name for name in dict.fromkeys(theorem(each).task for each in construction_names()) if name not in covered]
    wanted += [(name.replace("-", " "), name[:3], {"name": name}) for name in more]
    columns: list[MapColumn] = []
    for label, short, fields in wanted:
        with suppress(InputError):  # it does not exist at this length
            columns.append(column(label, short, fields, length))
    if not columns:
        raise InputError(f"no task of the map exists at length {length:,}: choose another, such as {LENGTH}")
    return tuple(columns)


def column(label: str, short: str, fields: dict[str, Any], length: int) -> MapColumn:
    """A column at a length, with every field of its task."""
    told: dict[str, Any] = {name: length if value == "N" else value for name, value in fields.items()}
    return MapColumn(label=label, short=short, task=create(**told, length=length).model_dump(mode="json"))


def standard_models() -> tuple[MapRow, ...]:
    """Transformers of one layer, of two and of three, and every other registered architecture at every depth."""
    attention = [
        MapRow(label=f"transformer, {plural(n, 'layer')}", model={"name": "transformer", "layers": n})
        for n in (1, 2, 3)
    ]
    return (*attention, *(MapRow(label=name, model={"name": name}) for name in model_names() if name != "transformer"))


def own_row(name: str) -> MapRow:
    """An architecture of one's own, a hybrid or one of Transformers, by name. Raises InputError when there is none."""
    architecture(name)
    return MapRow(label=name, model={"name": name})


def own_column(name: str, length: int) -> MapColumn:
    """A task of one's own, or a registered one, by name."""
    stem = name.rpartition(":")[2]
    return column(stem.replace("-", " "), stem[:3], {"name": name}, length)


def make_map(
    rows: Sequence[MapRow] | None = None,
    columns: Sequence[MapColumn] | None = None,
    stores: Sequence[str] = (),
    length: int = LENGTH,
    precision: int = PRECISION,
    number_format: str = FORMAT,
) -> Map:
    """The table of what is proved, built and found.

    rows, columns: the library's own when None; stores: folders of results whose frontiers and trials count as found
    precision:     bits of one number in lower bounds; number_format: in which impossibilities are stated

    >>> from separatrix.experiments.map import make_map, standard_models, standard_tasks
    >>> rows = [row for row in standard_models() if row.label in ("gla", "elman")]
    >>> made = make_map(rows, [column for column in standard_tasks() if column.label == "parity"])
    >>> made.cell("gla", "parity").status, made.cell("elman", "parity").status
    ('impossible', 'built')
    """
    rows, columns = tuple(rows or standard_models()), tuple(columns or standard_tasks(length))
    for what, labels in (("row", [row.label for row in rows]), ("column", [each.label for each in columns])):
        if twice := next((label for label in labels if labels.count(label) > 1), None):
            raise InputError(f"two {what}s of the map are called {twice!r}: name it once")
    parse(number_format)
    trained, arithmetics = TrainedModels(stores), of_precision(precision)
    tasks = [create(**each.task) for each in columns]
    cells = tuple(
        tuple(
            MapCell(
                model=row.label,
                task=each.label,
                facts=(*proved(row, task, arithmetics, number_format), *built(row, task), *trained.facts(row, task)),
            )
            for each, task in zip(columns, tasks, strict=True)
        )
        for row in rows
    )
    return Map(
        length=length, precision=precision, number_format=number_format, rows=rows, columns=columns, cells=cells,
        shipped=shipped().made,
    )  # fmt: skip
