"""The leaderboard: one row a card, the questions it has solved by ability, as rows and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from separatrix.experiments.card.card import SOLVED, Card, Question
from separatrix.experiments.card.probes import Ability, standard
from separatrix.experiments.card.verify import own_code, problems
from separatrix.report.html.labels import model_label, percent

AT = 32
"""Context length N at which index lookup is shown."""

FIXED = ("bits recalled / of state", "state", "checked")
"""Titles of the last columns."""


def abilities() -> list[Ability]:
    """Those that the standard battery asks for, in its order."""
    return list(dict.fromkeys(probe.ability for probe in standard().probes))


def questions() -> dict[str, tuple[str, int]]:
    """Those of the standard battery under their titles: probe and length."""
    return {f"{probe.title}, {length}": (probe.id, length) for probe, length in standard().questions()}


def rows(cards: Mapping[str, Card]) -> list[dict[str, Any]]:
    """One row a card, the most questions solved first; what is wrong with a card stands in its row.

    Solved: the median accuracy over the seeds is at least 99 %. Of questions that were not run nothing is said.
    """
    found = [_row(file, card) for file, card in cards.items()]
    return sorted(found, key=lambda row: (-row["solved"], row["model"]))


def _row(file: str, card: Card) -> dict[str, Any]:
    asked = [question for question in card.questions if question.median is not None]
    lookup = next((each for each in asked if (each.probe, each.length) == ("recall", AT)), None)
    held = lookup.recalled if lookup else None
    medians = {(each.probe, each.length): each.median for each in asked}
    wrong = problems(card)
    return {
        "model": model_label(card.model),
        "solved": sum(question.done for question in asked),
        "asked": len(asked),
        "seeds": max((len(question.measured) for question in asked), default=0),
        "abilities": {ability: _of(asked, ability) for ability in abilities()},
        "answers": {title: medians.get(key) for title, key in questions().items()},
        "lookup": lookup.median if lookup else None,
        "chance": lookup.chance if lookup else None,
        "bits of state": held.state_bits if held else None,
        "bits recalled": round(held.recalled_bits, 1) if held else None,
        "state": card.state.growth,
        "parameters": card.parameters,
        "file": file,
        "checked": "; ".join(wrong) if wrong else "own code: identities not checked" if own_code(card) else "yes",
        "wrong": wrong,
    }


def _of(asked: Sequence[Question], ability: str) -> str:
    of = [question for question in asked if question.ability == ability]
    return f"{sum(question.done for question in of)} of {len(of)}" if of else "not run"


def titles() -> list[str]:
    """The columns of `cells`."""
    return ["model", "solved", *abilities(), f"lookup at N = {AT}", *FIXED]


def cells(row: Mapping[str, Any]) -> list[Any]:
    """A row under `titles()`."""
    lookup = "not run" if row["lookup"] is None else percent(row["lookup"])
    return [row["model"], _solved(row), *row["abilities"].values(), lookup, *_fixed(row)]


def _solved(row: Mapping[str, Any]) -> str:
    return f"{row['solved']} of {row['asked']}"


def _fixed(row: Mapping[str, Any]) -> list[str]:
    """What stands under `FIXED`."""
    held = "–" if row["bits recalled"] is None else f"{row['bits recalled']:,.1f} / {row['bits of state']:,}"
    return [held, row["state"], row["checked"]]


def words(found: Sequence[Mapping[str, Any]]) -> str:
    """What the numbers are, in a sentence."""
    chance = next((row["chance"] for row in found if row["chance"]), None)
    beside = f"; guessing gives {percent(chance)} at the lookup" if chance else ""
    return (
        f"Solved: median test accuracy of at least {SOLVED:.0%} over the seeds (observed). What is not solved was not "
        f"found by this battery's training, at the rate chosen for it{beside}. Checked: hash, settings, rates, "
        "identities, bounds and ceilings; the measurements are the card's own."
    )


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """The table as Markdown: each model, linked to its card, with its median at every question and length N."""
    columns = ["model", "solved", *questions(), *FIXED]
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 3)}---|---|"]
    for row in found:
        answers = ["–" if median is None else percent(median) for median in row["answers"].values()]
        cell = [f"[{row['model']}]({row['file']})", _solved(row), *answers, *_fixed(row)]
        lines.append(f"| {' | '.join(cell)} |")
    return "\n".join(lines) + f"\n\n{words(found)}\n"
