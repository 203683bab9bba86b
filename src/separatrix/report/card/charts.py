"""The two charts that only cards have: bits recalled against bits of state, and the state against the context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from separatrix.report.figures.charts import LINE_HEIGHT, ROWS
from separatrix.report.figures.series import Row
from separatrix.report.figures.theme import HUES, dash


def recalled(rows: Sequence[Row], context_bits: float) -> alt.LayerChart:
    """Bits recalled by bits of state (logarithmic), one point a model with its interval, under the whole context."""
    base = alt.Chart(alt.NamedData(name=ROWS)).encode(
        x=alt.X(
            "state:Q",
            title="state at this length, bits (logarithmic)",
            scale=alt.Scale(type="log", base=2, nice=False, padding=40),
            axis=alt.Axis(grid=False, tickCount=6, format=","),
        )
    )
    y_scale = alt.Scale(domain=[0, context_bits * 1.04], nice=False)
    y_axis = alt.Axis(tickCount=5, domain=False, ticks=False)
    y = alt.Y("recalled:Q", title="bits recalled", scale=y_scale, axis=y_axis)
    own, other = (alt.value(alt.expr(f"palette[{hue}]")) for hue in (1, 0))
    colour = alt.when("datum.subject").then(own).otherwise(other)
    strength = alt.when("datum.subject").then(alt.value(1.0)).otherwise(alt.value(0.65))
    tooltip = [
        alt.Tooltip("model:N", title="model"),
        alt.Tooltip("text:N", title="recalled (observed)"),
        alt.Tooltip("low:Q", title="interval from, bits"),
        alt.Tooltip("high:Q", title="to, bits"),
        alt.Tooltip("state:Q", title="state, bits (measured)", format=","),
        alt.Tooltip("share:N", title="bits recalled per state bit"),
        alt.Tooltip("seeds:Q", title="seeds"),
    ]
    whole = alt.Chart(alt.Data(values=[{"context": context_bits}])).mark_rule(
        strokeDash=[2, 4], color=alt.expr("ink")
    ).encode(y=alt.Y("context:Q", title="bits recalled", scale=y_scale, axis=y_axis))  # fmt: skip
    interval = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", title="bits recalled", scale=y_scale, axis=y_axis), y2="high:Q", color=colour, opacity=strength
    )
    point = base.mark_circle(size=80).encode(y=y, color=colour, opacity=strength, tooltip=tooltip)
    name = base.mark_text(align="left", dx=7, dy=-7, fontSize=11).encode(
        y=y, text="name:N", color=colour, opacity=strength
    )
    return alt.LayerChart(layer=[whole, interval, point, name], height=LINE_HEIGHT + 60)


def growth(models: Sequence[str], hues: Mapping[str, int]) -> alt.LayerChart:
    """Bits of state by context length, both logarithmic, one line a model."""
    legend = alt.Legend(
        title=None, orient="top", columns=4, symbolType="stroke", symbolOpacity=1, symbolFillColor="transparent"
    )
    colours = alt.Scale(domain=list(models), range=[alt.expr(f"palette[{hues[model] % HUES}]") for model in models])
    strokes = alt.Scale(domain=list(models), range=[dash(hues[model]) for model in models])
    base = alt.Chart(alt.NamedData(name=ROWS)).encode(
        x=alt.X(
            "length:Q",
            title="context length N (logarithmic)",
            scale=alt.Scale(type="log", base=2, nice=False),
            axis=alt.Axis(grid=False, tickCount=6),
        ),
        y=alt.Y(
            "bits:Q",
            title="state, bits (logarithmic)",
            scale=alt.Scale(type="log", base=2),
            axis=alt.Axis(tickCount=6, format=",", domain=False, ticks=False),
        ),
        color=alt.Color("model:N", scale=colours, legend=legend),
    )
    tooltip = [
        alt.Tooltip("model:N", title="model"),
        alt.Tooltip("length:Q", title="context length N"),
        alt.Tooltip("bits:Q", title="state, bits (measured)", format=","),
    ]
    line = base.mark_line(strokeWidth=2.4).encode(strokeDash=alt.StrokeDash("model:N", scale=strokes, legend=legend))
    point = base.mark_circle(size=46, opacity=1).encode(tooltip=tooltip)
    return alt.LayerChart(layer=[line, point], height=LINE_HEIGHT)
