"""Figures as files: SVG and PNG, drawn without a network."""

from __future__ import annotations

from typing import Any

import vl_convert

from separatrix.report import theme
from separatrix.report.section import Figure

SCALE = 2
"""Pixels of a PNG for each pixel of the figure."""


def page_spec(figure: Figure) -> dict[str, Any]:
    """The Vega-Lite specification for the page: as wide as its place there, coloured by the page's theme."""
    chart = figure.chart.properties(width="container", description=figure.alt_text)
    spec = chart.to_dict()
    spec.pop("config", None)
    return spec


def svg(figure: Figure, heading: str) -> str:
    """A figure as SVG, with its title."""
    return vl_convert.vegalite_to_svg(_file_spec(figure, heading))


def png(figure: Figure, heading: str) -> bytes:
    """A figure as PNG, with its title."""
    return vl_convert.vegalite_to_png(_file_spec(figure, heading), scale=SCALE)


def _file_spec(figure: Figure, heading: str) -> dict[str, Any]:
    title = {"text": heading, "subtitle": figure.title}
    spec = figure.chart.properties(width=figure.width, description=figure.alt_text).to_dict()
    return spec | {"title": title, "config": theme.config("light"), "padding": 16}
