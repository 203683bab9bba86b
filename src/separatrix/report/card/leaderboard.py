"""The leaderboard: one row a card, the questions it has solved by ability, as rows and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from separatrix.experiments.card.card import SOLVED, Card, Question
from separatrix.experiments.card.probes import Ability
from separatrix.experiments.card.verify import own_code, problems
from separatrix.report.html.labels import model_label, percent

AT = 64
"""Context length N at which recall is shown."""


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
        **{ability: _of(asked, ability) for ability in get_args(Ability)},
        "recall": None if not recall or recall[0].median is None else recall[0].median,
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


TITLES = ("model", "solved", *(each for each in get_args(Ability) if each != "recall"), f"recall at N = {AT}",
          "bits recalled / of state", "state", "checked")  # fmt: skip


def cells(row: Mapping[str, Any]) -> list[Any]:
    """A row under `TITLES`."""
    held = "–" if row["bits recalled"] is None else f"{row['bits recalled']:,.1f} / {row['bits of state']:,}"
    recall = "not run" if row["recall"] is None else percent(row["recall"])
    abilities = [row[each] for each in get_args(Ability) if each != "recall"]
    return [row["model"], f"{row['solved']} of {row['asked']}", *abilities, recall, held, row["state"], row["checked"]]


def words(found: Sequence[Mapping[str, Any]]) -> str:
    """What the numbers are, in a sentence."""
    chance = next((row["chance"] for row in found if row["chance"]), None)
    beside = f"; guessing gives {percent(chance)} at recall" if chance else ""
    return (
        f"Solved: median test accuracy of at least {SOLVED:.0%} over the seeds (observed). What is not solved was not "
        f"found by this battery's training{beside}. Checked: hash, settings, identities, bounds and ceilings; the "
        "measurements are the card's own."
    )


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """The table as Markdown, each model linked to its card."""
    lines = [f"| {' | '.join(TITLES)} |", f"|{'---|' * len(TITLES)}"]
    for row in found:
        first, *others = cells(row)
        lines.append(f"| [{first}]({row['file']}) | {' | '.join(str(each) for each in others)} |")
    return "\n".join(lines) + f"\n\n{words(found)}\n"
