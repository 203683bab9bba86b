"""A model's way from one input to its answer, drawn: attention maps, states, hidden coordinates, logits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
from torch import Tensor

from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.trace import Trace
from separatrix.report.figures import theme
from separatrix.report.figures.export import png
from separatrix.tasks.base import context_task

WIDEST = 96
"""Places drawn at most: of longer contexts those that get the most weight, in their order."""

Coordinates = Mapping[str, tuple[int, int]]
"""Names of blocks of the residual stream's coordinates: first, and one past the last."""


def write_trace(
    model: SequenceModel,
    context: Tensor,
    query: Tensor,
    trace: Trace,
    path: Path,
    coordinates: Coordinates | None = None,
) -> None:
    """Draw a trace into an .svg or .png file. Raises InputError for other endings and paths that cannot be written."""
    if path.suffix not in (".svg", ".png"):
        raise InputError(f"expected a figure ending in .svg or .png, got {path.name!r}")
    drawn = svg(model, context, query, trace, coordinates or {})
    try:
        path.write_bytes(png(drawn) if path.suffix == ".png" else drawn.encode())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from None


def svg(
    model: SequenceModel, context: Tensor, query: Tensor, trace: Trace, coordinates: Coordinates | None = None
) -> str:
    """The figure as SVG, in the light theme."""
    charts: list[Any] = []
    labels = _labels(model, context, query)
    for index, layer in enumerate(trace.layers, start=1):
        if layer.attention is not None:
            for head, weights in enumerate(layer.attention, start=1):
                charts.append(_attention(weights, labels, f"Layer {index}, head {head}: what each place attends to"))
        if layer.state is not None:
            names = [str(i) for i in range(layer.state.shape[1])]
            charts.append(_signed(layer.state, labels[:-1], names, f"Layer {index}: the state after each token"))
        rows = [*labels[: len(layer.hidden) - 1], labels[-1]]
        names = _names(layer.hidden.shape[1], coordinates or {})
        charts.append(_signed(layer.hidden, rows, names, f"Layer {index}: coordinates after it"))
    charts.append(_logits(model, trace))
    answer = f"answer {model.task.show_answer(trace.answer)}, margin {trace.margin:.3g}"
    title = f"{model.config.name}, {model.task.name}: {answer}"
    chart = alt.vconcat(*charts, spacing=28).resolve_scale(color="independent").properties(title=title, padding=16)
    return vl_convert.vegalite_to_svg(chart.to_dict(validate=False) | {"config": theme.config("light")})


def _labels(model: SequenceModel, context: Tensor, query: Tensor) -> list[str]:
    """A name for each place, in order of places, and one for the query."""
    task = context_task(model.task)
    if task.vector_size is not None:
        return [*(str(place) for place in range(len(context))), "query"]
    return [*(f"{place}: {task.show(context[place : place + 1])}" for place in range(len(context))), "query"]


def _names(width: int, coordinates: Coordinates) -> list[str]:
    """A name for each coordinate of the residual stream."""
    names = [str(i) for i in range(width)]
    for name, (first, end) in coordinates.items():
        names[first:end] = [name] if end == first + 1 else [f"{name} {i}" for i in range(end - first)]
    return names


def _attention(weights: Tensor, labels: list[str], title: str) -> alt.Chart:
    """Rows attend to columns; the last row is the query's. Of many places the heaviest are drawn."""
    kept = list(range(len(labels)))
    if len(labels) > WIDEST:
        kept = sorted(weights[-1].topk(WIDEST).indices.tolist())
        title = f"{title} (the {WIDEST} heaviest places of {len(labels):,})"
    rows = [*labels[: len(weights) - 1], labels[-1]][-WIDEST:]
    shown = weights[-WIDEST:]
    values = [
        {"row": row, "place": labels[place], "weight": float(shown[i, place])}
        for i, row in enumerate(rows)
        for place in kept
    ]
    return _map(values, "place", [labels[place] for place in kept], rows, "weight", title, [0, 1])


def _signed(table: Tensor, rows: list[str], names: list[str], title: str) -> alt.Chart:
    """Numbers of either sign: a row for each place, a column for each coordinate."""
    shown, rows = table[-WIDEST:, :WIDEST], rows[-WIDEST:]
    if table.shape[1] > WIDEST:
        title = f"{title} (the first {WIDEST} of {table.shape[1]:,})"
    names = names[:WIDEST]
    values = [
        {"row": row, "coordinate": name, "value": round(float(shown[i, j]), 6)}
        for i, row in enumerate(rows)
        for j, name in enumerate(names)
    ]
    most = float(shown.abs().max()) or 1.0
    return _map(values, "coordinate", names, rows, "value", title, [-most, most])


def _map(
    values: list[dict[str, Any]],
    x: str,
    columns: list[str],
    rows: list[str],
    color: str,
    title: str,
    domain: list[float],
) -> alt.Chart:
    """A grid of coloured cells."""
    signed = domain[0] < 0
    scale = alt.Scale(domain=domain, scheme="blueorange") if signed else alt.Scale(domain=domain)
    return (
        alt.Chart(alt.Data(values=values), title=title)
        .mark_rect()
        .encode(
            x=alt.X(f"{x}:N", sort=columns, title=None, axis=alt.Axis(labelAngle=-60, ticks=False, domain=False)),
            y=alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(ticks=False, domain=False)),
            color=alt.Color(f"{color}:Q", scale=scale, title=color),
        )
        .properties(width=max(60, 15 * len(columns)), height=max(15, 15 * len(rows)))
    )


def _logits(model: SequenceModel, trace: Trace) -> alt.Chart:
    """The answers' logits, the greatest first."""
    best = trace.logits.topk(min(12, len(trace.logits)))
    values = [
        {"answer": model.task.show_answer(answer), "logit": logit}
        for logit, answer in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
    order = [row["answer"] for row in values]
    return (
        alt.Chart(alt.Data(values=values), title="Logits of the answers")
        .mark_bar()
        .encode(x=alt.X("logit:Q", title="logit"), y=alt.Y("answer:N", sort=order, title=None))
        .properties(width=320, height=max(15, 18 * len(values)))
    )
