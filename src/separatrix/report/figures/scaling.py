"""A chart of sizes: what was measured against a length or a number of bits, beside what is proved and constructed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from separatrix.report.figures.charts import LINE_HEIGHT, choosing, with_menu
from separatrix.report.figures.series import Row
from separatrix.report.figures.theme import HUES, dash

PROVED, CONSTRUCTED = "proved", "constructed"
"""What a line may be besides a model's: drawn in ink, dashed and dotted."""

TICKS = 8
"""Values on the axis that are all marked; of more, round ones are."""

LONG = 36
"""Characters of a name beyond which the legend has two columns, not four."""

_INK = {PROVED: [8, 4], CONSTRUCTED: [2, 3]}


def scaling(
    rows: Sequence[Row],
    models: Sequence[str],
    known: Mapping[str, str],
    hues: Mapping[str, int],
    x: str,
    y: str,
    log: tuple[bool, bool] = (True, True),
    share: bool = False,
    pick: str = "",
) -> alt.LayerChart:
    """One line a model with the range over seeds, and lines of what is known.

    rows:  fields model, x, y, low, high (ranges), text (a tooltip), short (not reached)
    known: lines that are no model's, with their kind, `proved` or `constructed`
    log:   whether the axes are logarithmic, of powers of two
    share: whether y is a share in [0, 1]
    pick:  the name of a field of `rows` to choose a value of; none when empty
    """
    domain = [*models, *known]
    colours = alt.Scale(
        domain=domain,
        range=[alt.expr(f"palette[{hues[model] % HUES}]") for model in models] + [alt.expr("strong")] * len(known),
    )
    strokes = alt.Scale(
        domain=domain, range=[dash(hues[model]) for model in models] + [_INK[kind] for kind in known.values()]
    )
    columns = 2 if max(map(len, domain), default=0) > LONG else 4
    legend = alt.Legend(
        title=None, orient="top", columns=columns, symbolType="stroke", symbolOpacity=1, symbolFillColor="transparent"
    )
    chart, menu = choosing(rows, pick)
    y_scale = alt.Scale(domain=[0, 1]) if share else _scale(log[1])
    y_axis = alt.Axis(format="%" if share else ",~s", tickCount=5, domain=False, ticks=False)
    met = sorted({row["x"] for row in rows})
    ticks = {"values": met} if len(met) <= TICKS else {"tickCount": 6}
    axis = alt.Axis(grid=False, format=",.3~s", labelOverlap=True, **ticks)
    base = chart.encode(
        x=alt.X("x:Q", title=x, axis=axis, scale=_scale(log[0])),
        color=alt.Color("model:N", scale=colours, legend=legend),
    )
    height = alt.Y("y:Q", title=y, scale=y_scale, axis=y_axis)
    band = base.mark_area(opacity=0.14, invalid="filter").encode(
        y=alt.Y("low:Q", title=y, scale=y_scale, axis=y_axis), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=2.4).encode(
        y=height, strokeDash=alt.StrokeDash("model:N", scale=strokes, legend=legend)
    )
    tooltip = [alt.Tooltip("model:N", title=" "), alt.Tooltip("text:N", title="what")]
    points = base.transform_filter("datum.kind == 'observed'").mark_point(size=60, filled=True, opacity=1)
    marks = points.encode(
        y=height,
        tooltip=tooltip,
        shape=alt.Shape(
            "short:N",
            legend=None,
            scale=alt.Scale(domain=[False, True], range=["circle", "triangle-up"]),
        ),
    )
    ruled = base.transform_filter("datum.kind != 'observed'").mark_circle(size=90, opacity=0)
    layers = [band, line, marks] if any("low" in row for row in rows) else [line, marks]
    layers += [ruled.encode(y=height, tooltip=tooltip)] if known else []
    layered = alt.LayerChart(layer=layers, height=LINE_HEIGHT)
    return with_menu(layered, menu)


def _scale(log: bool) -> alt.Scale:
    return alt.Scale(type="log", base=2, nice=False, padding=6) if log else alt.Scale(nice=True, zero=True)
