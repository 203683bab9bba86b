"""The frontier: the smallest width at which training reaches a target at each length. What is asked, and what is found.

The search takes it that wider is no worse. A width that is not reached was not reached *within this training*: that is
observed, and no statement about what is possible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from separatrix.config import Config
from separatrix.errors import InputError, unknown
from separatrix.experiments.search.tuning import Choice, Tuning, tokens_at_most, tuned
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.ending import Ending
from separatrix.experiments.trial.result import Result

WIDTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""The usual grid: powers of two and the halfway points between them."""

Settings = dict[str, Any]


class FrontierPlan(Config):
    """What is searched: for every model and length the smallest width of a grid that does the task.

    >>> plan = sx.experiments.FrontierPlan(
    ...     task={"name": "parity"}, models=[{"name": "gru"}, {"name": "lstm"}], lengths=[16, 8], widths=[2, 4, 8]
    ... )
    >>> plan.lengths, [cell.next() for cell in plan.cells()]  # where each of the four searches starts
    ([8, 16], [2, 2, 2, 2])
    """

    task: Settings = Field(description="the task's name and parameters, without its length")
    models: list[Settings] = Field(min_length=1, description="models without their width")
    lengths: list[int] = Field(min_length=1, description="context lengths N in tokens")
    own_lengths: dict[str, list[int]] = Field(
        {},
        description="lengths of single models, by their names, in place of those of all",
        exclude_if=lambda own: not own,  # plans older than the field keep their names
    )
    widths: list[int] = Field(min_length=1, description="widths that may be tried")
    seeds: list[int] = Field([0, 1, 2], min_length=1)
    needed: int = Field(2, ge=1, description="seeds that must reach the target")
    target: float = Field(0.99, gt=0, le=1, description="test accuracy to reach")
    training: Settings = {}
    tuning: Tuning | None = Field(
        None,
        description="choose the learning rate of every model, width and length",
        exclude_if=lambda tuning: tuning is None,  # plans older than the field keep their names
    )

    @field_validator("lengths", "widths", "seeds")
    @classmethod
    def _each_once(cls, values: list[int]) -> list[int]:
        return sorted(set(values))

    @model_validator(mode="after")
    def _named(self) -> FrontierPlan:
        if not all(isinstance(settings.get("name"), str) for settings in (self.task, *self.models)):
            raise ValueError("the task and each of the models must have a name")
        return self

    @model_validator(mode="after")
    def _known_models(self) -> FrontierPlan:
        names = [settings["name"] for settings in self.models]
        for name, own in self.own_lengths.items():
            if name not in names:
                raise unknown("model in own_lengths", name, names)
            if not own:
                raise ValueError(f"own_lengths of {name} must name a length")
        return self

    @model_validator(mode="after")
    def _enough_seeds(self) -> FrontierPlan:
        if self.needed > len(self.seeds):
            raise ValueError(f"{self.needed} seeds must reach the target, but only {len(self.seeds)} are trained")
        return self

    def trial(self, model: Settings, length: int, width: int, seed: int) -> TrialConfig:
        """One trial of the search."""
        return TrialConfig(
            task={**self.task, "length": length},
            model={**model, "width": width},
            training={"solved": max(self.target, 0.999), **self.training},
            seed=seed,
        )

    def cells(self) -> list[FrontierCell]:
        """Every model at every length, nothing known of them."""
        return [FrontierCell(self, model, length) for model in self.models for length in self.lengths_of(model)]

    def lengths_of(self, model: Settings) -> list[int]:
        """The lengths at which a model is searched, ascending."""
        return sorted(set(self.own_lengths.get(model["name"], self.lengths)))


class Tried(Config):
    """What was seen at one width."""

    width: int
    reached: int = Field(description="seeds that reached the target")
    seeds: int = Field(description="seeds trained to an end")
    accuracies: list[float]
    state_bits: int = Field(description="bits of the state as stored, measured")
    endings: list[Ending | None] = Field([], description="how each seed's trial ended, in the order of the accuracies")
    choice: Choice | None = Field(None, description="the learning rate, and how it was chosen")
    passed: float | None = Field(
        None, description="accuracy of the best tuning seed, where it was so low that no reported seed was trained"
    )
    tokens: int = Field(0, description="tokens that each of the trials might train on: the budget")

    @property
    def ended(self) -> str:
        """How the trials ended, in words: `2 solved, 1 cut off`."""
        if self.passed is not None:
            return f"tuning seeds only, {self.passed:.0%} at best"
        return ", ".join(f"{seeds} {end}" for end, seeds in Counter(filter(None, self.endings)).items())


class Point(Config):
    """The frontier of one model at one length, as far as the search has come."""

    model: Settings = Field(description="the model's configuration but for its width")
    length: int
    status: Literal["reached", "not reached", "open"]
    width: int | None = Field(None, description="the smallest width that reached the target")
    below: int | None = Field(None, description="the largest width tried that did not")
    state_bits: int | None = Field(None, description="bits of the state at that width, as stored, measured")
    reached: int = Field(0, description="seeds that reached the target at that width")
    seeds: int = Field(0, description="seeds trained at that width")
    low: float | None = Field(None, description="95 % interval of the share of seeds that reach it: lower end")
    high: float | None = Field(None, description="upper end")
    tried: list[Tried] = []
    predicted: int | None = Field(None, description="the width that the search began with")
    floor: int | None = Field(
        None,
        description="the largest width that was not enough at a shorter length; none up to it is tried at this one",
        exclude_if=lambda floor: floor is None,  # searches older than the field keep their form
    )
    contradicted: bool = Field(False, description="whether a wider model did worse than a narrower one")


class Frontier(Config):
    """A finished or unfinished search.

    >>> plan = sx.experiments.FrontierPlan(
    ...     task={"name": "parity"}, models=[{"name": "gru"}], lengths=[8], widths=[2, 4]
    ... )
    >>> sx.experiments.Frontier(plan=plan, points=[cell.point() for cell in plan.cells()]).points[0].status
    'open'
    """

    plan: FrontierPlan
    points: list[Point]


class FrontierCell:
    """The search for one model at one length: knows what was tried, and says which width comes next.

    start: the width that theory or neighbouring lengths predict; None to begin with the smallest
    floor: the largest width that was not enough at a shorter length: none up to it is tried, since longer is no easier
    """

    def __init__(self, plan: FrontierPlan, model: Settings, length: int, start: int | None = None) -> None:
        self.plan, self.model, self.length, self.start = plan, model, length, start
        self.floor: int | None = None
        self.tried: dict[int, Tried] = {}

    def trials(self, width: int, choice: Choice | None = None) -> list[TrialConfig]:
        """The trials of one width, one a seed; at the rate that was chosen, if one was."""
        trials = [self.plan.trial(self.model, self.length, width, seed) for seed in self.plan.seeds]
        return trials if choice is None else [tuned(trial, choice) for trial in trials]

    def learn(self, width: int, results: Sequence[Result], choice: Choice | None = None) -> None:
        """Take in the results of all seeds at one width. Failed trials count as not reached."""
        measured = [result for result in results if result.test is not None]
        accuracies = [result.test.accuracy for result in measured if result.test is not None]
        self.tried[width] = Tried(
            width=width,
            reached=sum(accuracy >= self.plan.target for accuracy in accuracies),
            seeds=len(results),
            accuracies=accuracies,
            state_bits=max((result.state_bits for result in results), default=0),
            endings=[result.ending for result in measured],
            choice=choice,
            tokens=tokens_at_most(self.trials(width, choice)[0]),
        )

    def pass_over(self, width: int, state_bits: int, accuracy: float, choice: Choice) -> None:
        """Take it that a width is not enough, since its tuning seeds at the best rate end far below the target."""
        self.tried[width] = Tried(
            width=width,
            reached=0,
            seeds=0,
            accuracies=[],
            state_bits=state_bits,
            choice=choice,
            passed=accuracy,
            tokens=tokens_at_most(self.trials(width, choice)[0]),
        )

    def next(self) -> int | None:
        """The width to try: away from the start in growing strides until the frontier lies between two, then halfway.

        None when it is found. From the smallest width, where nothing is predicted, each stride doubles the width.
        """
        grid = self.grid()
        low, high = self._bracket()
        if not self.tried:
            least = max(self.start or 0, (self.floor or 0) + 1)
            return next((width for width in grid if width >= least), grid[-1])
        if low is None or high is None:
            return self._stride(grid, low, high)
        between = [width for width in grid if low < width < high]
        return between[len(between) // 2] if between else None

    def _stride(self, grid: list[int], low: int | None, high: int | None) -> int | None:
        """The next width on the side where the frontier lies; None when there is none."""
        stride = 2 ** (len(self.tried) - 1)
        if high is not None:
            at = grid.index(high)
            return grid[max(0, at - stride)] if at > 0 else None
        at = grid.index(low) if low is not None else 0
        if at == len(grid) - 1:
            return None
        if self.start is not None:
            return grid[min(len(grid) - 1, at + stride)]
        return next((width for width in grid if width >= 2 * grid[at]), grid[-1])

    def grid(self) -> list[int]:
        """The widths of the plan that the model can have."""
        heads = self.model.get("heads", 1)
        grid = [width for width in self.plan.widths if width % heads == 0 or self.model.get("head_width")]
        if not grid:
            raise InputError(f"no width of {self.plan.widths} is divisible by {heads} heads: give other --widths")
        return grid

    def enough(self, width: int) -> bool:
        """Whether a width that was tried is enough."""
        return self.tried[width].reached >= self.plan.needed

    def _bracket(self) -> tuple[int | None, int | None]:
        """The largest width below the frontier, and the smallest on it, as far as is known."""
        high = min(filter(self.enough, self.tried), default=None)
        failed = [width for width in self.tried if not self.enough(width)]
        failed += [] if self.floor is None else [self.floor]
        return max((width for width in failed if high is None or width < high), default=None), high

    def point(self) -> Point:
        """What is known now."""
        low, high = self._bracket()
        tried = [self.tried[width] for width in sorted(self.tried)]
        common: Settings = {
            "model": self.model,
            "length": self.length,
            "below": low if low in self.tried else None,
            "tried": tried,
            "predicted": self.start,
            "floor": self.floor,
            "contradicted": high is not None and any(width > high and not self.enough(width) for width in self.tried),
        }
        if self.next() is not None:
            return Point(status="open", **common)
        if high is None:
            return Point(status="not reached", **common)
        at = self.tried[high]
        least, most = seed_interval(at.reached, at.seeds)
        return Point(
            status="reached",
            width=high,
            state_bits=at.state_bits,
            reached=at.reached,
            seeds=at.seeds,
            low=least,
            high=most,
            **common,
        )


def seed_interval(reached: int, seeds: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval for the share of seeds that reach the target: exact, however few they are."""
    from scipy import stats  # noqa: PLC0415  # slow to import, rarely needed

    interval = stats.binomtest(reached, seeds).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)
