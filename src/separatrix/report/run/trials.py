"""The table of trials, and what a page carries of them: compressed, so that ten thousand fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from separatrix.report.explain.gallery import gallery
from separatrix.report.explain.stepped import still
from separatrix.report.figures import theme
from separatrix.report.html import document

COLUMNS = (
    ("Model", False, "model"),
    ("Task", False, "task"),
    ("N", True, "length"),
    ("Seed", True, "seed"),
    ("Accuracy", True, "accuracy"),
    ("Status", False, "status"),
    ("State, bits", True, "state_bits"),
    ("Steps", True, "steps"),
    ("Seconds", True, "seconds"),
    ("Identity", False, "identity"),
)
"""Title, whether it is a number, and the field of a row."""

POSITIONS = 100_000
"""Accuracies by position that a page carries at most; of more, runs of neighbours are averaged."""

RUNS = 50
"""So many runs."""


def of_page(
    charts: Mapping[str, Any],
    rows: Sequence[dict[str, Any]],
    details: Mapping[str, dict[str, Any]],
    csv: bytes,
    plan: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a template needs of figures and trials: the packed data, and what the table's head and menus show.

    rows:    fields of COLUMNS, `accuracy_text` and `error`
    details: what is shown of one trial, by its identity; the keys accuracy and loss_bits are by group or position
    """
    themes = {"light": theme.config("light"), "dark": theme.config("dark")}
    cells = [[*(row[name] or None for _, _, name in COLUMNS), row["accuracy_text"], row["error"]] for row in rows]
    for row, made in zip(rows, cells, strict=True):
        made[2:5] = row["length"], row["seed"], row["accuracy"]  # zero is a number here
    page = {"charts": charts, "themes": themes, "columns": [title for title, *_ in COLUMNS]}
    return {
        "packed": {
            "page": document.packed_json(page),
            "trials": document.packed_json(cells),
            "details": document.packed_json(shortened(details)),
            "csv": document.packed(csv),
            "plan": document.packed_json(plan or {}),
            "ideas": document.packed(still(gallery(), "h4").encode()),
        },
        "planned": [each["title"] for each in plan["tasks"]] if plan else [],
        "states": plan["states"] if plan else [],
        "trials": len(rows),
        "tasks": list(dict.fromkeys(row["task"] for row in rows)),
        "statuses": list(dict.fromkeys(row["status"] for row in rows)),
        "columns": [(title, numeric) for title, numeric, _ in COLUMNS],
    }


def shortened(details: Mapping[str, dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    """Details whose accuracies by position are averaged over runs of neighbours where the page would be too large."""
    if sum(len(each.get("accuracy", ())) for each in details.values()) <= POSITIONS:
        return details
    return {
        identity: each
        if each.get("groups", True)
        else each | {key: _runs(each[key]) for key in ("accuracy", "loss_bits")}
        for identity, each in details.items()
    }


def _runs(values: Sequence[float]) -> list[float]:
    edges = sorted({round(i * len(values) / RUNS) for i in range(RUNS + 1)})
    return [round(sum(values[a:b]) / (b - a), 3) for a, b in pairwise(edges)]
