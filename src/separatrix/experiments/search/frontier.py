"""The frontier: the smallest width at which training reaches a target at each length, by doubling and bisection.

The search takes it that wider is no worse. Every trial goes into the store, so that a search that was interrupted, or
is asked anew with more lengths, finds what it knows. A width that is not reached was not reached *within this
training*: that is observed, and no statement about what is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.engines.base import Engine
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seal import read_as

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
    widths: list[int] = Field(min_length=1, description="widths that may be tried")
    seeds: list[int] = Field([0, 1, 2], min_length=1)
    needed: int = Field(2, ge=1, description="seeds that must reach the target")
    target: float = Field(0.99, gt=0, le=1, description="test accuracy to reach")
    training: Settings = {}

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
        return [FrontierCell(self, model, length) for model, length in product(self.models, self.lengths)]


class Tried(Config):
    """What was seen at one width."""

    width: int
    reached: int = Field(description="seeds that reached the target")
    seeds: int = Field(description="seeds trained to an end")
    accuracies: list[float]
    state_bits: int = Field(description="bits of the state as stored, measured")


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
    """The search for one model at one length: knows what was tried, and says which width comes next."""

    def __init__(self, plan: FrontierPlan, model: Settings, length: int) -> None:
        self.plan, self.model, self.length = plan, model, length
        self.tried: dict[int, Tried] = {}

    def trials(self, width: int) -> list[TrialConfig]:
        """The trials of one width, one a seed."""
        return [self.plan.trial(self.model, self.length, width, seed) for seed in self.plan.seeds]

    def learn(self, width: int, results: Sequence[Result]) -> None:
        """Take in the results of all seeds at one width. Failed trials count as not reached."""
        accuracies = [result.test.accuracy for result in results if result.test is not None]
        self.tried[width] = Tried(
            width=width,
            reached=sum(accuracy >= self.plan.target for accuracy in accuracies),
            seeds=len(results),
            accuracies=accuracies,
            state_bits=max((result.state_bits for result in results), default=0),
        )

    def next(self) -> int | None:
        """The width to try: doubled until one is enough, then halfway between the last two. None when it is found."""
        grid = self.grid()
        low, high = self._bracket()
        if high is None:
            if low is None:
                return grid[0]
            wider = [width for width in grid if width > low]
            return next((width for width in wider if width >= 2 * low), wider[-1] if wider else None)
        between = [width for width in grid if (low or 0) < width < high]
        return between[len(between) // 2] if between else None

    def grid(self) -> list[int]:
        """The widths of the plan that the model can have."""
        heads = self.model.get("heads", 1)
        grid = [width for width in self.plan.widths if width % heads == 0 or self.model.get("head_width")]
        if not grid:
            raise InputError(f"no width of {self.plan.widths} is divisible by {heads} heads: give other --widths")
        return grid

    def _bracket(self) -> tuple[int | None, int | None]:
        """The largest width below the frontier, and the smallest on it, as far as is known."""
        enough = [width for width, seen in self.tried.items() if seen.reached >= self.plan.needed]
        high = min(enough, default=None)
        low = max(
            (width for width in self.tried if width not in enough and (high is None or width < high)), default=None
        )
        return low, high

    def point(self) -> Point:
        """What is known now."""
        low, high = self._bracket()
        tried = [self.tried[width] for width in sorted(self.tried)]
        common: Settings = {
            "model": self.model,
            "length": self.length,
            "below": low,
            "tried": tried,
            "contradicted": high is not None
            and any(seen.reached < self.plan.needed for width, seen in self.tried.items() if width > high),
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


Round = Callable[[Sequence[TrialConfig]], Sequence[Result]]
"""Runs trials and returns their results, in their order."""


def find_frontier(plan: FrontierPlan, store: Store, run: Round | Engine) -> Frontier:
    """Search every model and length at once, all their next widths in one round; keeps the outcome in the store.

    run: what runs a round's trials into the store; an engine, or a function around one that shows progress

    >>> store = sx.experiments.Store("runs/frontier")
    >>> plan = sx.experiments.FrontierPlan(
    ...     task={"name": "parity"}, models=[{"name": "gru"}], lengths=[2], widths=[4, 8], seeds=[0], needed=1,
    ...     training={"steps": 150, "validate_every": 50, "learning_rate": 0.02},
    ... )
    >>> def run(trials):
    ...     return [sx.experiments.run_trial(store, trial) for trial in trials]
    ...
    >>> found = sx.experiments.find_frontier(plan, store, run)
    >>> found.points[0].status, found.points[0].width
    ('reached', 4)
    """
    cells = plan.cells()
    recollect(cells, store)
    while open_cells := [(cell, width) for cell in cells if (width := cell.next()) is not None]:
        trials = [trial for cell, width in open_cells for trial in cell.trials(width)]
        results = run.run(store, trials) if isinstance(run, Engine) else run(trials)
        each = len(plan.seeds)
        for index, (cell, width) in enumerate(open_cells):
            cell.learn(width, results[index * each : (index + 1) * each])
        keep(store, Frontier(plan=plan, points=[cell.point() for cell in cells]))
    found = Frontier(plan=plan, points=[cell.point() for cell in cells])
    keep(store, found)
    return found


def recollect(cells: Sequence[FrontierCell], store: Store) -> None:
    """Tell the cells of every width whose trials the store has, whoever ran them."""
    finished = set(store.identities())
    for cell in cells:
        for width in cell.grid():
            trials = cell.trials(width)
            if all(trial.identity() in finished for trial in trials):
                results = [store.result(trial.identity()) for trial in trials]
                if all(result is not None for result in results):
                    cell.learn(width, [result for result in results if result is not None])


def every_trial(plan: FrontierPlan) -> list[TrialConfig]:
    """All trials that the search may run: every width of every model at every length, with every seed."""
    return [trial for cell in plan.cells() for width in cell.grid() for trial in cell.trials(width)]


def worst_case(plan: FrontierPlan, store: Store | None = None) -> list[TrialConfig]:
    """The trials of the longest course the search can take, for a cost: every width fails but the last."""
    cells = plan.cells()
    if store is not None:
        recollect(cells, store)
    trials: list[TrialConfig] = []
    for cell in cells:
        while (width := cell.next()) is not None:
            trials += cell.trials(width)
            enough = plan.needed if width == cell.grid()[-1] else 0
            cell.tried[width] = Tried(width=width, reached=enough, seeds=len(plan.seeds), accuracies=[], state_bits=0)
    return trials


def keep(store: Store, frontier: Frontier) -> None:
    """Write a search's outcome into its store: `frontiers/<hash of the plan>.json`."""
    store.write_record(f"frontiers/{frontier.plan.content_hash()}.json", frontier.model_dump(mode="json"))


def kept(store: Store) -> list[Frontier]:
    """The searches of a store; a notice names those that cannot be read."""
    found: list[Frontier] = []
    for path in (f"frontiers/{name}" for name in store.names("frontiers") if name.endswith(".json")):
        with store.leaving_out(path):
            if (record := store.read_record(path)) is not None:
                found.append(read_as(Frontier, record))
    return found
