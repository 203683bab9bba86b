"""Successive halving: train all competitors a little, the better ones further, and only the best to the end.

The synchronous rule of Jamieson & Talwalkar 2016 ("Non-stochastic best arm identification and hyperparameter
optimization", arXiv 1502.07943): what it decides is a function of the trials alone, and not of which ended first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pydantic import Field, field_validator

from separatrix.config import Config, canonical_json
from separatrix.errors import InputError
from separatrix.experiments.store.folder import CHECKPOINT, Store, folder_of
from separatrix.experiments.trial.checkpoint import Progress, read_progress
from separatrix.experiments.trial.config import TrialConfig

RECORD = "halving.json"
"""The file of the store that says who competed, how they did, and who went on."""

Advance = Callable[[list[TrialConfig], int], object]
"""Trains trials up to a step."""


class Halving(Config):
    """Of the trials that differ in the `over` fields (and the seed) alone, the best settings go on.

    A setting's score at a step is the median over its seeds of the validation loss there, in bits; a failed trial's
    loss is infinite. Of equal scores the setting that is first in the sweep wins.

    >>> rule = sx.experiments.Halving(over=["training.learning_rate"], first=200, factor=2)
    >>> rule.first, rule.factor  # the better half goes on to 400 steps, the better half of these to 800, …
    (200, 2)
    """

    over: list[str] = Field(min_length=1, description="the fields whose best values are sought, by their paths")
    first: int = Field(ge=1, description="optimiser steps before the first cut")
    factor: int = Field(2, ge=2, description="each cut leaves one setting in so many, for so many times the steps")

    @field_validator("over")
    @classmethod
    def _comparable(cls, over: list[str]) -> list[str]:
        if wrong := {"seed", "training.steps"} & set(over):
            raise ValueError(f"seeds and numbers of steps do not compete, got {', '.join(sorted(wrong))}")
        return over

    def rungs(self, settings: int, steps: int) -> Iterator[tuple[int, int]]:
        """(step, settings that go on from there), for a training of so many steps."""
        step = self.first
        while settings > 1 and step < steps:
            settings = -(-settings // self.factor)
            yield step, settings
            step *= self.factor

    def trained_steps(self, settings: int, steps: int) -> int:
        """Steps that one seed of all settings trains together, at most."""
        total, before = 0, 0
        for step, going_on in self.rungs(settings, steps):
            total += settings * (step - before)
            before, settings = step, going_on
        return total + settings * (steps - before)


@dataclass
class Contest:
    """The settings that compete with each other, each with the trials of its seeds."""

    common: dict[str, Any]
    """The configuration that all share, without what they compete with."""
    settings: dict[str, list[TrialConfig]] = field(default_factory=dict)
    cuts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """The length of a whole training."""
        return self.common["training"]["steps"]

    @property
    def trials(self) -> list[TrialConfig]:
        """The trials still in it."""
        return [trial for seeds in self.settings.values() for trial in seeds]

    def cut(self, store: Store, step: int, factor: int) -> None:
        """Leave the best settings in."""
        scores = {name: median(_loss(store, trial, step) for trial in seeds) for name, seeds in self.settings.items()}
        best = sorted(scores, key=lambda name: scores[name])[: -(-len(scores) // factor)]
        readable = {name: score if math.isfinite(score) else None for name, score in scores.items()}
        self.cuts.append({"step": step, "median_loss_bits": readable, "go_on": best})
        self.settings = {name: seeds for name, seeds in self.settings.items() if name in best}

    def record(self) -> dict[str, Any]:
        """What is written of it."""
        return {
            "common": self.common,
            "cuts": self.cuts,
            "left": {name: _names(t) for name, t in self.settings.items()},
        }


def halve(store: Store, trials: Sequence[TrialConfig], rule: Halving, advance: Advance) -> list[TrialConfig]:
    """The trials that are worth training to the end. Raises InputError when no two trials compete.

    advance: trains the trials it is given up to a step, see `Engine.run`
    The others stay in the store with their checkpoints, and without a result: a sweep without halving takes them up.
    """
    found, step = contests(trials, rule), rule.first
    while open_ := [contest for contest in found if len(contest.settings) > 1 and step < contest.steps]:
        behind = [trial for contest in open_ for trial in contest.trials if reached(store, trial) < step]
        if behind:
            advance(behind, step)
        for contest in open_:
            contest.cut(store, step, rule.factor)
        record = {"rule": rule.model_dump(), "contests": [contest.record() for contest in found]}
        store.write(RECORD, json.dumps(record, indent=1).encode())
        step *= rule.factor
    return [trial for contest in found for trial in contest.trials]


def contests(trials: Sequence[TrialConfig], rule: Halving) -> list[Contest]:
    """Who competes with whom. Raises InputError for fields that no trial has, or when no two trials compete."""
    found: dict[str, Contest] = {}
    for trial in trials:
        common = trial.model_dump(mode="json")
        common.pop("seed")
        setting = {path: _take(common, path) for path in rule.over}
        contest = found.setdefault(canonical_json(common), Contest(common))
        contest.settings.setdefault(canonical_json(setting), []).append(trial)
    if all(len(contest.settings) < 2 for contest in found.values()):
        raise InputError(f"halving: no two trials differ in {', '.join(rule.over)} alone: name what the sweep varies")
    return list(found.values())


def _take(config: dict[str, Any], path: str) -> Any:
    """Remove a field of a configuration and return it; None where it has no such field."""
    *sections, name = path.split(".")
    for section in sections:
        config = config.get(section, {})
    return config.pop(name, None)


def reached(store: Store, trial: TrialConfig) -> float:
    """The step a trial has reached; infinite for one that has ended."""
    identity = trial.identity()
    if store.result(identity) is not None:
        return math.inf
    return float(progress.step) if (progress := _progress(store, identity)) else 0.0


def validation_at(store: Store, trial: TrialConfig, step: int) -> dict[str, float | int] | None:
    """The first validation from a step on, or the last one of a trial that ended before; None of one that failed."""
    identity = trial.identity()
    result = store.result(identity)
    if result is not None and result.status == "failed":
        return None
    if (progress := _progress(store, identity)) is not None:
        history: list[dict[str, Any]] = progress.history
    elif (kept := store.history(identity)) is not None:  # of a trial that has ended, whose checkpoint is damaged
        history = kept.to_dicts()
    elif result is None:  # its worker was lost again and again
        return None
    else:
        raise InputError(f"trial {identity} has lost its validations: run it again with --force {identity}")
    later = [row for row in history if row["step"] >= step]
    return (later or history[-1:])[0]


def _loss(store: Store, trial: TrialConfig, step: int) -> float:
    """The validation loss there, in bits; infinite of a trial that failed."""
    row = validation_at(store, trial, step)
    return math.inf if row is None else float(row["loss_bits"])


def _progress(store: Store, identity: str) -> Progress | None:
    """Where a trial stands, None when it has no checkpoint that is whole."""
    with store.leaving_out(f"{folder_of(identity)}/{CHECKPOINT}"):
        return None if (data := store.checkpoint(identity)) is None else read_progress(data)
    return None


def _names(trials: Sequence[TrialConfig]) -> list[str]:
    return [trial.identity() for trial in trials]
