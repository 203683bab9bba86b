"""Cards as rows of figures and tables: those the page is about, and the references beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from separatrix.experiments.card.card import Card, CardTrial, Question
from separatrix.experiments.card.compare import same_conditions
from separatrix.report.figures.series import Row, gain
from separatrix.report.html.labels import count, model_label, percent, span

DRAWN = ("transformer", "lstm", "mamba")
"""References whose states are drawn beside the card's; the table has all of them."""

MARK = "▸ "
"""Stands before the names of the cards a page is about."""


@dataclass(frozen=True)
class Entrant:
    """A card under the name it has on the page."""

    label: str
    card: Card
    subject: bool
    """Whether the page is about it; otherwise it is a reference."""


@dataclass(frozen=True)
class Field:
    """All cards of a page."""

    entrants: Sequence[Entrant]

    @cached_property
    def subjects(self) -> list[Entrant]:
        """The cards the page is about."""
        return [entrant for entrant in self.entrants if entrant.subject]

    @cached_property
    def references(self) -> list[Entrant]:
        """The stored cards beside them."""
        return [entrant for entrant in self.entrants if not entrant.subject]

    @cached_property
    def questions(self) -> list[Question]:
        """Every question the subjects ask: probes in their order, lengths ascending."""
        asked = {(q.probe, q.length): q for e in reversed(self.subjects) for q in reversed(e.card.questions)}
        probes = list(dict.fromkeys(q.probe for e in self.subjects for q in e.card.questions))
        return sorted(asked.values(), key=lambda q: (probes.index(q.probe), q.length))

    @cached_property
    def drawn(self) -> list[Entrant]:
        """The cards whose states are drawn: the subjects and one reference of each kind of growth."""
        known = [e for e in self.references if e.card.model["name"] in DRAWN and e.card.model["layers"] == 1]
        return [*self.subjects, *known]

    @cached_property
    def trials(self) -> list[tuple[Entrant, Question, CardTrial]]:
        """Every trial of the subjects, with its card and its question."""
        return [
            (e, question, trial) for e in self.subjects for question in e.card.questions for trial in question.trials
        ]

    def answer(self, entrant: Entrant, question: Question) -> Question | None:
        """What a card measured under the very conditions of `question`; None when it did not."""
        found = entrant.card.question(question.probe, question.length)
        return found if found and found.measured and same_conditions(found, question) else None

    def beside(self, question: Question) -> list[tuple[Entrant, Question]]:
        """The references' answers under the same conditions."""
        return [(e, found) for e in self.references if (found := self.answer(e, question))]


def field(cards: Sequence[Card], references: Sequence[Card]) -> Field:
    """Cards and references under names that are all different."""
    names = [model_label(card.model) for card in cards]
    repeated = Counter(names)
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    subjects = [
        Entrant(MARK + (f"{name} ({next(letters, '…')})" if repeated[name] > 1 else name), card, True)
        for name, card in zip(names, cards, strict=True)
    ]
    return Field([*subjects, *(Entrant(model_label(card.model), card, False) for card in references)])


def grid_rows(field: Field, questions: Sequence[Question], columns: Sequence[str]) -> list[Row]:
    """One row a card and question with a measurement: median, range, ceiling."""
    rows = []
    for entrant in field.entrants:
        for question, column in zip(questions, columns, strict=True):
            found = field.answer(entrant, question)
            if found is not None and found.median is not None:
                rows.append(_cell(found, found.median) | {"model": entrant.label, "column": column})
    return rows


def _cell(question: Question, middle: float) -> Row:
    low, high = min(question.accuracies), max(question.accuracies)
    small = [span(low, high).rstrip("%")] if percent(low) != percent(high) else []
    small += [f"≤ {question.accuracy_ceiling:.0%}"] if question.accuracy_ceiling < 1 else []
    return {
        "median": round(middle, 4),
        "gain": gain(middle, question.chance),
        "low": round(low, 4),
        "high": round(high, 4),
        "text": percent(middle),
        "small": "\n".join(small),
        "seeds": len(question.measured),
        "state": question.state_bits,
        "ceiling": round(question.accuracy_ceiling, 4),
    }


def recalled_rows(field: Field, question: Question) -> list[Row]:
    """One row a card: bits recalled with the interval, against bits of state."""
    rows = []
    for entrant in field.entrants:
        found = field.answer(entrant, question)
        if found is None or (recalled := found.recalled) is None:
            continue
        rows.append(
            {
                "model": entrant.label,
                "name": (MARK if entrant.subject else "") + model_label(found.model)
                if found.resized
                else entrant.label,
                "subject": entrant.subject,
                "state": recalled.state_bits,
                "recalled": round(recalled.recalled_bits, 2),
                "low": round(recalled.low, 2),
                "high": round(recalled.high, 2),
                "text": f"{count(round(recalled.recalled_bits, 1))} of {count(recalled.context_bits)} bits",
                "share": f"{recalled.utilisation:.3g}",
                "seeds": len(found.measured),
            }
        )
    return rows


def growth_rows(entrants: Sequence[Entrant]) -> list[Row]:
    """One row a card and length: bits of state."""
    return [
        {"model": entrant.label, "length": length, "bits": bits}
        for entrant in entrants
        for length, bits in zip(entrant.card.state.lengths, entrant.card.state.bits, strict=True)
    ]
