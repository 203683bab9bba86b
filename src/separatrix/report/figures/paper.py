"""Figures for papers: as wide as a column or a page in print, with type of 7 to 8 points at that size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import vl_convert

from separatrix.report.figures import theme
from separatrix.report.figures.charts import ROWS
from separatrix.report.figures.series import Row

Kind = Literal["pdf", "svg", "png"]

WIDTHS = {"column": 234.0, "page": 397.0}
"""Points: a column of two (3.25 inches) and the text width of one (5.5 inches), as conferences print them."""

HEIGHT = 0.62
"""Height of a plot by the whole width, where the chart has no height of its own for each row."""

ROW_HEIGHT = 0.55
"""Height of a row of a heat map in print, by its height on the page."""

DPI = 600
"""Dots an inch of a PNG."""

SMALL, LARGE = 7.0, 8.0
"""Points of labels and ticks, and of titles of axes."""


def drawn(specification: dict[str, Any], kind: Kind, width: Literal["column", "page"], title: str = "") -> bytes:
    """A figure's specification as a file of that printed width; titles are the paper's own, unless one is given."""
    spec = printed(specification, WIDTHS[width], title)
    match kind:
        case "pdf":
            return vl_convert.vegalite_to_pdf(spec)  # a pixel is a point; fonts are embedded
        case "png":
            return vl_convert.vegalite_to_png(spec, scale=DPI / 72, ppi=72)
        case "svg":
            return vl_convert.vegalite_to_svg(spec).encode()


def printed(specification: dict[str, Any], width: float, title: str = "") -> dict[str, Any]:
    """The specification at that width in points, type and strokes as they are printed."""
    rows = any(layer.get("encoding", {}).get("y", {}).get("field") == "model" for layer in specification["layer"])
    height = specification["height"] * ROW_HEIGHT if rows else width * HEIGHT
    spec = {key: value for key, value in specification.items() if key not in ("title", "config")}
    spec |= {
        "layer": [_smaller(layer) for layer in spec["layer"]],
        "width": width,
        "height": height,
        "autosize": {"type": "fit-x" if rows else "fit", "contains": "padding"},
        "padding": 2,
        "config": _config(),
    }
    return spec | ({"title": {"text": title, "fontSize": LARGE, "offset": 4}} if title else {})


def _config() -> dict[str, Any]:
    config = theme.config("light")
    axis = config["axis"] | {
        "labelFontSize": SMALL, "titleFontSize": LARGE, "titlePadding": 3, "tickSize": 3, "labelPadding": 2,
        "gridWidth": 0.4, "domainWidth": 0.5, "tickWidth": 0.5, "labelColor": "#000000", "titleColor": "#000000",
    }  # fmt: skip
    legend = config["legend"] | {
        "labelFontSize": SMALL, "titleFontSize": SMALL, "symbolSize": 90, "symbolStrokeWidth": 1.2, "columnPadding": 8,
        "rowPadding": 1, "offset": 4,
    }  # fmt: skip
    return config | {"axis": axis, "legend": legend, "background": "#ffffff"}


def _smaller(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer with strokes, points and type for print, and legends of as many columns as fit."""
    mark = dict(layer["mark"]) if isinstance(layer["mark"], dict) else {"type": layer["mark"]}
    if "strokeWidth" in mark:
        mark["strokeWidth"] = mark["strokeWidth"] / 2
    if "size" in mark:
        mark["size"] = mark["size"] / 4
    if "fontSize" in mark:
        mark["fontSize"] = SMALL
    for shift in ("dx", "dy"):
        if isinstance(mark.get(shift), int | float):
            mark[shift] = mark[shift] / 2
    encoding = {name: _two_columns(channel) for name, channel in layer.get("encoding", {}).items()}
    return layer | {"mark": mark, "encoding": encoding}


def _two_columns(channel: Any) -> Any:
    legend = channel.get("legend") if isinstance(channel, dict) else None
    return channel | {"legend": legend | {"columns": 3}} if legend else channel


def csv(rows: Sequence[Row]) -> bytes:
    """The numbers of a figure, a row each."""
    import polars as pl  # noqa: PLC0415  # half a second that importing the report need not cost

    return pl.DataFrame(list(rows), infer_schema_length=None).write_csv().encode()


def data(specification: dict[str, Any]) -> list[Row]:
    """The rows that a specification draws."""
    return specification["datasets"][ROWS]
