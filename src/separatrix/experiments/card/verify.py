"""What can be checked of a card without running it: its questions, identities, and that nothing is impossible."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from separatrix.errors import InputError
from separatrix.experiments.card.card import Card, Question, read_card
from separatrix.experiments.card.compare import same_conditions
from separatrix.experiments.card.probes import standard
from separatrix.experiments.store.files import MARKER
from separatrix.experiments.trial.config import TrialConfig
from separatrix.tasks import create
from separatrix.trust import names_code

CHANCE_OF_MORE = 1e-9
"""Chance that an accuracy as far above a proved ceiling as is let pass comes of the sampled inputs alone."""


def cards_in(folder: str | Path) -> dict[str, Card]:
    """Every card of a folder by its file's name, each held against its hash. Raises InputError for a damaged one.

    >>> sx.experiments.card.write_card(sx.experiments.card.stored_reference("gru"), "gru.json").name
    'gru.json'
    >>> list(sx.experiments.card.cards_in("."))
    ['gru.json']
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"no folder {str(folder)!r}: expected one with cards, JSON files that `separatrix card` wrote")
    # cards are written into the folder of their trials: its marker is none of them
    found = {path.name: read_card(path) for path in sorted(place.glob("*.json")) if path.name != MARKER}
    if not found:
        raise InputError(f"no cards in {str(folder)!r}: `separatrix card MODEL --output {folder}` makes one")
    return found


def problems(card: Card) -> list[str]:
    """What is wrong with a card, a line each; an empty list says that nothing that can be checked is.

    Its questions are those of the standard battery, under its settings, each at the rate that was chosen for it out of
    the battery's on seeds that are not among the reported ones; every trial has the identity that its configuration
    has; bounds and ceilings are no stronger than the library's; no accuracy lies above its proved ceiling by more than
    sampling explains, and no more bits are recalled than the state has. The measurements themselves are taken on trust:
    who doubts one runs the trial again, by its identity.

    >>> sx.experiments.card.problems(sx.experiments.card.stored_reference("gru"))
    []
    """
    return [f"{each.title} at {each.length}: {said}" for each in card.questions for said in _of_question(card, each)]


def own_code(card: Card) -> bool:
    """Whether a card's architecture stands in a Python file, which is not run: its identities are not checked."""
    return names_code(card.model["name"])


def _of_question(card: Card, question: Question) -> Iterator[str]:
    asked = _standard().get((question.probe, question.length))
    if asked is None or not same_conditions(question, question.replace(**asked)):
        yield "not a question of the standard battery, or asked under other settings"
    task = create(**question.task)
    if question.recurrent_bits is not None and question.recurrent_bits > (task.recurrent_bits() or 0):
        yield f"says that {question.recurrent_bits} bits are necessary: {task.recurrent_bits()} are proved"
    ceiling = 1.0 if question.state_bits is None else task.accuracy_ceiling(question.state_bits)
    if question.accuracy_ceiling < ceiling * (1 - 1e-9):
        yield f"says a ceiling of {question.accuracy_ceiling}: {ceiling} is proved"
    if len({trial.seed for trial in question.trials}) < len(question.trials):
        yield "has a seed twice"
    if question.measured:
        yield from _of_rate(question)
    for trial in question.trials:
        if not own_code(card) and _identity(question, trial.seed) != trial.identity:
            yield f"seed {trial.seed} has another identity than its configuration"
        if trial.accuracy is not None:
            slack = math.sqrt(-math.log(CHANCE_OF_MORE) / (2 * max(trial.answers, 1)))
            if not 0 <= trial.accuracy <= min(1.0, ceiling + slack):
                yield f"seed {trial.seed} is right on {trial.accuracy:.1%}, above the proved ceiling of {ceiling:.1%}"
        if trial.recalled is not None and trial.recalled.recalled_bits > trial.recalled.state_bits:
            yield f"seed {trial.seed} recalls more bits than its state has"


def _of_rate(question: Question) -> Iterator[str]:
    choice, tuning = question.choice, standard().tuning
    if choice is None or choice.tuning != tuning:
        yield "has a learning rate that was not chosen as the standard battery does"
        return
    if question.training["learning_rate"] != choice.rate or choice.rate not in choice.tuning.rates:
        yield f"trained at a rate of {question.training['learning_rate']}, where {choice.rate} was chosen"
    if shared := sorted({trial.seed for trial in question.trials} & {*choice.seeds}):
        yield f"reports seed {shared[0]}, on which its rate was chosen"


@cache
def _standard() -> dict[tuple[str, int], dict[str, object]]:
    """Task and training of every question of the standard battery."""
    battery = standard()
    configs = {
        (probe.id, length): TrialConfig(
            task={**probe.task, "length": length},
            model={"name": "lstm", "width": 4},
            training={**battery.training, **probe.training},
        ).model_dump(mode="json")
        for probe, length in battery.questions()
    }
    return {key: {"task": config["task"], "training": config["training"]} for key, config in configs.items()}


def _identity(question: Question, seed: int) -> str:
    try:
        return TrialConfig(task=question.task, model=question.model, training=question.training, seed=seed).identity()
    except (InputError, TypeError, ValidationError) as error:
        return f"none: {error}"
