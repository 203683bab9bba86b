"""The figure of position codes: how many signs N positions need, for each kind of code, beside log2 N."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert

from separatrix.report.figures import theme

ORDER = ("binary", "algebraic", "jl")
LABELS = {"binary": "binary digits", "algebraic": "dual BCH", "jl": "random signs"}


def widths_chart(rows: Sequence[dict[str, Any]]) -> alt.LayerChart:
    """Width against N, both on logarithmic axes. rows: as `constructions.codes.widths` gives them."""
    kinds = [kind for kind in ORDER if any(row["code"] == kind for row in rows)]
    domain = [LABELS[kind] for kind in kinds]
    values = [{**row, "kind": LABELS[row["code"]]} for row in rows if row["width"] > 0]
    bound = sorted({(row["length"], row["log2"]) for row in rows if row["log2"] > 0})
    powers = alt.Axis(grid=False, labelExpr="'2^' + round(log(datum.value) / LN2)")
    x = alt.X("length:Q", title="positions N", scale=alt.Scale(type="log", base=2), axis=powers)
    y = alt.Y("width:Q", title="signs k", scale=alt.Scale(type="log", base=2))
    colours = alt.Scale(domain=domain, range=[alt.expr(f"palette[{number}]") for number in range(len(kinds))])
    strokes = alt.Scale(domain=domain, range=[theme.dash(number) for number in range(len(kinds))])
    legend = alt.Legend(title=None, orient="top", symbolType="stroke")
    lines = (
        alt.Chart(alt.Data(values=values))
        .mark_line(strokeWidth=2.4, point=True)
        .encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", scale=colours, legend=legend),
            strokeDash=alt.StrokeDash("kind:N", scale=strokes, legend=legend),
            tooltip=[
                alt.Tooltip("kind:N", title="code"),
                alt.Tooltip("length:Q", title="positions N", format=","),
                alt.Tooltip("width:Q", title="signs k"),
                alt.Tooltip("cross:Q", title="largest cross product over k (guaranteed)", format=".3f"),
                alt.Tooltip("measured:Q", title="largest cross product over k (measured)", format=".3f"),
            ],
        )
    )
    levels = [{"length": length, "width": level} for length, level in bound]
    below = (
        alt.Chart(alt.Data(values=levels))
        .mark_line(strokeDash=[2, 4], color=alt.expr("ink"))
        .encode(x=x, y=y, tooltip=[alt.Tooltip("width:Q", title="log2 N", format=".2f")])
    )
    return alt.LayerChart(layer=[below, lines], width=520, height=300)


def svg(rows: Sequence[dict[str, Any]]) -> str:
    """The figure as SVG, in the light theme."""
    title = {"text": "Signs a position code needs", "subtitle": "dotted: log2 N, the least that tells positions apart"}
    spec = widths_chart(rows).to_dict(validate=False) | {"title": title, "padding": 16}
    return vl_convert.vegalite_to_svg(spec | {"config": theme.config("light")})
