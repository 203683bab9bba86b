"""Small tables for notebooks: what an object of the library says of itself where HTML is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

LONGEST = 120
"""Characters of a value that are shown."""


def facts(title: str, rows: Mapping[str, str]) -> str:
    """A title and a table of two columns; everything in it is escaped.

    >>> facts("a < b", {"bits": "8"}).count("&lt;")
    1
    """
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption style='text-align:left'><b>{escape(title)}</b></caption>{cells}</table>"


def bits(number: float | None, unknown: str = "unknown: no closed form") -> str:
    """Bits in words; None is unknown, and never zero.

    >>> bits(120.0), bits(1), bits(None)
    ('120 bits', '1 bit', 'unknown: no closed form')
    """
    if number is None or number == 1:
        return unknown if number is None else "1 bit"
    return f"{number:,.4g} bits" if number < 1e4 else f"{number:,.0f} bits"


def brief(value: Any) -> str:
    """A value in at most `LONGEST` characters; tensors by their type and shape.

    >>> brief(0.1 + 0.2), brief(1048576), brief("a" * 200)[-2:]
    ('0.3', '1,048,576', 'a…')
    """
    match value:
        case None:
            text = "none"
        case bool():
            text = "yes" if value else "no"
        case int():
            text = f"{value:,}"
        case float():
            text = f"{value:.4g}"
        case list() | tuple():
            text = ", ".join(brief(each) for each in value)
        case dict():
            text = ", ".join(f"{name} {brief(each)}" for name, each in value.items())
        case _ if hasattr(value, "shape"):
            text = f"{value.dtype}[{', '.join(map(str, value.shape))}]"
        case _:
            text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


class Shown:
    """Shown in a notebook as a table of its fields, and of `bits` where it has them."""

    def _repr_html_(self) -> str:
        return facts(self._title(), {name.replace("_", " "): brief(value) for name, value in self._values()})

    def _title(self) -> str:
        """The kind of object in words: `Best cut`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).capitalize()

    def _values(self) -> Iterator[tuple[str, Any]]:
        own = (
            vars(self) if not is_dataclass(self) else {field.name: getattr(self, field.name) for field in fields(self)}
        )
        yield from own.items()
        said = getattr(self, "bits", None)
        if isinstance(said, int | float) and "bits" not in own:
            yield "bits", said
