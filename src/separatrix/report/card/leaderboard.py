"""The leaderboard: one row a card, the questions it has solved by ability, as rows and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from separatrix.experiments.card.card import SOLVED, Card, Question
from separatrix.experiments.card.probes import Ability, Probe, standard
from separatrix.experiments.card.verify import own_code, problems
from separatrix.report.html.labels import model_label, percent

AT = 32
"""Context length N at which index lookup is shown."""


FIXED = (f"lookup at N = {AT}", "bits recalled / of state", "state", "checked")
"""Titles of the columns that follow what was asked."""


@cache
def abilities() -> list[Ability]:
    """Those that the standard battery asks for, in its order."""
    return list(dict.fromkeys(probe.ability for probe in standard().probes))


def rows(cards: Mapping[str, Card]) -> list[dict[str, Any]]:
    """One row a card, the most questions solved first; what is wrong with a card stands in its row.

    Solved: the median accuracy over the seeds is at least 99 %. Of questions that were not run nothing is said.
    """
    found = [_row(file, card) for file, card in cards.items()]
    return sorted(found, key=lambda row: (-row["solved"], row["model"]))


def _row(file: str, card: Card) -> dict[str, Any]:
    asked = [question for question in card.questions if question.median is not None]
    recall = [each for each in asked if each.probe == "recall" and each.length == AT]
    held = recall[0].recalled if recall else None
    wrong = problems(card)
    return {
        "model": model_label(card.model),
        "solved": sum(question.done for question in asked),
        "asked": len(asked),
        "seeds": max((len(question.measured) for question in asked), default=0),
        "abilities": {ability: _of(asked, ability) for ability in abilities()},
        "answers": {_named(*each): _median(card, *each) for each in standard().questions()},
        "lookup": None if not recall or recall[0].median is None else recall[0].median,
        "chance": recall[0].chance if recall else None,
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


def _named(probe: Probe, length: int) -> str:
    return f"{probe.title}, {length}"


def _median(card: Card, probe: Probe, length: int) -> float | None:
    asked = card.question(probe.id, length)
    return asked.median if asked else None


def titles() -> list[str]:
    """The columns of `cells`."""
    return ["model", "solved", *abilities(), *FIXED]


def cells(row: Mapping[str, Any]) -> list[Any]:
    """A row under `titles()`."""
    held = "–" if row["bits recalled"] is None else f"{row['bits recalled']:,.1f} / {row['bits of state']:,}"
    lookup = "not run" if row["lookup"] is None else percent(row["lookup"])
    solved = f"{row['solved']} of {row['asked']}"
    return [row["model"], solved, *row["abilities"].values(), lookup, held, row["state"], row["checked"]]


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
    columns = ["model", "solved", *(_named(*each) for each in standard().questions()), *FIXED[1:]]
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 3)}---|---|"]
    for row in found:
        model, solved, *_ = cells(row)
        answers = ["–" if median is None else percent(median) for median in row["answers"].values()]
        cell = [f"[{model}]({row['file']})", solved, *answers, *cells(row)[-len(FIXED) + 1 :]]
        lines.append(f"| {' | '.join(map(str, cell))} |")
    return "\n".join(lines) + f"\n\n{words(found)}\n"
