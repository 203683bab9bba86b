"""Measurements as the rows that figures draw: medians and ranges over seeds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from separatrix.experiments.trial.result import Result
from separatrix.report.figures.panel_data import PanelTrials
from separatrix.report.html.labels import percent, span

POSITION = "position "
"""How the groups of a task begin that reports by position; the number follows."""

BINS = 50
"""Positions are averaged in at most this many runs of neighbours."""

UNFINISHED = " …"
"""What follows a number of which a seed was cut off while it was still improving: it measures a budget."""

Row = dict[str, Any]

Curve = tuple[list[int], list[float]]
"""Steps, rising, and the validation accuracy measured at each."""


def grid_rows(panel: PanelTrials) -> list[Row]:
    """One row for each model and length: test accuracy, and the ceiling proved for the state measured."""
    rows, chance = [], 1 / panel.answers if panel.answers else 0.0
    for (label, length), cell in panel.cells.items():
        row = (
            _spread(cell.accuracies)
            | {"gain": gain(median(cell.accuracies), chance)}
            | {"model": label, "column": str(length), "length": length}
        )
        result = cell.one.result
        row["state"] = result.state_bits
        row["bound"] = result.recurrent_bits if cell.one.kind != "attention" else None
        row["ceiling"] = round(result.accuracy_ceiling, 4)
        if result.accuracy_ceiling < 0.995:
            row["small"] = "\n".join(filter(None, [row["small"], f"≤ {percent(result.accuracy_ceiling)}"]))
        if cell.endings.get("cut off"):
            row["text"] += UNFINISHED
        rows.append(row)
    return rows


def kind_rows(panel: PanelTrials) -> list[Row]:
    """One row for each model, length and kind of example."""
    rows, chance = [], 1 / panel.answers if panel.answers else 0.0
    for (label, length), cell in panel.cells.items():
        groups = [trial.result.test.accuracy_by_group for trial in cell.trials if trial.result.test]
        for kind in dict.fromkeys(kind for group in groups for kind in group):
            values = [group[kind] for group in groups if kind in group]
            told = {"model": label, "column": kind, "length": length, "gain": gain(median(values), chance)}
            rows.append(_spread(values) | told)
    return rows


def curve_rows(panel: PanelTrials) -> list[Row]:
    """One row for each model, length and step: validation accuracy, the median and range over seeds.

    A trial that ended early (solved, or no longer improving) counts with its last accuracy from there on. The row of
    the last step carries the ceiling proved for the model's state, where that is below 100%.
    """
    rows: list[Row] = []
    for (label, length), cell in panel.cells.items():
        histories = [_curve(trial.history) for trial in cell.trials if trial.history]
        steps = sorted({step for measured, _ in histories for step in measured})
        for step in steps:
            values = [value for curve in histories if (value := _latest(curve, step)) is not None]
            rows.append(_spread(values) | {"model": label, "length": length, "step": step, "end": step == steps[-1]})
        if steps and (ceiling := cell.one.result.accuracy_ceiling) < 1:
            rows[-1]["ceiling"] = round(ceiling, 4)
    return rows


def position_rows(panel: PanelTrials) -> list[Row]:
    """One row for each model, length and run of neighbouring positions."""
    rows = []
    for (label, length), cell in panel.cells.items():
        profiles = [by_position(trial.result) for trial in cell.trials]
        asked = sorted({position for profile in profiles for position in profile})
        edges = sorted(
            {round(i * len(asked) / min(BINS, len(asked))) for i in range(min(BINS, len(asked)) + 1)} if asked else []
        )
        for first, end in pairwise(edges):
            run = asked[first:end]
            values = [fmean(part) for profile in profiles if (part := [profile[i] for i in run if i in profile])]
            where = {"position": (run[0] + run[-1]) / 2, "where": "–".join(map(str, dict.fromkeys((run[0], run[-1]))))}
            rows.append(_spread(values) | {"model": label, "length": length} | where)
    return rows


def by_position(result: Result) -> dict[int, float]:
    """Test accuracy by position in the context; empty when the task does not report by position."""
    groups = result.test.accuracy_by_group if result.test else {}
    numbered = ((name.removeprefix(POSITION), value) for name, value in groups.items() if name.startswith(POSITION))
    return {int(number): value for number, value in numbered if number.isdecimal()}


def gain(accuracy: float, chance: float) -> float:
    """How far from guessing to always right: (accuracy - chance) / (1 - chance), not below 0.

    >>> gain(0.75, chance=0.5), gain(0.4, chance=0.5)
    (0.5, 0.0)
    """
    return 0.0 if chance >= 1 else round(max(0.0, (accuracy - chance) / (1 - chance)), 4)


def _spread(values: Sequence[float]) -> Row:
    low, middle, high = min(values), median(values), max(values)
    return {
        "median": round(middle, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "text": percent(middle),
        "small": span(low, high).rstrip("%") if percent(low) != percent(high) else "",
        "seeds": len(values),
    }


def _curve(history: Sequence[Row]) -> Curve:
    return [int(point["step"]) for point in history], [point["accuracy"] for point in history]


def _latest(curve: Curve, step: int) -> float | None:
    """The accuracy last measured at or before a step."""
    steps, accuracies = curve
    before = bisect_right(steps, step)
    return accuracies[before - 1] if before else None
