"""What trials will cost: a few small steps of each model are timed, and scaled to the trials' sizes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from separatrix.config import canonical_json
from separatrix.experiments.engines.process import one_thread
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.trainer import Trainer

STEPS = 6
"""Steps of a timing; the first is not timed."""

PROBES = (24, 96)
"""Context lengths that are timed. What a step costs is taken to grow linearly from there, in tokens."""

CONTEXTS = 4
"""Contexts of a timed step."""

MORE_CONTEXTS = 32
"""Contexts of the second timed step where a task is too short for two lengths."""


@dataclass(frozen=True)
class Cost:
    """Core seconds of training at most: trials that stop early take less.

    >>> sx.experiments.Cost(trials=12, seconds=7200.0).hours
    2.0
    """

    trials: int
    seconds: int | float

    @property
    def hours(self) -> float:
        """Core hours."""
        return self.seconds / 3600

    @property
    def amount(self) -> str:
        """The time in words: core minutes, or core hours where they are many."""
        return f"{self.seconds / 60:,.0f} core minutes" if self.seconds < 7200 else f"{self.hours:,.0f} core hours"

    def __str__(self) -> str:
        return (
            f"at most about {self.amount} of this machine's processor, estimated from a few small steps of each model "
            "and scaled to full size in proportion to the tokens; trials that stop early take less"
        )


@dataclass(frozen=True)
class _Pace:
    """Seconds of a step: a fixed part, and one for each context token."""

    fixed: float
    per_token: float

    def of(self, contexts: int, length: int) -> float:
        return self.fixed + self.per_token * contexts * length


def estimated_cost(trials: Sequence[TrialConfig], paces: dict[str, _Pace] | None = None) -> Cost:
    """What the trials cost at most, validations and tests included (a third of a step for each of their tokens).

    paces: what was timed before, to be timed once for several estimates

    >>> config = sx.experiments.TrialConfig(task={"name": "parity", "length": 8}, model={"name": "gru", "width": 8})
    >>> cost = sx.experiments.estimated_cost([config.replace(seed=seed) for seed in range(3)])
    >>> cost.trials, 0 < cost.hours < 1
    (3, True)
    """
    paces = {} if paces is None else paces
    seconds = 0.0
    for trial in trials:
        kind = _kind(trial)
        if kind not in paces:
            paces[kind] = _pace(trial)
        seconds += _seconds(trial, paces[kind])
    return Cost(len(trials), seconds)


def by_model(trials: Sequence[TrialConfig], paces: dict[str, _Pace] | None = None) -> dict[str, Cost]:
    """What the trials of each model and width cost at most, the dearest first: where the time of a sweep goes.

    paces: as for `estimated_cost`

    >>> config = sx.experiments.TrialConfig(task={"name": "parity", "length": 8}, model={"name": "gru", "width": 8})
    >>> from separatrix.experiments.search.cost import by_model
    >>> {model: cost.trials for model, cost in by_model([config, config.replace(seed=1)]).items()}
    {'gru-(1, 8)': 2}
    """
    paces = {} if paces is None else paces
    groups: dict[str, list[TrialConfig]] = defaultdict(list)
    for trial in trials:
        groups[trial.model_label].append(trial)
    costs = {model: estimated_cost(group, paces) for model, group in groups.items()}
    return dict(sorted(costs.items(), key=lambda one: -one[1].seconds))


def _kind(trial: TrialConfig) -> str:
    """What makes two trials run the same code on the same widths: the model, and the task but for its length."""
    task = {key: value for key, value in trial.task.model_dump(mode="json").items() if key not in ("length", "pairs")}
    return canonical_json([task, trial.model.model_dump(mode="json"), min(trial.training.queries, 2)])


def _seconds(trial: TrialConfig, pace: _Pace) -> float:
    training, length = trial.training, trial.trained.length
    mean_length = length if training.lengths == "full" else length / 2
    steps = training.steps * pace.of(training.batch_size, int(mean_length))
    validations = -(-training.steps // training.validate_every)
    read = validations * training.validation_contexts * length + training.test_contexts * trial.task.length
    return steps + pace.per_token * read / 3


def _pace(trial: TrialConfig) -> _Pace:
    """Time a step at two lengths; at one with fewer and with more contexts where the task has no other."""
    shortest, longest = (_nearest(trial, length) for length in PROBES)
    sizes = ((CONTEXTS, shortest), (CONTEXTS, longest) if longest > shortest else (MORE_CONTEXTS, shortest))
    (first, fewer), (second, more) = ((_step(trial, n, contexts), contexts * n) for contexts, n in sizes)
    if second <= first:  # the step's own cost hides that of the tokens
        return _Pace(max(first, second), 0.0)
    per_token = (second - first) / (more - fewer)
    return _Pace(max(0.0, first - per_token * fewer), per_token)


def _nearest(trial: TrialConfig, length: int) -> int:
    """The longest admissible length up to `length`, at most the trial's own."""
    return max((n for n in trial.task.lengths if n <= length), default=trial.task.length)


def _step(trial: TrialConfig, length: int, contexts: int) -> float:
    """Processor seconds of a step of so many contexts, whatever else runs; the first step pays for set-up."""
    training = trial.training.replace(steps=STEPS, warmup=0, batch_size=contexts, lengths="full", longest=None)
    task = trial.task.at_length(length)
    with one_thread():
        trainer = Trainer(TrialConfig(task=task, model=trial.model, training=training, seed=0))
        trainer.train_to(1)
        begun = time.process_time()
        trainer.train_to(STEPS)
        return (time.process_time() - begun) / (STEPS - 1)
