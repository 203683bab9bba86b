"""Printing results: a Rich table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

SENTENCE = 10
"""Characters of a line of a column of sentences, at least."""

LINES = 5
"""Lines that a cell is folded into, about, at most."""

_LINES = re.compile(r"\s*[\r\n]+\s*")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def interrupted() -> typer.Exit:
    """Say on stderr how to go on after Ctrl-C; the exit to raise."""
    print("separatrix: interrupted; nothing is lost: run the same command again to go on", file=sys.stderr)
    return typer.Exit(130)


def print_json(value: Any) -> None:
    """JSON on stdout; anything that is not JSON already (paths, dates) as text."""
    print(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout that loses nothing. Numbers are aligned right; numbers, and names without blanks, stay whole.

    Where the terminal is too narrow for that, each row stands as lines of its own. In a pipe or a file each row is one
    line, for `grep` and `awk`; with the variable COLUMNS set it is laid out as on a terminal of that width.
    """
    rows = [list(row) for row in rows]
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        _print_framed(title, columns, rows)
    else:
        _print_lines(title, columns, rows)


def _print_lines(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A line for the title, one for the names of the columns if they have any, and one for each row."""
    numeric = [_numeric(rows, index) for index in range(len(columns))]
    cells = [[_LINES.sub(" ", readable(cell)) for cell in row] for row in rows]
    lines = [list(columns), *cells] if any(columns) else cells
    widths = [max((len(line[index]) for line in lines), default=0) for index in range(len(columns))]
    print(title)
    for line in lines:
        padded = (
            f"{cell:{'>' if right else '<'}{width}}" for cell, right, width in zip(line, numeric, widths, strict=True)
        )
        print("  ".join(padded).rstrip())


def _numeric(rows: Sequence[Sequence[Any]], index: int) -> bool:
    """Whether a column has numbers alone."""
    return bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)


def _print_framed(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table in a frame, folded to the width of the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", header_style="bold", title_style="bold")
    least = []
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows]
        numeric = _numeric(rows, index)
        kept = all(_is_number(cell) or " " not in str(cell) for cell in cells)
        least.append(_least(column, [readable(cell) for cell in cells], kept))
        heading = Text("\n".join(wrap(column, least[-1])) if kept else column)
        justify: Literal["right", "left"] = "right" if numeric else "left"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=kept, min_width=least[-1])
    for row in rows:
        table.add_row(*(Text(readable(cell)) for cell in row))
    console = Console()
    if sum(least) + 3 * len(least) + 1 > console.width:
        _print_rows(console, title, columns, rows)
    else:
        console.print(table)


def _least(column: str, cells: Sequence[str], kept: bool) -> int:
    """The characters a column needs: whole numbers and names, and a few words of sentences to a line."""
    words = max(map(len, column.split()), default=1)
    if kept:
        return max([words, *map(len, cells)])
    longest = max(map(len, cells), default=1)
    return max(words, min(SENTENCE, longest), -(-longest // LINES))


def _print_rows(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Each row as a heading, its first cell, and a line for every other column."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console.print(Text(title, "bold"), highlight=False)
    for row in rows:
        first, *others = (readable(cell) for cell in row)
        console.print(Text(first or "–", "bold"), highlight=False)
        lines = Table.grid(padding=(0, 2))
        lines.add_column(style="dim", overflow="fold", max_width=console.width // 2)
        lines.add_column(overflow="fold")
        for column, cell in zip(columns[1:], others, strict=True):
            lines.add_row(Text(column), Text(cell))
        console.print(Padding(lines, (0, 0, 0, 2)))


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
