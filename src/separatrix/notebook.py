"""Small tables for notebooks: what an object of the library says of itself where HTML is shown."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def facts(title: str, rows: Mapping[str, str]) -> str:
    """A title and a table of two columns; everything in it is escaped.

    >>> facts("a < b", {"bits": "8"}).count("&lt;")
    1
    """
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption style='text-align:left'><b>{escape(title)}</b></caption>{cells}</table>"
