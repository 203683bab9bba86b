"""The answer in words, computed from the measurements: who does which task, who does not, and by how much."""

from __future__ import annotations

import re
from collections.abc import Sequence

from separatrix.report.figures.panel_data import Collection, PanelTrials
from separatrix.report.html.labels import listed, percent
from separatrix.report.run import frontiers, theorems
from separatrix.report.run.panels import SOLVED
from separatrix.words import plural

SHORT = 0.9
"""Median test accuracy below which a model is said to fall short, in the headline; between the two it is not named."""

CRITERION = (
    f"“Does”: a median over seeds of at least {SOLVED:.0%} right on sampled tests, at every length. "
    f"“Falls short”: less than {SHORT:.0%} at the longest."
)

NAMED = 4
"""Models named one by one in a sentence; more are summed up."""


def headline(collection: Collection) -> str:
    """One sentence: what separation was seen, at the sizes trained; of a page without trials, what holds."""
    if collection.theorems and not collection.panels:
        return theorems.sentence(collection.theorems)
    measured = [panel for panel in collection.panels if panel.measured]
    attention = [name(panel) for panel in measured if _won(panel, attention=True)]
    recurrence = [name(panel) for panel in measured if _won(panel, attention=False)]
    seen = []
    if attention:
        seen.append(f"one-layer attention does {_lower(attention)} where every recurrent model falls short")
    if recurrence:
        seen.append(f"recurrent models do {_lower(recurrence)} where one-layer attention falls short")
    if seen:
        return f"At the sizes trained here, {', and '.join(seen)}."
    if collection.frontiers and not seen:
        return frontiers.headline(collection.frontiers[0])
    if any(_split(panel) for panel in measured):
        return "At the sizes trained here, models differ, but not one-layer attention from recurrence as a whole."
    if measured:
        return "At the sizes trained here, no separation was seen."
    return "Every trial failed, so nothing was measured."


def answers(collection: Collection) -> list[tuple[str, str, str]]:
    """(part of the page, its name, its outcome with its numbers)."""
    found = [
        (frontiers.section_id(each), frontiers.name(each), frontiers.outcome(each)) for each in collection.frontiers
    ]
    found += [(panel.id, name(panel), sentence(panel)) for panel in collection.panels if panel.measured]
    if collection.theorems:
        found.append((theorems.ID, theorems.NAME, theorems.sentence(collection.theorems)))
    return found


def sentence(panel: PanelTrials) -> str:
    """One panel's outcome with its numbers."""
    longest = panel.lengths[-1]
    solved = [label for label in panel.labels if _solved(panel, label)]
    short = {
        label: panel.cells[label, longest].median
        for label in panel.labels
        if (label, longest) in panel.cells and panel.cells[label, longest].median < SOLVED
    }
    everywhere = (
        f"at every length from {panel.lengths[0]} to {longest}" if len(panel.lengths) > 1 else f"at length {longest}"
    )
    there = f"at {longest}, " if len(panel.lengths) > 1 else ""
    parts = []
    if solved:
        least = min(
            panel.cells[label, n].median for label in solved for n in panel.lengths if (label, n) in panel.cells
        )
        verb = "reaches" if len(solved) == 1 else "reach"
        parts.append(f"{_models(solved)} {verb} {'at least ' if least < 1 else ''}{percent(least)} {everywhere}")
    elif short:
        parts.append(f"no model reaches {SOLVED:.0%} {everywhere}")
    if short:
        parts.append(there + _short(short))
    text = "; ".join(parts) or "too few trials have finished to tell"
    return f"{text[0].upper()}{text[1:]}."


def _short(short: dict[str, float]) -> str:
    ordered = sorted(short, key=lambda label: -short[label])
    if len(ordered) <= NAMED:
        first, *others = [f"{label} stays at {percent(short[label])}" for label in ordered]
        return listed([first, *(other.replace("stays at ", "") for other in others)])
    best, worst = ordered[0], ordered[-1]
    if percent(short[best]) == percent(short[worst]):
        return f"{len(ordered)} models stay at {percent(short[best])}"
    return f"{len(ordered)} models lie between {percent(short[worst])} ({worst}) and {percent(short[best])} ({best})"


def name(panel: PanelTrials) -> str:
    """A panel's task in a few words."""
    return re.sub(r", ([\w -]+)$", r" (\1)", panel.panel.title.partition(":")[0])


def _models(labels: Sequence[str]) -> str:
    if len(labels) <= NAMED:
        return listed(labels)
    return listed([*labels[: NAMED - 1], plural(len(labels) - NAMED + 1, "other")])


def _lower(names: Sequence[str]) -> str:
    return listed([name[:1].lower() + name[1:] for name in names])


def _solved(panel: PanelTrials, label: str) -> bool:
    """Whether a model does the task at every length measured of it, the longest of the panel among them."""
    met = [length for length in panel.lengths if (label, length) in panel.cells]
    return met[-1:] == panel.lengths[-1:] and all(panel.cells[label, n].median >= SOLVED for n in met)


def _split(panel: PanelTrials) -> bool:
    done = [_solved(panel, label) for label in panel.labels]
    return any(done) and not all(done)


def _won(panel: PanelTrials, attention: bool) -> bool:
    """Whether a model of one side (one-layer attention, or recurrence) does the task, and none of the other near it."""
    mine, theirs = ("attention", "recurrent") if attention else ("recurrent", "attention")
    done, short = [], []
    for label in panel.labels:
        cell = panel.cells.get((label, panel.lengths[-1]))
        if cell is None or (cell.one.kind == "attention" and cell.one.model["layers"] > 1):
            continue
        if cell.one.kind == mine:
            done.append(_solved(panel, label))
        elif cell.one.kind == theirs:
            short.append(cell.median < SHORT)
    return any(done) and bool(short) and all(short)
