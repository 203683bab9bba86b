"""The kinds of chart: a grid of accuracies, and accuracy along an axis. Colours come from the theme alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from separatrix.report.series import Row
from separatrix.report.theme import TURN, dashes

CELL_HEIGHT = 46
LINE_HEIGHT = 280
_DEEP = f"datum.median > {TURN} ? onDeep : onPale"


def grid(
    rows: Sequence[Row], models: Sequence[str], columns: Sequence[str], title: str, pick: str = ""
) -> alt.LayerChart:
    """Accuracy by model (rows) and by length or kind (columns): median large, range over seeds small.

    pick: the name of a field of `rows` to choose a value of, the greatest one at first; none when empty
    """
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X(
            "column:N",
            sort=list(columns),
            title=title,
            scale=alt.Scale(paddingInner=0.04, paddingOuter=0),
            axis=alt.Axis(
                orient="top", labelAngle=0, ticks=False, domain=False, labelExpr="split(datum.label, /[ -]/)",
                labelPadding=6, labelLimit=0,
            ),
        ),
        y=alt.Y(
            "model:N",
            sort=list(models),
            title=None,
            scale=alt.Scale(paddingInner=0.08, paddingOuter=0),
            axis=alt.Axis(ticks=False, domain=False, labelPadding=8, labelLimit=220),
        ),
    )  # fmt: skip
    tooltip = [
        alt.Tooltip("model:N", title="model"),
        alt.Tooltip("column:N", title=title),
        alt.Tooltip("text:N", title="median accuracy (observed)"),
        alt.Tooltip("low:Q", title="lowest seed", format=".1%"),
        alt.Tooltip("high:Q", title="highest seed", format=".1%"),
        alt.Tooltip("seeds:Q", title="seeds"),
    ]
    ceilings = any(row["ceiling_text"] for row in rows)
    if any("ceiling" in row for row in rows):
        tooltip += [
            alt.Tooltip("state:Q", title="state, bits (measured)", format=","),
            alt.Tooltip("ceiling:Q", title="ceiling of that state (proved)", format=".1%"),
        ]
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("median:Q", scale=alt.Scale(domain=[0, 1]), legend=None), tooltip=tooltip
    )
    large = base.mark_text(fontSize=14, fontWeight="bold", dy=-12 if ceilings else -7, color=alt.expr(_DEEP)).encode(
        text="text:N"
    )
    small = base.mark_text(fontSize=10, dy=2 if ceilings else 9, color=alt.expr(_DEEP)).encode(text="range_text:N")
    layers = [cells, large, small]
    if ceilings:
        layers.append(base.mark_text(fontSize=10, dy=14, color=alt.expr(_DEEP)).encode(text="ceiling_text:N"))
    height = (CELL_HEIGHT + (10 if ceilings else 0)) * len(models)
    return _picked(alt.layer(*layers).properties(height=height), rows, pick)


def curves(
    rows: Sequence[Row],
    models: Sequence[str],
    everyone: Sequence[str],
    x: str,
    title: str,
    where: str,
    floor: float,
    chance: float | None,
) -> alt.LayerChart:
    """Accuracy along an axis, one line a model: the median over seeds, and a band from lowest to highest.

    models: the lines, in order; everyone: all models of the page, so that one keeps its colour from figure to figure
    x, where: the fields of the axis and of its words in the tooltip
    floor: where the accuracy axis begins; chance: a level to mark
    """  # fmt: skip
    highlighted = alt.selection_point(name="highlighted", fields=["model"], bind="legend")
    scale = {"domain": list(everyone)}
    legend = alt.Legend(title=None, orient="top", values=list(models), columns=4)
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X(f"{x}:Q", title=title, axis=alt.Axis(grid=False, tickCount=6), scale=alt.Scale(nice=False)),
        color=alt.Color("model:N", scale=alt.Scale(**scale), legend=legend),
    )
    y = alt.Y(
        "median:Q",
        title="accuracy",
        scale=alt.Scale(domain=[floor, 1], clamp=True),
        axis=alt.Axis(format="%", tickCount=5, domain=False, ticks=False),
    )
    band = base.mark_area(interpolate="monotone").encode(
        y=alt.Y("low:Q", title="accuracy"),
        y2="high:Q",
        opacity=alt.when(highlighted).then(alt.value(0.16)).otherwise(alt.value(0.02)),
    )
    line = base.mark_line(strokeWidth=2.4, interpolate="monotone", clip=False).encode(
        y=y,
        strokeDash=alt.StrokeDash("model:N", scale=alt.Scale(range=dashes(len(everyone)), **scale), legend=legend),
        opacity=alt.when(highlighted).then(alt.value(1.0)).otherwise(alt.value(0.12)),
    )
    points = (
        base.mark_circle(size=90, opacity=0)
        .encode(
            y=y,
            tooltip=[
                alt.Tooltip("model:N", title="model"),
                alt.Tooltip(where, title=title),
                alt.Tooltip("text:N", title="median accuracy"),
                alt.Tooltip("low:Q", title="lowest seed", format=".1%"),
                alt.Tooltip("high:Q", title="highest seed", format=".1%"),
                alt.Tooltip("seeds:Q", title="seeds"),
            ],
        )
        .add_params(highlighted)
    )
    layers: list[Any] = [band, line, points]
    if chance is not None and chance >= floor:
        level = alt.Chart(alt.Data(values=[{"chance": chance, "name": "chance"}]))
        layers.insert(0, level.mark_rule(strokeDash=[2, 4], color=alt.expr("ink")).encode(y="chance:Q"))
        layers.append(
            level.mark_text(align="right", dy=-6, dx=-4, fontSize=11, color=alt.expr("ink")).encode(
                y="chance:Q", x=alt.value("width"), text="name:N"
            )
        )
    return _picked(alt.layer(*layers).properties(height=LINE_HEIGHT), rows, "length")


def _picked(chart: alt.LayerChart, rows: Sequence[Row], pick: str) -> alt.LayerChart:
    """The chart with a menu to choose one value of a field, where there is more than one."""
    values = sorted({row[pick] for row in rows}) if pick else []
    if len(values) < 2:
        return chart
    menu = alt.param(name="chosen", value=values[-1], bind=alt.binding_select(options=values, name="context length N "))
    return chart.add_params(menu).transform_filter(f"datum.{pick} == chosen")
