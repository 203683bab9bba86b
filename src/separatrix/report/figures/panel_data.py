"""What a page is about: finished trials, by model and length, in panels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from statistics import mean, median
from typing import Any, Literal

from separatrix import tasks
from separatrix.errors import InputError
from separatrix.experiments.measure.memory_wall import MemoryWall
from separatrix.experiments.measure.recall import Recall
from separatrix.experiments.presets import Panel, Preset
from separatrix.experiments.search.frontier import Frontier
from separatrix.experiments.search.tuning import Choice
from separatrix.experiments.theorems.findings import Findings
from separatrix.experiments.trial.config import trial_config
from separatrix.experiments.trial.result import Result
from separatrix.report.html.labels import FAMILIES, KEEPING
from separatrix.trust import names_code


def mean_difference(values: Sequence[float]) -> float:
    """The mean distance of all pairs of values (Gini's mean difference); 0 of fewer than two."""
    return mean([abs(a - b) for a, b in combinations(values, 2)] or [0.0])


@dataclass(frozen=True)
class PanelTrial:
    """A finished trial as a panel sees it."""

    result: Result
    label: str
    history: list[dict[str, float]]
    recall: Recall | None = None
    """What its model was found to hold of its context, where that was measured."""
    choice: Choice | None = None
    """How its learning rate was chosen, where it was."""

    @property
    def length(self) -> int:
        """Context length N in tokens."""
        return self.result.config["task"]["length"]

    @property
    def seed(self) -> int:
        """The trial's seed."""
        return self.result.config["seed"]

    @property
    def model(self) -> dict[str, Any]:
        """The model's configuration."""
        return self.result.config["model"]

    @property
    def kind(self) -> Literal["attention", "recurrent", "other"]:
        """One that keeps all of the past, a recurrent one, or something else (a hybrid, a model of the user's)."""
        name = self.model["name"]
        return "attention" if name in KEEPING else "recurrent" if name in FAMILIES else "other"

    @property
    def accuracy(self) -> float:
        """Test accuracy in [0, 1]; NaN when the trial failed."""
        return self.result.test.accuracy if self.result.test else float("nan")


@dataclass(frozen=True)
class PanelCell:
    """One model at one length: its trials over the seeds, none of them failed."""

    trials: Sequence[PanelTrial]

    @property
    def one(self) -> PanelTrial:
        """Any of them, for what does not depend on the seed."""
        return self.trials[0]

    @cached_property
    def accuracies(self) -> list[float]:
        """Test accuracy of each seed."""
        return [trial.accuracy for trial in self.trials]

    @property
    def endings(self) -> dict[str, int]:
        """How many seeds ended as solved, on a plateau or cut off; older trials do not say."""
        return dict(Counter(trial.result.ending for trial in self.trials if trial.result.ending))

    @property
    def median(self) -> float:
        """Median over the seeds."""
        return median(self.accuracies)

    @property
    def low(self) -> float:
        """The lowest seed."""
        return min(self.accuracies)

    @property
    def high(self) -> float:
        """The highest seed."""
        return max(self.accuracies)


@dataclass(frozen=True)
class PanelTrials:
    """A panel with its trials: measured, failed, and those without a result yet."""

    id: str
    panel: Panel
    measured: Sequence[PanelTrial]
    failed: Sequence[PanelTrial]
    missing: Sequence[str]
    """The unfinished trials, as readable lines."""

    @cached_property
    def labels(self) -> list[str]:
        """The models with a measurement, in the panel's order."""
        return list(dict.fromkeys(trial.label for trial in self.measured))

    @cached_property
    def lengths(self) -> list[int]:
        """The context lengths with a measurement, ascending."""
        return sorted({trial.length for trial in self.measured})

    @cached_property
    def cells(self) -> dict[tuple[str, int], PanelCell]:
        """Model and length -> the trials over the seeds."""
        grouped = defaultdict(list)
        for trial in self.measured:
            grouped[trial.label, trial.length].append(trial)
        return {key: PanelCell(trials) for key, trials in grouped.items()}

    @cached_property
    def telling_length(self) -> int:
        """The context length at which the models' medians differ most; the longest of equals."""

        def spread(length: int) -> float:
            return mean_difference([cell.median for (_, at), cell in self.cells.items() if at == length])

        return max(self.lengths, key=lambda length: (round(spread(length), 3), length))

    @property
    def streams(self) -> bool:
        """Whether the task answers on the way, by its registered name: a report runs nobody's file."""
        return self.measured[0].result.config["task"]["name"] in tasks.stream_names()

    @property
    def trained(self) -> int | None:
        """The longest length trained on where the test was longer and all trials agree on it; None else."""
        said = {trial.result.config["training"].get("longest") for trial in self.measured}
        return said.pop() if len(said) == 1 else None

    @cached_property
    def task(self) -> dict[str, Any]:
        """The task's parameters, the longest length among them."""
        return max(self.measured, key=lambda trial: trial.length).result.config["task"]

    @cached_property
    def answers(self) -> int | None:
        """How many answers the task has, for the chance level; None when it cannot be told."""
        config = self.measured[0].result.config
        if runs_code(config["task"], config["model"]):
            return None
        try:
            return trial_config(config).task.answers
        except InputError:
            return None


@dataclass(frozen=True)
class Collection:
    """Everything a page is about."""

    preset: Preset | None
    panels: Sequence[PanelTrials]
    results: Sequence[Result]
    notes: Sequence[str]
    frontiers: Sequence[Frontier] = ()
    theorems: Findings | None = None
    """What running the theorems found."""
    tuning: Sequence[Result] = ()
    """Trials that chose learning rates: they are no results."""
    walls: Sequence[tuple[Result, MemoryWall]] = ()
    """What was recalled from the rounded states of trained models."""


def runs_code(*named: dict[str, Any]) -> bool:
    """Whether a task or model is named by a Python file: a report of somebody's folder must not run what is in it."""
    return any(names_code(settings.get("name")) for settings in named)
