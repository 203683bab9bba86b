"""Writing a map as a page: one HTML file that loads nothing and runs nothing; every cell opens its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from separatrix import __version__
from separatrix.atomic import write_whole
from separatrix.experiments.map.cells import MEANING, STATUSES, Map, MapCell, Status
from separatrix.report.html import document

BADGE: dict[Status, str] = {"impossible": "proved", "needs": "proved", "built": "certified", "found": "observed"}
"""How a fact of each kind is known; nothing is known of an open cell."""


def write_map_page(made: Map, path: str | Path) -> Path:
    """Write the page. Raises InputError when the file cannot be written."""
    return write_whole(path, map_page(made).encode())


def map_page(made: Map) -> str:
    """The page as HTML: everything in it is escaped."""
    return document.template("map.html").render(
        made=made,
        version=__version__,
        meaning=MEANING,
        counts={status: sum(c.status == status for row in made.cells for c in row) for status in STATUSES},
        badge=BADGE,
        places=[[f"cell-{i}-{j}" for j in range(len(made.columns))] for i in range(len(made.rows))],
        lines=lines,
        shown=shown,
        style=document.asset("style.css"),
        policy=document.policy([]),
        json=document.data_uri("application/json", (made.model_dump_json(indent=1) + "\n").encode()),
    )


def shown(cell: MapCell) -> str:
    """What a cell says in the table, in a word or two."""
    kinds = {fact.kind for fact in cell.facts}
    return " + ".join(status for status in STATUSES if status in kinds) or "open"


def lines(evidence: dict[str, Any]) -> list[tuple[str, str]]:
    """Evidence as names and values; what is empty is left out."""
    return [
        (name.replace("_", " "), words(value)) for name, value in evidence.items() if value not in (None, [], {}, "")
    ]


def words(value: Any) -> str:
    """A value as text: numbers with separators, settings as `name value`."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.6g}"
        case dict():
            return ", ".join(f"{name} {words(each)}" for name, each in value.items() if each is not None)
        case list() | tuple():
            return ", ".join(words(each) for each in value)
        case _:
            return str(value)
