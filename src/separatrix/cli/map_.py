"""`separatrix map`: architecture × task, each cell what is proved, built and found there, with its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli.output import Json, print_json

if TYPE_CHECKING:
    from separatrix.experiments.map import Map

LENGTH = 256
"""Context length unless one is given."""

WIDTH = 80
"""Columns of a terminal that the table fits in."""


def map_(
    length: Annotated[int, typer.Option(help="context length N of every task", min=2)] = LENGTH,
    precision: Annotated[int, typer.Option(help="bits per number p, in lower bounds", min=1)] = 16,
    number_format: Annotated[
        str, typer.Option("--format", help="in which impossibilities are stated: bf16, fp16, fp32, e4m3, …")
    ] = "bf16",
    store: Annotated[
        list[str] | None, typer.Option(help="folder of results that count as found, may be repeated")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="one more architecture: path/to/mine.py:Class, …")] = None,
    task: Annotated[list[str] | None, typer.Option(help="one more task: path/to/mine.py:function, …")] = None,
    cell: Annotated[
        tuple[str, str] | None,
        typer.Option(help="open the cells of this architecture and this task", metavar="MODEL TASK"),
    ] = None,
    against: Annotated[str | None, typer.Option(help="a card (.json, or a built-in family) to set beside it")] = None,
    page: Annotated[Path | None, typer.Option(help="write the table and all its evidence as a page (.html)")] = None,
    json: Json = False,
) -> None:
    """What each architecture can do at a length: impossible, needs at least, built at, found by training, or open.

    Example: separatrix map --store runs/quick --page map.html
    """
    from separatrix.errors import InputError
    from separatrix.experiments.map.make import make_map, own_column, own_row, standard_models, standard_tasks

    if against is not None:
        if cell or page or model or task or length != LENGTH:
            raise InputError(
                "--against asks about a card's own model, tasks and lengths: give no other of them with it"
            )
        _set_against(against, store or (), precision, number_format, json)
        return
    rows = (*standard_models(), *map(own_row, model or ()))
    columns = (*standard_tasks(length), *(own_column(name, length) for name in task or ()))
    made = make_map(rows, columns, store or (), length, precision, number_format)
    opened = None if cell is None else _opened(made, *cell)
    if page is not None:
        from separatrix.report.map.write import write_map_page

        write_map_page(made, page)
    if json:
        print_json(
            made.model_dump(mode="json") if opened is None else [each.model_dump(mode="json") for each in opened]
        )
        return
    if opened is None:
        _print(made)
    for each in opened or ():
        _print_cell(each)
    if page is not None:
        print(f"The page: {page}")


def _opened(made: Map, model: str, task: str) -> list[Any]:
    """The cells whose architecture and task have such names."""
    from separatrix.errors import unknown

    rows = [i for i, row in enumerate(made.rows) if model in (row.label, row.name)]
    columns = [j for j, each in enumerate(made.columns) if task in (each.label, each.short, each.task["name"])]
    if not rows:
        raise unknown("architecture of the map", model, [row.label for row in made.rows])
    if not columns:
        raise unknown("task of the map", task, [each.label for each in made.columns])
    return [made.cells[i][j] for i in rows for j in columns]


def _print(made: Map) -> None:
    """The table in blocks of as many columns as fit, and what its letters mean."""
    from separatrix.experiments.map.cells import LETTER, MEANING
    from separatrix.experiments.map.make import TASKS

    left = max(len(row.label) for row in made.rows) + 2
    wide = max(4, *(len(each.short) + 1 for each in made.columns))
    fit = max(1, (WIDTH - left) // wide)
    print(f"What each architecture can do at length {made.length:,}; --cell MODEL TASK opens a cell.")
    for start in range(0, len(made.columns), fit):
        block = slice(start, start + fit)
        print("\n" + " " * left + "".join(each.short.ljust(wide) for each in made.columns[block]).rstrip())
        for row, cells in zip(made.rows, made.cells, strict=True):
            print((row.label.ljust(left) + "".join(each.letters.ljust(wide) for each in cells[block])).rstrip())
    print()
    for status, means in MEANING.items():
        print(fill(f"{LETTER[status]}  {status}: {means}", WIDTH, subsequent_indent="   "))
    print(fill("; ".join(f"{each.short}: {each.label}" for each in made.columns), WIDTH))
    labels = [each.label for each in made.columns]
    if missing := [label for label, _, _ in TASKS if label not in labels]:
        print(fill(f"not at this length: {'; '.join(missing)}", WIDTH))
    print(f"impossibilities in {made.number_format}; shipped certificates verified on {made.shipped}")


def _print_cell(cell: Any) -> None:
    from separatrix.report.map.write import lines

    print(f"{cell.model}: {cell.task}: {cell.status}")
    for fact in cell.facts:
        print(fill(f"{fact.kind}: {fact.words}", WIDTH, initial_indent="  ", subsequent_indent="    "))
        for name, value in lines(fact.evidence):
            print("\n".join(_wrapped(f"{name}: {value}")))


def _wrapped(text: str) -> Iterator[str]:
    """A line of evidence, indented; commands stay whole to be copied."""
    if text.startswith("command: "):
        yield f"      {text}"
    else:
        yield fill(text, WIDTH, initial_indent="      ", subsequent_indent="        ", break_on_hyphens=False)


def _set_against(name: str, stores: Sequence[str], precision: int, number_format: str, json: bool) -> None:
    """A card's questions beside their cells."""
    from separatrix.cli.output import print_table
    from separatrix.experiments.card import read_card, stored_reference
    from separatrix.experiments.map.against import against
    from separatrix.report.html.labels import percent

    card = stored_reference(name) or read_card(name)
    rows = against(card, stores, precision, number_format)
    if json:
        print_json({"card": card.label, "model": card.model, "questions": rows})
        return
    shown = [
        [row["title"], row["length"], "–" if row["accuracy"] is None else percent(row["accuracy"]), row["letters"],
         row["says"]]
        for row in rows
    ]  # fmt: skip
    print_table(f"{card.label} against the map", ["task", "N", "accuracy", "map", "together"], shown)
