"""The chart of the memory wall, and the picture of it that stands alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert

from separatrix.report.figures import theme
from separatrix.report.figures.charts import ROWS
from separatrix.report.figures.series import Row

CERTIFIED = "construction, certified"
ROOM = 1.25
"""Factor that the axes reach beyond the outermost points, so that no mark is cut off."""

PICTURE = (1200, 630)
"""Width and height of the picture in pixels: what pages that link here show."""


def wall_chart(rows: Sequence[Row], families: Sequence[str], hues: Mapping[str, int], whole: float) -> alt.LayerChart:
    """Bits recalled against bits sent, on logarithmic axes, with the region that no code reaches.

    rows:  fields model, kind, x, y, low, high, leads (whether no shorter message of the family recalls as much), text
    whole: all there is to recall, in bits
    """
    sent = [row["x"] for row in rows]
    low, high = min([whole / 4, *(row["y"] for row in rows)]) / ROOM, 2.5 * whole
    left, right = min([whole / 4, *sent]) / ROOM, ROOM * max([2 * whole, *sent])
    x = alt.X("x:Q", title="bits sent",
              axis=alt.Axis(grid=False, format=",", tickCount=8, labelSeparation=6, labelBound=True),
              scale=alt.Scale(type="log", base=2, domain=[left, right], nice=False))  # fmt: skip
    y_scale = alt.Scale(type="log", base=2, domain=[low, high], nice=False, clamp=True)
    y = alt.Y("y:Q", title="bits recalled", scale=y_scale,
              axis=alt.Axis(format=",", tickCount=6, domain=False, ticks=False))  # fmt: skip
    palette = [alt.expr(f"palette[{hues[name] % theme.HUES}]") for name in families]
    colour = alt.Color(
        "model:N",
        scale=alt.Scale(domain=list(families), range=palette),
        legend=alt.Legend(
            title=None, orient="top", symbolType="stroke", symbolOpacity=1, symbolFillColor="transparent"
        ),
    )
    tooltip = [alt.Tooltip("model:N", title=" "), alt.Tooltip("text:N", title="what")]
    ends = [max(left, low), min(high, right)]
    corners = [{"x": at, "y": min(max(at, low), high), "top": high} for at in [left, *ends]]
    wall = alt.Chart(alt.Data(values=corners))
    beyond = wall.mark_area(opacity=0.16, color=alt.expr("ink"), clip=True).encode(
        x=x, y=alt.Y("y:Q", title="bits recalled", scale=y_scale), y2="top:Q"
    )
    line = wall.mark_line(strokeWidth=2.5, color=alt.expr("strong"), clip=True).encode(x=x, y=y)
    said = alt.Chart(alt.Data(values=[{"x": left, "y": high, "text": "proved:\nno code\ngets here"}]))
    words = said.mark_text(
        align="left", baseline="top", dx=8, dy=8, fontSize=13, lineBreak="\n", color=alt.expr("strong")
    ).encode(x=x, y=y, text="text:N")
    top = alt.Chart(alt.Data(values=[{"y": whole, "x": right, "text": "all there is to recall"}]))
    ceiling = top.mark_rule(strokeDash=[8, 4], color=alt.expr("strong")).encode(y=y)
    named = top.mark_text(align="right", baseline="bottom", dx=-4, dy=-4, fontSize=12, color=alt.expr("ink")).encode(
        x=x, y=y, text="text:N"
    )
    base = alt.Chart(alt.NamedData(name=ROWS))
    observed = base.transform_filter("datum.kind == 'observed'").encode(x=x, y=y, color=colour)
    dots = observed.mark_circle(size=26, opacity=0.45, clip=True).encode(tooltip=tooltip)
    joined = observed.transform_filter("datum.leads").mark_line(strokeWidth=2.6, clip=True)
    built = base.transform_filter("datum.kind == 'certified'").encode(x=x, y=y, tooltip=tooltip)
    diamond = built.mark_point(shape="diamond", size=190, filled=True, opacity=1, color=alt.expr("strong"))
    # Under the dashed line, which the wall does not cross; on a phone, where curves run there, above it, in two lines.
    baseline, dy = alt.expr("width > 560 ? 'top' : 'bottom'"), alt.expr("width > 560 ? 8 : -22")
    label = built.mark_text(
        align="left", baseline=baseline, dx=14, dy=dy, fontSize=12, lineBreak=", ", color=alt.expr("strong")
    ).encode(text="model:N")
    layers = [beyond, line, words, ceiling, named, dots, joined, diamond, label]
    return alt.LayerChart(layer=layers, height=420)


def picture(specification: dict[str, Any], title: str, subtitle: str) -> str:
    """The chart as an SVG of 1200 × 630 pixels with its own title, in the light theme."""
    config = theme.config("light")
    width, height = PICTURE
    whole = unbroken(specification) | {
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 28,
        "title": {"text": title, "subtitle": subtitle, "fontSize": 30, "subtitleFontSize": 17, "offset": 10},
        "config": config | {"axis": config["axis"] | {"labelFontSize": 15, "titleFontSize": 17},
                            "legend": config["legend"] | {"labelFontSize": 16}},
    }  # fmt: skip
    return vl_convert.vegalite_to_svg(whole)


def unbroken(specification: dict[str, Any]) -> dict[str, Any]:
    """The chart with its words in one line each, and the last number of its axis: they need not fit a phone."""
    whole = copy.deepcopy(specification)
    for layer in whole["layer"]:
        layer["mark"].pop("lineBreak", None)
        if axis := layer["encoding"].get("x", {}).get("axis"):
            axis["labelBound"] = 28  # the padding
    return whole
