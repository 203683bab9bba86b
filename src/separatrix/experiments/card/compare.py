"""Cards beside one another: like with like only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from separatrix.config import Config
from separatrix.experiments.card.card import Card, Question
from separatrix.experiments.search.tuning import Tuning


class Row(Config):
    """One question as each of the cards answers it, in their order; None where a card did not ask or answer it."""

    probe: str
    title: str
    length: int
    like: bool = Field(description="whether all the cards that asked did so under the same conditions")
    answers: list[Question | None]


def same_conditions(a: Question, b: Question) -> bool:
    """Whether two cards asked the same: task, length and training alike, settings that one version lacks left aside.

    >>> lstm, mamba = (sx.experiments.card.stored_reference(name).questions[0] for name in ("lstm", "mamba"))
    >>> sx.experiments.card.same_conditions(lstm, mamba)
    True
    """
    if a.resized != b.resized or _grid(a) != _grid(b):
        return False
    trained = ({**a.training}, {**b.training})
    for training in trained if a.choice else ():  # the rate is what was chosen, not a condition
        training.pop("learning_rate", None)
    return _agree(a.task, b.task) and _agree(*trained)


def _grid(question: Question) -> Tuning | None:
    """How the learning rate was chosen, if it was."""
    return question.choice.tuning if question.choice else None


def _agree(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """A later version may know more settings than an earlier one, never others."""
    less, more = sorted((a, b), key=len)
    return all(key in more and more[key] == value for key, value in less.items())


def compared(cards: Sequence[Card]) -> list[Row]:
    """Every question any of the cards asked, in the order of the first that did."""
    asked = {(q.probe, q.length): q for card in reversed(cards) for q in reversed(card.questions)}
    order = list(dict.fromkeys((q.probe, q.length) for card in cards for q in card.questions))
    rows = []
    for probe, length in order:
        found = [card.question(probe, length) for card in cards]
        answers = [question if question and question.measured else None for question in found]
        met = [question for question in answers if question]
        rows.append(
            Row(
                probe=probe,
                title=asked[probe, length].title,
                length=length,
                like=all(same_conditions(met[0], other) for other in met[1:]),
                answers=answers,
            )
        )
    return rows
