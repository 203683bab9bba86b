"""The figures of a panel: accuracy by length, over training, by position or by kind of example, and what is proved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from separatrix.bounds.arithmetic import ANY
from separatrix.report.figures import charts, series
from separatrix.report.figures.panel_data import PanelTrials
from separatrix.report.html.labels import count, percent
from separatrix.report.html.section import Figure


def figures(panel: PanelTrials, hues: Mapping[str, int]) -> list[Figure]:
    """The figures of a panel with a measurement; hues: the colour of each model of the page."""
    drawn = [] if panel.panel.draw == "curves" else [_accuracy(panel)]
    drawn += [_training(panel, hues)] if any(trial.history for trial in panel.measured) else []
    positions = series.position_rows(panel)
    return [*drawn, *([_positions(panel, hues, positions)] if positions else _kinds(panel))]


def _accuracy(panel: PanelTrials) -> Figure:
    rows = series.grid_rows(panel)
    see = "Median test accuracy over seeds; small, the range from the lowest seed to the highest where they differ. "
    see += "Colour: how far from guessing to always right."
    if any("≤" in row["small"] for row in rows):
        see += " ≤ is the proved ceiling of any model whose state has that many bits."
    if any(row["text"].endswith(series.UNFINISHED) for row in rows):
        see += " Three dots: still improving when its training was cut off, a number of this budget."
    needs, holds = _needs(panel), _holds(panel)
    if needs:
        see += " Under each length: the bits any exact recurrent state needs (proved, in any arithmetic); under each "
        see += "model: those it has."
    return Figure(
        name="accuracy",
        title="Test accuracy by model and context length",
        see=see,
        alt_text="Heat map of median test accuracy. " + _by_model(panel),
        rows=rows,
        chart=charts.grid(
            rows, panel.labels, [str(length) for length in panel.lengths], "context length N", needs=needs, holds=holds
        ),
        width=max(3, len(panel.lengths)) * 84,
        page_width=190 + max(3, len(panel.lengths)) * 120,
        page_least=110 + len(panel.lengths) * (72 if needs else 40),
    )


def _needs(panel: PanelTrials) -> dict[str, str]:
    """What an exact recurrent model's state must have at each length; nothing where no recurrent model is shown."""
    cells = {length: cell.one for (_, length), cell in panel.cells.items() if cell.one.kind == "recurrent"}
    needed = {length: trial.result.recurrent_bits for length, trial in cells.items()}
    return {str(length): f"≥ {count(bits)} bits" for length, bits in needed.items() if bits is not None}


def _holds(panel: PanelTrials) -> dict[str, str]:
    """The bits of each model's state; of those that grow with the length, that they do."""
    held: dict[str, str] = {}
    for (label, _), cell in panel.cells.items():
        grows = cell.one.kind == "attention"
        held[label] = "state grows with N" if grows else f"{count(cell.one.result.state_bits)} bits"
    return held


def _training(panel: PanelTrials, hues: Mapping[str, int]) -> Figure:
    rows = series.curve_rows(panel)
    chance = 1 / panel.answers if panel.answers else None
    lowest = min(row["low"] for row in rows)
    floor = min(0.4, math.floor(lowest * 10) / 10)
    shown = panel.telling_length
    return Figure(
        name="training",
        title="Validation accuracy during training",
        at=f"context length {shown}",
        see=_spread(panel) + "Dot: measured; the larger one: the last trial ended there, "
        "one that ended earlier counts on with its last accuracy. " + _chance(chance) + _proved(panel, rows, shown),
        alt_text=f"Validation accuracy against optimiser steps at context length {shown}. " + _ends(panel, shown),
        rows=rows,
        chart=charts.curves(rows, panel.labels, hues, "step", "optimiser steps", "step:Q", floor, chance, shown),
    )


def _positions(panel: PanelTrials, hues: Mapping[str, int], rows: Sequence[series.Row]) -> Figure:
    shown = panel.telling_length
    chance = 1 / panel.answers if panel.answers else None
    ends = [
        f"{label}: {first} at the first position, {last} at the last"
        for label in panel.labels
        if (of := [row for row in rows if row["model"] == label and row["length"] == shown])
        for first, last in [(of[0]["text"], of[-1]["text"])]
    ]
    return Figure(
        name="positions",
        title="Accuracy along the stream" if panel.streams else "Which positions are remembered",
        at=f"context length {shown}",
        see=_along(panel) + _chance(chance),
        alt_text=f"Test accuracy by queried position at context length {shown}. {'; '.join(ends)}.",
        rows=rows,
        chart=charts.curves(
            rows, panel.labels, hues, "position", "position in the context", "where:N", 0.0, chance, shown,
            mark=panel.trained,
        ),
    )  # fmt: skip


def _along(panel: PanelTrials) -> str:
    """What a position is, and what to see along them."""
    if not panel.streams:
        return (
            "Test accuracy by the position asked for; position 0 is the first token read, the last one stands next to "
            "the query. A state too small for the whole context keeps one end of it. "
        )
    trained = panel.trained
    beyond = "" if trained is None else (
        f"Training saw {trained} tokens at most: to the right of the upright line a model is at lengths it never saw. "
    )  # fmt: skip
    return f"Test accuracy of the answer at each token. {beyond}"


def _kinds(panel: PanelTrials) -> list[Figure]:
    rows = series.kind_rows(panel)
    kinds = list(dict.fromkeys(row["column"] for row in rows))
    if len(kinds) < 2:
        return []
    longest = panel.lengths[-1]
    worst = [
        f"{label}: lowest on {low['column']}, {low['text']}"
        for label in panel.labels
        if (of := [row for row in rows if row["model"] == label and row["length"] == longest])
        for low in [min(of, key=lambda row: row["median"])]
    ]
    return [
        Figure(
            name="kinds",
            title="Test accuracy by kind of example",
            at=f"context length {longest}",
            see=f"“{kinds[0]}” are the examples answered yes, every other column is one kind answered no. "
            "Median over seeds; small, the range where they differ.",
            alt_text=f"Heat map of test accuracy by kind of example at context length {longest}. {'; '.join(worst)}.",
            rows=rows,
            chart=charts.grid(rows, panel.labels, kinds, "kind of example", pick="length"),
            width=max(3, len(kinds)) * 84,
            page_width=190 + max(3, len(kinds)) * 120,
            page_least=110 + len(kinds) * 56,
        )
    ]


def _by_model(panel: PanelTrials) -> str:
    lines = []
    for label in panel.labels:
        met = [
            f"{percent(panel.cells[label, length].median)} at length {length}"
            for length in panel.lengths
            if (label, length) in panel.cells
        ]
        lines.append(f"{label}: {', '.join(met)}")
    return "; ".join(lines) + "."


def _spread(panel: PanelTrials) -> str:
    """What line and band are; of one seed there is no spread."""
    if all(len(cell.trials) == 1 for cell in panel.cells.values()):
        return "Line: the one seed that was run, whose spread is not known. "
    return "Line: median over seeds. Band: lowest to highest seed. "


def _chance(chance: float | None) -> str:
    return "" if chance is None else f"Dotted: chance, {chance:.1%}."


def _ends(panel: PanelTrials, length: int) -> str:
    cells = {label: panel.cells[label, length] for label in panel.labels if (label, length) in panel.cells}
    return "; ".join(f"{label} ends at {percent(cell.median)} test accuracy" for label, cell in cells.items()) + "."


def _proved(panel: PanelTrials, rows: Sequence[series.Row], length: int) -> str:
    """What is proved of the curves: bounds where the heat map does not say them, and ceilings."""
    cells = [cell.one for (_, at), cell in panel.cells.items() if at == length]
    parts = []
    bits, sent = cells[0].result.recurrent_bits, cells[0].result.attention_bits
    if panel.panel.draw == "curves" and bits is not None and sent is not None:
        parts.append(f" Proved, for exact models: a recurrent state needs at least {count(bits)} bits ({ANY})")
        parts.append(f", one attention layer must be sent {count(sent)} (exact sums, no maximum subtracted)")
        parts.append(".")
    if any("ceiling" in row for row in rows):
        parts.append(" Dashed, in the model's colour: the proved ceiling of its state.")
    return "".join(parts)
