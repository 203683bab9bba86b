"""A trial's configuration: task, model, training and seed. Its content hash is the trial's identity."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from separatrix import trust
from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.models import ModelConfig, architecture
from separatrix.tasks import Problem, create


class TrainingConfig(Config):
    """How a trial is trained. Lengths are in tokens, sizes in examples, frequencies in optimiser steps.

    >>> sx.experiments.TrainingConfig(steps=50).warmup  # a tenth of so few steps
    5
    """

    model_config = ConfigDict(allow_inf_nan=False)

    steps: int = Field(4000, ge=1, description="optimiser steps at most")
    batch_size: int = Field(64, ge=1, description="contexts per step")
    queries: int = Field(
        128, ge=1, description="queries per context at most: one pass over the context trains them all"
    )
    lengths: Literal["full", "random"] = Field(
        "full", description="train at the full length, or at one random admissible length per batch"
    )
    longest: int | None = Field(
        None,
        ge=1,
        description="longest length trained and validated on, where that is not the task's, which is the test's",
        exclude_if=lambda longest: longest is None,  # configurations older than the field keep their identities
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    warmup: int = Field(
        100, ge=0, description="steps of linear warm-up; unless set, a tenth of all where they are 100 or fewer"
    )
    decay: Literal["constant", "linear", "cosine"] = Field("cosine", description="schedule after the warm-up, to zero")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    validate_every: int = Field(100, ge=1, description="steps between validations")
    validation_contexts: int = Field(256, ge=1, description="contexts per validation, always the same ones")
    test_contexts: int = Field(1024, ge=1, description="contexts of the final test, never seen before it")
    solved: float = Field(0.999, gt=0, le=1, description="stop when this validation accuracy is reached twice running")
    patience: int | None = Field(
        None, ge=1, description="stop when the validation loss has not improved for this many validations"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_warmup(cls, data: Any) -> Any:
        if isinstance(data, dict) and "warmup" not in data and isinstance(steps := data.get("steps"), int):
            return data if steps > cls.model_fields["warmup"].default else {**data, "warmup": steps // 10}
        return data

    @model_validator(mode="after")
    def _warmup_fits(self) -> TrainingConfig:
        if self.warmup >= self.steps:
            raise ValueError(f"warmup must be shorter than steps, got {self.warmup} and {self.steps}")
        return self


def _task(value: Any) -> Any:
    if isinstance(value, dict) and "name" not in value:
        raise InputError(f"a task needs a name, got {', '.join(map(str, value)) or 'nothing'}")
    return create(**value) if isinstance(value, dict) else value


def _model(value: Any) -> Any:
    return architecture(value["name"]).Config(**value) if isinstance(value, dict) and "name" in value else value


class Start(Config):
    """Weights to train from: those of a construction, with noise on them.

    >>> sx.experiments.Start(construction="parity", noise=0.01).noise  # each weight off by about 1 %
    0.01
    """

    model_config = ConfigDict(allow_inf_nan=False)

    construction: str = Field(description="name in the registry of constructions, for the trial's task")
    options: dict[str, Any] = Field({}, description="options of the construction")
    noise: float = Field(
        0.0,
        ge=0,
        description="deviation of the noise on each weight, relative to its tensor's root mean square",
    )


class TrialConfig(Config):
    """Everything that decides a trial's result. Equal configurations have equal identities, and equal results.

    >>> model = {"name": "gru", "width": 8}
    >>> config = sx.experiments.TrialConfig(task={"name": "parity", "length": 8}, model=model, seed=1)
    >>> config.label
    'gru-(1, 8) parity N=8 seed 1'
    >>> config.identity() == config.replace(seed=2).identity()
    False
    """

    task: Annotated[SerializeAsAny[Problem], BeforeValidator(_task)]
    model: Annotated[SerializeAsAny[ModelConfig], BeforeValidator(_model)]
    training: TrainingConfig = TrainingConfig()
    seed: int = Field(0, ge=0, description="seeds initial weights, training, validation and test data")
    start: Start | None = Field(
        None,
        description="weights to train from, in place of random ones",
        exclude_if=lambda start: start is None,  # configurations older than the field keep their identities
    )

    @model_validator(mode="after")
    def _trains_shorter(self) -> TrialConfig:
        if (longest := self.training.longest) is None:
            return self
        if longest not in self.task.lengths:
            raise ValueError(f"training.longest must be a length of the task up to {self.task.length}, got {longest}")
        if (self.trained.answers, self.trained.query_offset) != (self.task.answers, self.task.query_offset):
            raise ValueError(f"{self.task.name} has other answers at length {longest}: leave training.longest out")
        return self

    @property
    def trained(self) -> Problem:
        """The task at the longest length that is trained and validated on: the test may be longer."""
        longest = self.training.longest
        return self.task if longest is None else self.task.at_length(longest)

    def identity(self) -> str:
        """The trial's name in every store: 16 hex digits of the hash of everything that decides its result."""
        return self.content_hash()

    @property
    def label(self) -> str:
        """A short readable name, e.g. `lstm-(1, 64) index-lookup N=100 seed 0`."""
        return f"{self.model_label} {self.task.name} N={self.task.length} seed {self.seed}"

    @property
    def model_label(self) -> str:
        """The model's name with layers and width, e.g. `lstm-(1, 64)`."""
        return f"{self.model.name}-({self.model.layers}, {self.model.width})"


def trial_config(data: dict[str, Any]) -> TrialConfig:
    """The configuration of a stored trial. Raises InputError when this version cannot read it.

    Python files that it names are not run, unless the user has named them: Untrusted says so.
    """
    try:
        with trust.reading("a stored trial"):
            return TrialConfig(**data)
    except (TypeError, ValidationError) as error:
        raise InputError(f"not a trial configuration: {error}") from None
