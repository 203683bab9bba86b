"""What a trial measured."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from pydantic import Field

from separatrix.config import Config, canonical_json
from separatrix.experiments.trial.ending import Ending
from separatrix.notebook import bits, facts


class Measurement(Config):
    """Accuracy and loss over a fixed set of examples.

    >>> half = {"even": 0.5, "odd": 1.0}
    >>> sx.experiments.Measurement(
    ...     accuracy=0.75, loss_bits=0.4, answers=64, accuracy_by_group=half, loss_bits_by_group=half
    ... ).accuracy_by_group["odd"]
    1.0
    """

    accuracy: float = Field(description="share of right answers, in [0, 1]")
    loss_bits: float = Field(description="mean cross-entropy in bits per answer")
    answers: int = Field(description="number of answers measured")
    accuracy_by_group: dict[str, float] = Field(description="accuracy by kind of example or by position")
    loss_bits_by_group: dict[str, float] = Field(description="cross-entropy in bits by kind of example or by position")


class Result(Config):
    """The outcome of one trial. Everything but `seconds` and `environment` is a function of the configuration.

    >>> config = sx.experiments.TrialConfig(task={"name": "parity", "length": 8}, model={"name": "gru", "width": 8})
    >>> known = {"identity": config.identity(), "config": config.model_dump(mode="json")}
    >>> result = sx.experiments.Result(**known, status="solved")
    >>> result.status, result.config["task"]["length"]
    ('solved', 8)
    """

    identity: str
    config: dict[str, Any]
    status: Literal["solved", "plateau", "finished", "failed", "paused"] = Field(
        description="solved: accurate enough twice running; plateau: no better for long; finished: all steps done; "
        "failed: see error; paused: not at its end, and never stored"
    )
    error: str | None = None
    ending: Ending | None = Field(
        None, description="whether more steps would have helped, see `trial.ending`; None of failed and older trials"
    )
    test: Measurement | None = None
    steps: int = 0
    tokens: int = Field(0, description="context and query tokens trained on")
    parameters: int = 0
    state_numbers: int = Field(0, description="scalars handed from the context to the query, measured")
    state_bits: int = Field(0, description="bits of that state as stored, measured")
    recurrent_bits: float | None = Field(
        None, description="proved lower bound on an exact recurrent model's state, in bits; null: no closed form"
    )
    attention_bits: float | None = Field(
        None, description="proved lower bound on one message across a cut of one attention layer, in bits; null: none"
    )
    accuracy_ceiling: float = Field(1.0, description="proved ceiling on the accuracy of a state of that many bits")
    overlap: float | None = Field(
        None,
        description="share of the test contexts that had occurred in training; null where the space of contexts is too "
        "large to count, and of older trials",
    )
    weights_sha256: str | None = Field(None, description="hash of the final weights")
    seconds: float = 0.0
    environment: dict[str, Any] = {}

    def _repr_html_(self) -> str:
        """What a notebook shows: measured beside proved."""
        task, model, training = self.config["task"], self.config["model"], self.config["training"]
        said = {
            "test accuracy (observed)": "not measured" if self.test is None else f"{self.test.accuracy:.2%}",
            "ended": str(self.ending or self.status),
            "learning rate": f"{training['learning_rate']:g}",
            "trained on": f"{self.steps:,} steps, {self.tokens:,} tokens",
            "state (measured)": bits(self.state_bits),
            "an exact recurrent state needs (proved)": bits(self.recurrent_bits),
            "ceiling of a state of this size (proved)": f"{self.accuracy_ceiling:.1%}",
        }
        title = f"{model['name']} of width {model.get('width', '?')}, {task['name']}, N = {task['length']:,}"
        return facts(f"{title}, seed {self.config['seed']}", said | ({"error": self.error} if self.error else {}))

    @property
    def fingerprint(self) -> str:
        """Hash of everything that a rerun on the same kind of machine must reproduce."""
        return fingerprint(self.model_dump(mode="json"))


NOT_REPRODUCED = ("seconds", "environment", "ending", "overlap", "fingerprint", "sha256", "history_sha256")


def fingerprint(record: dict[str, Any]) -> str:
    """Hash of what a rerun must reproduce, of a result as JSON: fields that a later version adds do not change it.

    `ending` and `overlap` follow from the rest, and results older than them keep their fingerprint.
    """
    reproducible = {name: value for name, value in record.items() if name not in NOT_REPRODUCED}
    return hashlib.sha256(canonical_json(reproducible).encode()).hexdigest()
