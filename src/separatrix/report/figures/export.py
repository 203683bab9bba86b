"""Figures as specifications for the page, and as SVG and PNG, drawn without a network."""

from __future__ import annotations

from typing import Any

import vl_convert

from separatrix.report.figures import theme
from separatrix.report.figures.charts import ROWS
from separatrix.report.html.section import Figure

SCALE = 2
"""Pixels of a PNG for each pixel of the figure."""


def specification(figure: Figure) -> dict[str, Any]:
    """A figure in Vega-Lite, without colours and as wide as its place: the page's theme and layout give both."""
    spec = figure.chart.to_dict(validate=False)  # validating takes seconds a page; the tests do it
    spec.pop("config", None)
    return spec | {"datasets": {ROWS: list(figure.rows)}, "description": figure.alt_text, "width": "container"}


def svg(figure: Figure, specification: dict[str, Any], heading: str) -> str:
    """A figure as SVG, with its title, in the light theme."""
    title = {"text": heading, "subtitle": ", ".join(filter(None, [figure.title, figure.at]))}
    own = {"width": figure.width, "title": title, "config": theme.config("light"), "padding": 16}
    return vl_convert.vegalite_to_svg(specification | own)


def png(svg: str) -> bytes:
    """An SVG as PNG."""
    return vl_convert.svg_to_png(svg, scale=SCALE)
