"""What a page is made of. Whoever measures something new adds a Section, and the page, PNG and SVG follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import altair as alt

Label = Literal["proved", "certified", "observed"]
"""How a number is known: for every input, for every input in one number format, or on sampled inputs."""

MEANING: dict[Label, str] = {
    "proved": "holds for every input and every training run, by a theorem",
    "certified": "holds for every input in the number format named with it",
    "observed": "measured on sampled inputs, with the spread over seeds",
}


@dataclass(frozen=True)
class Figure:
    """A chart with its words. The chart carries no width: page and files each give it theirs."""

    name: str
    title: str
    see: str
    """How to read it, one or two sentences."""
    alt_text: str
    """What it shows, for those who cannot see it."""
    chart: alt.LayerChart
    rows: Sequence[dict[str, Any]]
    """The data that the chart draws, by the name `charts.ROWS`."""
    at: str = ""
    """The part shown at first, and in the files, where the page lets one choose."""
    width: int = 640
    """Width of the plot in the PNG and SVG, in pixels at scale 1."""
    page_width: int = 960
    """Widest the figure gets on the page, in pixels."""
    page_least: int = 0
    """Narrowest it stays readable, in pixels: on narrower screens it scrolls sideways in its place."""


@dataclass(frozen=True)
class Column:
    """A column of a Table."""

    title: str
    label: Label | None = None
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """Numbers beside one another, each column saying how its numbers are known."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    folded: bool = False
    """Shown only when asked for."""

    def without(self, title: str | None) -> Table:
        """The table without a column of that title; itself for None."""
        kept = [index for index, column in enumerate(self.columns) if column.title != title]
        rows = [[row[index] for index in kept] for row in self.rows]
        return replace(self, columns=[self.columns[index] for index in kept], rows=rows)


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    id: str
    title: str
    kicker: str = ""
    about: str = ""
    measured: str = ""
    """What was run: seeds, steps, spread."""
    notes: Sequence[str] = ()
    """What is missing, failed, or not as asked for."""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    more: str = "The same at the other lengths"
    """What the folded tables are."""
    labels: Sequence[Label] = field(init=False)

    def __post_init__(self) -> None:
        used = {column.label for table in self.tables for column in table.columns if column.label}
        object.__setattr__(self, "labels", sorted(used))
