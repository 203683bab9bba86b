"""Writing a card as a page: one HTML file that opens from disk, loads nothing, and carries the card's JSON in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from separatrix import __version__
from separatrix.atomic import write_whole
from separatrix.experiments.card.card import Card, CardTrial, Question
from separatrix.report.card import words as card_words
from separatrix.report.card.rows import MARK, Entrant, Field, field
from separatrix.report.card.sections import sections
from separatrix.report.figures import export, theme
from separatrix.report.html import document
from separatrix.report.html.labels import count, model_label, percent
from separatrix.report.html.section import MEANING, Figure, Section
from separatrix.report.run import trials
from separatrix.report.run.write import DrawnPanels, lead_figures


def write_card_page(cards: Sequence[Card], references: Sequence[Card], path: str | Path) -> Path:
    """Write the page of one card, or of several side by side, with the references beside them.

    A card of a reference's own model stands beside that reference as beside any other. Nothing in a card is executed.
    Raises InputError when the file cannot be written.
    """
    return write_whole(path, card_page(cards, references).encode())


def card_page(cards: Sequence[Card], references: Sequence[Card]) -> str:
    """The page as HTML."""
    everything = field(cards, references)
    hues = theme.hues([[entrant.label for entrant in everything.drawn]])
    parts = sections(everything, hues)
    drawn = {part.id: [_drawn(part, figure) for figure in part.figures] for part in parts}
    charts = {one.id: one.specification for group in drawn.values() for one in group}
    lead = lead_figures(parts, drawn, ("recall",))
    for section, one in lead:
        drawn[section.id] = [each for each in drawn[section.id] if each is not one]
    scripts = document.scripts()
    return document.template("card.html").render(
        title=card_words.title(everything),
        version=__version__,
        subjects=[_subject(entrant) for entrant in everything.subjects],
        headline=card_words.headline(everything),
        criterion=card_words.CRITERION,
        answers=[
            (_section(question), card_words.name(question), card_words.sentence(everything, question))
            for question in everything.questions
        ],
        facts=_facts(everything),
        notes=card_words.notes(everything),
        lead=lead,
        preview=None,
        files=False,
        sections=parts,
        drawn=drawn,
        meaning=MEANING,
        labels={label for part in parts for label in part.labels},
        references=[model_label(card.model) for card in references],
        reference_machines=_machines(references),
        environments=[_environment(entrant) for entrant in everything.subjects],
        style=document.asset("style.css"),
        scripts=scripts,
        policy=document.policy(scripts),
        **trials.of_page(
            charts,
            [_trial_row(*found) for found in everything.trials],
            {
                _key(entrant, trial): _details(entrant, question, trial)
                for entrant, question, trial in everything.trials
            },
            _csv(everything),
        ),
    )


def _section(question: Question) -> str:
    return "recall" if question.ability == "recall" else "decisions"


def _drawn(part: Section, figure: Figure) -> DrawnPanels:
    specification = export.specification(figure)
    return DrawnPanels(figure, f"{part.id}-{figure.name}", specification, export.svg(figure, specification, part.title))


def _subject(entrant: Entrant) -> dict[str, Any]:
    """A card as the top and the foot of the page name it."""
    card = entrant.card
    return {
        "label": entrant.label.removeprefix(MARK),
        "name": card.model["name"],
        "plan": card.plan,
        "seconds": card.seconds,
        "core_seconds": card.core_seconds,
        "sha256": card.sha256,
        "file": f"{card.label}.json",
        "json": document.data_uri("application/json", (card.model_dump_json(indent=1) + "\n").encode()),
    }


def _facts(field: Field) -> list[tuple[str, str]]:
    """The first card in a few numbers; pages of several cards leave them to the tables."""
    if len(field.subjects) > 1:
        return []
    card = field.subjects[0].card
    measured = [q for q in card.questions if q.recalled and not q.resized]
    facts = [(count(card.parameters), "parameters")]
    if measured:
        longest = max(measured, key=lambda q: q.length)
        facts += (
            [(count(held.state_bits), f"bits of state at N = {longest.length}")] if (held := longest.recalled) else []
        )
        best = max((q.recalled.utilisation for q in measured if q.recalled), default=0.0)
        facts.append((f"{best:.2g}", "bits recalled per state bit, at most"))
    if card.speed and card.speed.at:
        last = card.speed.at[-1]
        facts.append((count(float(f"{last.prefill.value:.3g}")), f"tokens read a second, N = {last.length}"))
    done = sum(len(question.measured) for question in card.questions)
    facts += [(f"{done}", "trials measured"), (count(round(card.core_seconds / 60, 1)), "core minutes of training")]
    return [*facts, (f"{card.missing}", "trials not run")] if card.missing else facts


def _key(entrant: Entrant, trial: CardTrial) -> str:
    """A trial's place in the page's data: cards that are compared may share trials."""
    return f"{trial.identity}{entrant.label.removeprefix(MARK)[-2] if entrant.label.endswith(')') else ''}"


def _trial_row(entrant: Entrant, question: Question, trial: CardTrial) -> dict[str, Any]:
    return {
        "identity": _key(entrant, trial),
        "task": question.probe,
        "length": question.length,
        "model": entrant.label.removeprefix(MARK),
        "seed": trial.seed,
        "accuracy": trial.accuracy,
        "accuracy_text": "–" if trial.accuracy is None else percent(trial.accuracy),
        "status": trial.status,
        "error": trial.why,
        "state_bits": question.state_bits if trial.accuracy is not None else 0,
        "steps": trial.steps,
        "seconds": trial.seconds,
    }


def _details(entrant: Entrant, question: Question, trial: CardTrial) -> dict[str, Any]:
    """What the page shows of one trial when asked."""
    outcome = trial.model_dump(mode="json", exclude={"identity", "recalled"}, exclude_none=True)
    recalled = trial.recalled.model_dump(mode="json") if trial.recalled else {}
    label = entrant.label.removeprefix(MARK)
    return {
        "name": f"{label}, {question.title}, length {question.length}, seed {trial.seed}",
        "result": {"identity": trial.identity} | outcome | recalled,
        "config": {
            "task": question.task, "model": question.model, "training": question.training, "seed": trial.seed,
        },
        "environment": entrant.card.environment,
    }  # fmt: skip


def _environment(entrant: Entrant) -> tuple[str, str]:
    named = ", ".join(f"{name} {value}" for name, value in entrant.card.environment.items())
    return entrant.label.removeprefix(MARK), f"{named}, {entrant.card.workers} workers"


def _machines(references: Sequence[Card]) -> list[str]:
    """Each environment the references were made in."""
    said = (
        f"{card.environment['machine']}, {card.environment['cores']} cores, torch {card.environment['torch']}, kernels "
        f"{card.environment['kernels']}, separatrix {card.separatrix}"
        for card in references
    )
    return list(dict.fromkeys(said))


def _csv(field: Field) -> bytes:
    import polars as pl  # noqa: PLC0415  # half a second that importing the report need not cost

    return pl.DataFrame(
        [_trial_row(*found) | {"identity": found[2].identity} for found in field.trials],
        infer_schema_length=None,
    ).write_csv().encode()  # fmt: skip
