"""A card in words, computed from its measurements: what was held, what was done and what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from separatrix.experiments.card.card import SOLVED, Card, Question
from separatrix.report.card.rows import MARK, Entrant, Field
from separatrix.report.html.labels import count, listed, percent, short_name
from separatrix.words import plural

CRITERION = (
    f"“Does”: a median over seeds of at least {SOLVED:.0%} right on sampled tests. What is not done was not found by "
    "this training; it is no proof that it cannot be done."
)

UNTUNED = (
    "The references were trained at the battery's one learning rate and number of steps: a low number of theirs "
    "measures that budget. A card made with --rates has no reference beside it."
)

GROWTH = {
    "constant": "does not grow with the context",
    "linear": "grows with every token",
    "windowed": "grows up to a window and no further",
    "irregular": "grows neither constantly nor linearly",
}


def headline(field: Field) -> str:
    """One sentence on each card of the page."""
    return " ".join(_one(entrant) for entrant in field.subjects)


def _one(entrant: Entrant) -> str:
    card, name = entrant.card, entrant.label.removeprefix(MARK)
    held = _held(card)
    decided = [q for q in card.questions if q.ability != "recall" and q.measured]
    titles = [q.title for q in decided]
    said: dict[bool, list[str]] = {True: [], False: []}
    for question in decided:
        title = question.title[:1].lower() + question.title[1:]
        said[question.done].append(f"{title} at {question.length}" if titles.count(question.title) > 1 else title)
    parts = [held] if held else []
    parts += [f"it does {listed(said[True])}"] if said[True] else []
    parts += [f"it did not learn {listed(said[False])}"] if said[False] else []
    return f"{name} {'; '.join(parts)}." if held else f"{name}: {'; '.join(parts) or 'nothing was measured'}."


def _held(card: Card) -> str:
    """What the card says of recall."""
    recall = sorted(
        (q for q in card.questions if q.ability == "recall" and q.measured and not q.resized), key=lambda q: q.length
    )
    if not recall:
        return ""
    reached = [q.length for q in recall if q.done]
    first = (
        f"looks up any token of a context of {reached[-1]}"
        if reached
        else f"looks up {percent(recall[0].median or 0)} of the tokens of a context of {recall[0].length}"
    )
    last = recall[-1]
    if (held := last.recalled) is None:
        return first
    return (
        f"{first} and holds {count(round(held.recalled_bits, 1))} of the {count(held.context_bits)} bits of one of "
        f"{last.length} in a state of {count(held.state_bits)} bits"
    )


def name(question: Question) -> str:
    """A question in a few words."""
    return f"{question.title}, N = {question.length}"


def sentence(field: Field, question: Question) -> str:
    """What each card of the page scored in a question, and how many references do it."""
    own = [_score(field, entrant, question) for entrant in field.subjects]
    others = field.beside(question)
    if not others:
        return f"{'; '.join(own)}. No stored reference was put to this under the same conditions."
    done = [entrant.label for entrant, answer in others if answer.done]
    beside = f"{len(done)} of {plural(len(others), 'reference')} do it" if done else "no reference does it"
    if 0 < len(done) <= 4:
        beside += f" ({listed(done)})"
    if not done:
        entrant, best = max(others, key=lambda pair: pair[1].median or 0)
        beside += f" (best: {entrant.label}, {percent(best.median or 0)})"
    return f"{'; '.join(own)}. Beside it, {beside}."


def _score(field: Field, entrant: Entrant, question: Question) -> str:
    found = field.answer(entrant, question)
    prefix = f"{entrant.label.removeprefix(MARK)}: " if len(field.subjects) > 1 else ""
    if found is None or found.median is None:
        return f"{prefix}{_absent(entrant.card, question)}"
    text = f"{prefix}{percent(found.median)} ({plural(len(found.measured), 'seed')}; guessing {found.chance:.1%})"
    if found.resized:
        text += f" at width {found.model['width']}"
    if found.recalled:
        text += f", {count(round(found.recalled.recalled_bits, 1))} bits recalled"
    ends = Counter(trial.ending for trial in found.measured if trial.ending)
    if ends:
        text += f", {', '.join(f'{number} {end}' for end, number in ends.items())}"
    if found.choice:
        window = ", ".join(f"{rate:g}" for rate in found.choice.window)
        text += f", at rate {found.choice.rate:g} (within two points: {window})"
    return text


def _absent(card: Card, question: Question) -> str:
    """Why a card has no number for a question."""
    found = card.question(question.probe, question.length)
    if found is None:
        return "not asked"
    if found.measured:
        return "asked under other conditions, not compared"
    return f"{found.trials[0].status}: {found.trials[0].why}"


def notes(field: Field) -> list[str]:
    """What a reader must know before trusting the numbers."""
    found = [UNTUNED] if any(q.choice is None for e in field.references for q in e.card.questions) else []
    for entrant in field.subjects:
        card, label = entrant.card, entrant.label.removeprefix(MARK)
        if card.state.whole_past:
            found.append(
                f"{label} has no step form, so how it remembers is unknown: its whole past counts as its state. "
                "Give the module a step(state, x) to have its state measured."
            )
        if card.missing:
            total = sum(len(question.trials) for question in card.questions)
            found.append(
                f"{label}: {card.missing} of {plural(total, 'trial')} not run: {listed(_unrun(card))}. "
                "Everything that was not run is listed at the end with the reason."
            )
        if card.speed and card.speed.why:
            found.append(f"{label}: {card.speed.why}.")
    return found


def _unrun(card: Card) -> list[str]:
    questions = [
        f"{q.title} at {q.length} ({_seeds([t.seed for t in q.trials if t.status == 'not run'])})"
        for q in card.questions
        if any(t.status == "not run" for t in q.trials)
    ]
    return [*questions[:6], f"{len(questions) - 6} more"] if len(questions) > 7 else questions


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def title(field: Field) -> str:
    """What the page is, in a few words."""
    names = [short_name(entrant.card.model["name"]) for entrant in field.subjects]
    return f"What {names[0]} can hold" if len(names) == 1 else f"{listed(names)}, side by side"
