"""Printing results: a Rich table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def print_json(value: Any) -> None:
    """JSON on stdout; anything that is not JSON already (paths, dates) as text."""
    print(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A Rich table on stdout. Numbers are aligned right; numbers, and names without blanks, stay on one line.

    In a pipe or a file it is as wide as its contents.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows]
        numeric = bool(rows) and all(isinstance(cell, int | float | None) for cell in cells)
        whole = [readable(cell) for cell in cells if _is_number(cell) or " " not in str(cell)]
        kept = len(whole) == len(cells)  # its title wraps, and the other columns
        heading = "\n".join(wrap(column, max(map(len, [*whole, *column.split()]), default=1))) if kept else column
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold", no_wrap=kept)
    for row in rows:
        table.add_row(*(escape(readable(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, console.measure(table, options=console.options.update(width=10_000)).maximum)
    console.print(table)


def _is_number(cell: Any) -> bool:
    """Whether a cell is a number, also one written with separators and units: 1,024 or 3.9 / 4,096."""
    return not isinstance(cell, str) or not any(letter.isalpha() for letter in cell)


def bits_needed(bits: float | None) -> float | str:
    """A proved lower bound, or that no closed form is known."""
    return "unknown: `separatrix analyze` enumerates" if bits is None else bits


def readable(value: Any) -> str:
    """A cell as text: floats to four significant digits, None as a dash."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
        case _:
            return str(value)
