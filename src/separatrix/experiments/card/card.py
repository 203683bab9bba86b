"""A card: everything that was measured of one architecture, in one JSON file whose hash is in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from statistics import median
from typing import Any, Literal

from pydantic import Field

from separatrix import __version__
from separatrix.atomic import write_whole
from separatrix.config import Config, canonical_json
from separatrix.errors import InputError
from separatrix.experiments.card.probes import Ability
from separatrix.experiments.measure.capacity import Capacity
from separatrix.experiments.search.tuning import Choice
from separatrix.experiments.trial.ending import Ending
from separatrix.notebook import facts

FORMAT = 1
"""Version of the card's layout. Cards of another one are refused."""

SOLVED = 0.99
"""Median test accuracy over the seeds from which an architecture is said to do a task."""

Growth = Literal["constant", "linear", "windowed", "irregular"]


class CardTrial(Config):
    """One seed of one question: what came of it, or why it was not run."""

    identity: str
    seed: int
    status: Literal["solved", "plateau", "finished", "failed", "not run"]
    why: str | None = Field(None, description="the error of a failed trial, or why it was not run to its end")
    accuracy: float | None = Field(None, description="share of right answers on the test, in [0, 1]")
    loss_bits: float | None = None
    answers: int = 0
    steps: int = 0
    seconds: float = Field(0.0, description="core seconds of training")
    fingerprint: str | None = Field(None, description="what a rerun on the same kind of machine reproduces")
    recalled: Capacity | None = None
    ending: Ending | None = Field(
        None, description="solved, plateau or cut off; None of older cards", exclude_if=lambda ending: ending is None
    )


class Question(Config):
    """A probe at one length: its conditions, the same for every architecture, and its trials, one a seed.

    >>> question = sx.experiments.card.stored_reference("lstm").questions[0]
    >>> question.title, question.length, len(question.trials)
    ('Multi-query recall', 32, 3)
    """

    probe: str
    title: str
    about: str
    ability: Ability
    length: int
    task: dict[str, Any]
    training: dict[str, Any]
    model: dict[str, Any] = Field(description="the model's configuration; another width where states are made equal")
    resized: bool = Field(False, description="whether the width was changed to reach a given state")
    chance: float = Field(description="accuracy of guessing uniformly")
    recurrent_bits: float | None = Field(
        description="proved lower bound on the state of an exact recurrent model, in bits; null: no closed form"
    )
    state_bits: int | None = Field(None, description="bits of the state handed over, measured; None when nothing ran")
    accuracy_ceiling: float = Field(1.0, description="proved ceiling on the accuracy of a state of that many bits")
    choice: Choice | None = Field(
        None,
        description="how the learning rate was chosen on other seeds; None where the battery sets it",
        exclude_if=lambda choice: choice is None,  # cards older than the field keep their hash
    )
    trials: list[CardTrial]

    @property
    def measured(self) -> list[CardTrial]:
        """The trials with a test."""
        return [trial for trial in self.trials if trial.accuracy is not None]

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy of every measured seed."""
        return [trial.accuracy for trial in self.trials if trial.accuracy is not None]

    @property
    def median(self) -> float | None:
        """Median accuracy over the seeds."""
        return median(self.accuracies) if self.accuracies else None

    @property
    def done(self) -> bool:
        """Whether the median reaches `SOLVED`."""
        return self.median is not None and self.median >= SOLVED

    @property
    def recalled(self) -> Capacity | None:
        """Bits recalled by the middle seed (the lower of the two middle ones), with its interval."""
        found = sorted((t.recalled for t in self.trials if t.recalled), key=lambda capacity: capacity.recalled_bits)
        return found[(len(found) - 1) // 2] if found else None


class State(Config):
    """The size of the state against the length of the context, measured on the model itself."""

    lengths: list[int]
    bits: list[int]
    growth: Growth = Field(description="with the context: not at all, linearly, up to a window, or otherwise")
    bits_per_token: float = Field(description="bits added by one more token at the largest lengths")
    whole_past: bool = Field(description="the module has no step form, so that its past inputs count as its state")


class Timing(Config):
    """Something timed several times: its median with the range, beside the same of the baseline in the same run."""

    value: float
    low: float
    high: float
    ratio: float = Field(description="times the baseline's speed, by seconds of work; above 1 is faster")
    repeats: int


class SpeedAt(Config):
    """Speeds at one context length."""

    length: int
    prefill: Timing = Field(description="context tokens read per second, without gradients")
    training: Timing = Field(description="context tokens per second of a forward and backward pass")
    decode: Timing = Field(description="seconds until one query of one context is answered, the state at hand")


class Speed(Config):
    """How fast, on one thread of the machine that made the card."""

    baseline: str
    batch_size: int
    threads: int
    device: str
    at: list[SpeedAt]
    why: str | None = Field(None, description="why lengths are missing")


class Card(Config):
    """What one architecture was seen to hold, with everything needed to check it and to set another card beside it.

    >>> card = sx.experiments.card.stored_reference("lstm")
    >>> card.label, card.state.growth
    ('lstm-(1, 64)', 'constant')
    """

    format: int = FORMAT
    separatrix: str = __version__
    label: str
    model: dict[str, Any]
    parameters: int = Field(description="trained scalars in the recall task")
    plan: str = Field(description="how the trials were chosen, in words")
    minutes: float | None = Field(description="time given; None when the whole battery was run")
    workers: int
    seconds: float = Field(description="wall-clock seconds this card took, trials found in the store not counted anew")
    core_seconds: float = Field(description="seconds of training, summed over the trials, wherever they were run")
    state: State
    speed: Speed | None
    questions: list[Question]
    environment: dict[str, Any]
    sha256: str = Field("", description="hash of all the rest, in canonical JSON")

    def sealed(self) -> Card:
        """The card with its hash."""
        return self.replace(sha256=self._hash())

    def question(self, probe: str, length: int) -> Question | None:
        """The question of a probe at a length, if this card asked it."""
        return next((q for q in self.questions if (q.probe, q.length) == (probe, length)), None)

    def _repr_html_(self) -> str:
        """What a notebook shows: the state, and every question's median accuracy with chance beside it."""
        said = {
            f"{question.title}, N = {question.length}": "not run"
            if question.median is None
            else f"{question.median:.1%} ({len(question.measured)} seeds, chance {question.chance:.1%})"
            for question in self.questions
        }
        return facts(f"{self.label}: state {self.state.growth} in the context's length", said)

    @property
    def missing(self) -> int:
        """How many trials of the battery were not run."""
        return sum(trial.status == "not run" for question in self.questions for trial in question.trials)

    def _hash(self) -> str:
        content = self.model_dump(mode="json", exclude={"sha256"})
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def write_card(card: Card, path: str | Path) -> Path:
    """Write a card as JSON, whole or not at all. Raises InputError when that is impossible.

    >>> sx.experiments.card.write_card(sx.experiments.card.stored_reference("mamba"), "mamba.json").name
    'mamba.json'
    """
    return write_whole(path, (card.sealed().model_dump_json(indent=1) + "\n").encode())


def read_card(path: str | Path) -> Card:
    """A card from its JSON file; nothing in it is executed.

    Raises InputError, in one line, for a file that is missing, no card, of another version, damaged or changed.

    >>> card = sx.experiments.card.stored_reference("mamba")
    >>> sx.experiments.card.read_card(sx.experiments.card.write_card(card, "mamba.json")) == card
    True
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no card: expected JSON, got binary data") from None
    return parse_card(text, str(path))


def parse_card(text: str, name: str) -> Card:
    """A card from JSON text; `name` is what errors call it."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{name} is damaged (not JSON): make the card again with `separatrix card`") from None
    if not isinstance(data, dict) or "format" not in data or "questions" not in data:
        raise InputError(f"{name} is no card: expected the JSON that `separatrix card` writes")
    if data["format"] != FORMAT:
        raise InputError(
            f"{name} was written by separatrix {data.get('separatrix')} (card format {data['format']}); this version "
            f"reads format {FORMAT}: make the card again with this version"
        )
    try:
        card = Card(**data)
    except (InputError, TypeError) as error:
        raise InputError(f"{name} is damaged ({error}): make the card again with `separatrix card`") from None
    if card.sha256 != card._hash():
        raise InputError(f"{name} was changed after it was written: its content does not have the recorded hash")
    return card
