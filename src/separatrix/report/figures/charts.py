"""The kinds of chart: a grid of accuracies, and accuracy along an axis. Colours come from the theme alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from separatrix.report.figures.series import Row
from separatrix.report.figures.theme import HUES, dash

CELL_HEIGHT = 46
LINE_HEIGHT = 280
ROWS = "rows"
"""Name of the data set the rows come in; they stay out of the chart, which would check each of them for seconds."""
MENU = "chosen"
"""Name of the parameter that a chart with a menu has."""


def grid(
    rows: Sequence[Row],
    models: Sequence[str],
    columns: Sequence[str],
    title: str,
    pick: str = "",
    needs: Mapping[str, str] | None = None,
    holds: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """Accuracy by model (rows) and by length or kind (columns): median large; range and ceiling small.

    Colours go by `gain`, the share of the way from chance to always right, so that guessing looks alike in every task.

    pick: the name of a field of `rows` to choose a value of, the greatest one at first; none when empty
    needs, holds: what stands under the names of columns and of models
    """
    two_lines = not needs and any(set(column) & set(" -") for column in columns)
    chart, menu = choosing(rows, pick)
    base = chart.encode(
        x=alt.X(
            "column:N",
            sort=list(columns),
            title=title,
            scale=alt.Scale(paddingInner=0.04, paddingOuter=0),
            axis=alt.Axis(
                orient="top", labelAngle=0, ticks=False, domain=False, labelLimit=0,
                labelPadding=20 if two_lines or needs else 6,
                labelExpr=_under(needs) if needs else _halved(columns) if two_lines else "datum.label",
            ),
        ),
        y=alt.Y(
            "model:N",
            sort=list(models),
            title=None,
            scale=alt.Scale(paddingInner=0.08, paddingOuter=0),
            axis=alt.Axis(
                ticks=False, domain=False, labelPadding=8, labelLimit=220,
                labelExpr=_under(holds) if holds else "datum.label",
            ),
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
    if any("ceiling" in row for row in rows):
        tooltip += [
            alt.Tooltip("state:Q", title="state, bits (measured)", format=","),
            alt.Tooltip("ceiling:Q", title="ceiling of that state (proved)", format=".1%"),
        ]
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("gain:Q", scale=alt.Scale(domain=[0, 1], clamp=True), legend=None), tooltip=tooltip
    )
    color = alt.expr("datum.gain > turn ? onDeep : onPale")
    below = r"(!datum.small ? 0 : length(split(datum.small, '\n')))"  # lines under the median
    large = base.mark_text(
        fontSize=14, fontWeight="bold", color=color, dy=alt.expr(f"{below} == 2 ? -13 : {below} == 1 ? -7 : 0")
    )
    under = base.mark_text(fontSize=10, lineBreak="\n", color=color, dy=alt.expr(f"{below} == 2 ? 4 : 9"))
    layers = [cells, large.encode(text="text:N"), under.encode(text="small:N")]
    layered = alt.LayerChart(
        layer=layers, height=(56 if any("\n" in row["small"] for row in rows) else CELL_HEIGHT) * len(models)
    )
    return with_menu(layered, menu)


def _halved(labels: Sequence[str]) -> str:
    """An expression that breaks each label into two lines, after the blank or dash nearest its middle."""
    broken = {}
    for label in labels:
        breaks = [found.end() for found in re.finditer("[ -]", label)]
        middle = min(breaks, key=lambda place: abs(2 * place - 1 - len(label)), default=0)
        broken[label] = [label[:middle].rstrip(), label[middle:]]
    return f"{json.dumps(broken, ensure_ascii=False)}[datum.label]"


def _under(words: Mapping[str, str]) -> str:
    """An expression that puts words under each label that has some."""
    return f"[datum.label, {json.dumps(dict(words), ensure_ascii=False)}[datum.label] || '']"


def curves(
    rows: Sequence[Row],
    models: Sequence[str],
    hues: Mapping[str, int],
    x: str,
    title: str,
    where: str,
    floor: float,
    chance: float | None,
    first: int | None = None,
    mark: int | None = None,
) -> alt.LayerChart:
    """Accuracy along an axis, one line a model: the median over seeds, and a band from lowest to highest.

    Rows with a `ceiling` draw it as a level of the model's colour.

    models: the lines, in order; hues: each model's colour (see `theme.hues`)
    x, where: the fields of the axis and of its words in the tooltip
    floor: where the accuracy axis begins; chance: a level to mark
    first: the length the menu shows at first; the longest when None
    mark: a place on the axis for an upright line
    """  # fmt: skip
    highlighted = alt.selection_point(name="highlighted", fields=["model"], bind="legend")
    colours = alt.Scale(domain=list(models), range=[alt.expr(f"palette[{hues[model] % HUES}]") for model in models])
    strokes = alt.Scale(domain=list(models), range=[dash(hues[model]) for model in models])
    legend = alt.Legend(
        title=None, orient="top", columns=4, symbolType="stroke", symbolOpacity=1, symbolFillColor="transparent"
    )
    chart, menu = choosing(rows, "length", first)
    base = chart.encode(
        x=alt.X(f"{x}:Q", title=title, axis=alt.Axis(grid=False, tickCount=6), scale=alt.Scale(nice=False, zero=True)),
        color=alt.Color("model:N", scale=colours, legend=legend),
    )
    y_scale = alt.Scale(domain=[floor, 1], clamp=True)
    y = alt.Y(
        "median:Q",
        title="accuracy",
        scale=y_scale,
        axis=alt.Axis(format="%", tickCount=5, domain=False, ticks=False),
    )
    band = base.mark_area().encode(
        y=alt.Y("low:Q", title="accuracy", scale=y_scale),
        y2="high:Q",
        opacity=alt.when(highlighted).then(alt.value(0.16)).otherwise(alt.value(0.02)),
    )
    line = base.mark_line(strokeWidth=2, clip=False).encode(
        y=y,
        strokeDash=alt.StrokeDash("model:N", scale=strokes, legend=legend),
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
    faded = alt.when(highlighted).then(alt.value(1.0)).otherwise(alt.value(0.12))
    seen = base.mark_circle(size=14).encode(y=y, opacity=faded)
    layers: list[Any] = [band, line, seen, points]
    if any(row.get("end") for row in rows):
        layers.append(base.transform_filter("datum.end").mark_circle(size=46).encode(y=y, opacity=faded))
    if any("ceiling" in row for row in rows):
        tops = chart.transform_filter("isValid(datum.ceiling)").mark_rule(strokeDash=[8, 4], strokeWidth=1.5)
        told = [alt.Tooltip("model:N", title="model"), alt.Tooltip("ceiling:Q", title="proved ceiling", format=".1%")]
        height = alt.Y("ceiling:Q", title="accuracy", scale=y_scale)
        layers.append(tops.encode(y=height, color=alt.Color("model:N", scale=colours, legend=legend), tooltip=told))
    if chance is not None and chance >= floor:
        level = alt.Chart(alt.Data(values=[{"chance": chance}])).mark_rule(strokeDash=[2, 4], color=alt.expr("ink"))
        layers.insert(0, level.encode(y=alt.Y("chance:Q", title="accuracy", scale=y_scale)))
    if mark is not None:
        place = alt.Chart(alt.Data(values=[{"mark": mark}])).mark_rule(strokeDash=[8, 4], color=alt.expr("ink"))
        layers.insert(0, place.encode(x=alt.X("mark:Q", title=title)))
    layered = alt.LayerChart(layer=layers, height=LINE_HEIGHT)
    return with_menu(layered, menu)


def choosing(rows: Sequence[Row], pick: str, first: int | None = None) -> tuple[alt.Chart, alt.Parameter | None]:
    """A chart of the rows, by their name, and a menu for one value of a field where there is more than one."""
    chart = alt.Chart(alt.NamedData(name=ROWS))
    values = sorted({row[pick] for row in rows}) if pick else []
    if len(values) < 2:
        return chart, None
    shown = values[-1] if first is None else first
    menu = alt.param(name=MENU, value=shown, bind=alt.binding_select(options=values, name="context length N"))
    return chart.transform_filter(f"datum.{pick} == {MENU}"), menu


def with_menu(chart: alt.LayerChart, menu: alt.Parameter | None) -> alt.LayerChart:
    """The chart with the menu that `choosing` made, if it made one."""
    return chart if menu is None else chart.add_params(menu)
