"""Learning rates chosen per cell, on seeds that are never reported, by a race that cuts only behind the plateau.

A *cell* is what a measured sentence is about: one model of one width on one task at one length. Recurrent models learn
recall in a narrow window of rates alone (Okpekpe and Orvieto 2025), so one rate for all of them measures the rate. Here
every cell tries a grid of rates on its tuning seeds; the better ones go on, as in successive halving (Jamieson and
Talwalkar 2016), but no cut is made while all of them are still at chance: what is learnt after a plateau has no rank on
it. What is decided is a function of the configurations alone, and a stored trial knows nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from pydantic import Field, field_validator

from separatrix.config import Config, canonical_json
from separatrix.errors import InputError
from separatrix.experiments.search.halving import reached, validation_at
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.ending import left_chance
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seal import read_as
from separatrix.experiments.trial.seeds import TUNING_SEEDS, is_tuning
from separatrix.notebook import Shown

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
"""The usual grid of peak learning rates."""

WINDOW = 0.02
"""Rates whose accuracy is within this of the best belong to the window: two points."""

Run = Callable[[Sequence[TrialConfig], int | None], Sequence[Result]]
"""Trains trials up to a step, to their ends when it is None, and returns their results in order."""


class Tuning(Config):
    """How a cell's learning rate is chosen.

    >>> sx.experiments.Tuning(rates=[0.03, 0.01, 0.01], first=150).rates
    [0.01, 0.03]
    """

    rates: list[float] = Field(list(RATES), min_length=1, description="peak learning rates that compete")
    seeds: int = Field(1, ge=1, description="tuning seeds of every rate; they are never reported")
    first: int = Field(200, ge=1, description="optimiser steps before the first cut; cuts follow at doubled steps")
    factor: int = Field(2, ge=2, description="each cut leaves one rate in so many")
    tokens: int | None = Field(
        None, ge=1, description="training tokens of a trial at most; fewer steps than asked for where they run out"
    )

    @field_validator("rates")
    @classmethod
    def _each_once(cls, rates: list[float]) -> list[float]:
        if min(rates, default=1.0) <= 0:
            raise ValueError(f"learning rates must be positive, got {min(rates):g}")
        return sorted(set(rates))

    def budgeted(self, trial: TrialConfig) -> TrialConfig:
        """The trial within the token budget."""
        if self.tokens is None:
            return trial
        training = trial.training
        steps = min(training.steps, max(2, self.tokens // tokens_per_step(trial)))
        return trial.replace(training=training.replace(steps=steps, warmup=min(training.warmup, steps // 10)))


def tokens_per_step(trial: TrialConfig) -> int:
    """Context and query tokens of one step of training, the mean where lengths are random."""
    training, task = trial.training, trial.trained
    length = task.length if training.lengths == "full" else sum(task.lengths) / len(task.lengths)
    return max(1, round(training.batch_size * task.tokens_read(length, training.queries)))


def tokens_at_most(trial: TrialConfig) -> int:
    """A trial's budget: the tokens of all its steps."""
    return trial.training.steps * tokens_per_step(trial)


class RateTried(Config):
    """What was seen of one rate, at the last cut that it took part in."""

    rate: float
    step: int = Field(description="optimiser steps at that cut")
    loss_bits: float | None = Field(description="median over the tuning seeds of the validation loss; None: it failed")
    accuracy: float | None = Field(description="median over the tuning seeds of the validation accuracy")
    solved: int = Field(0, description="tuning seeds that had solved the task by then")


class Choice(Shown, Config):
    """The rate of one cell, and how it was come by.

    >>> grid = sx.experiments.Tuning(rates=[0.001, 0.01, 0.1])
    >>> sx.experiments.Choice(rate=0.1, window=[0.1], tried=[], tuning=grid, seeds=[10**12]).at_edge
    True
    """

    rate: float
    window: list[float] = Field(description="rates within two points of the best, at the last cut they took part in")
    tried: list[RateTried]
    tuning: Tuning
    seeds: list[int] = Field(description="the tuning seeds")
    tokens: int = Field(0, description="tokens trained on to choose it; by the mean length where lengths are random")

    @property
    def at_edge(self) -> bool:
        """Whether the best rate is an end of the grid, so that a better one may lie outside it."""
        rates = self.tuning.rates
        return len(rates) > 1 and self.rate in (rates[0], rates[-1]) and self.window != rates


def at_rate(trial: TrialConfig, rate: float, seed: int | None = None) -> TrialConfig:
    """The trial at another learning rate, and with another seed if one is given."""
    training = trial.training.replace(learning_rate=rate)
    return trial.replace(training=training, seed=trial.seed if seed is None else seed)


@dataclass
class Race:
    """One cell's rates, competing."""

    cell: TrialConfig
    """Any trial of the cell: its rate and seed do not matter."""
    tuning: Tuning
    left: list[float] = field(default_factory=list)
    tried: dict[float, RateTried] = field(default_factory=dict)
    cuts: dict[float, int] = field(default_factory=dict)
    """The step of the last cut that a rate took part in."""
    window: set[float] = field(default_factory=set)
    rate: float | None = None

    def __post_init__(self) -> None:
        if is_tuning(self.cell.seed):
            raise InputError(f"seeds from {TUNING_SEEDS:,} on choose rates and are not reported: give a smaller one")
        self.cell = self.tuning.budgeted(self.cell)
        self.left = list(self.tuning.rates)
        if len(self.left) == 1:
            self.rate, self.window = self.left[0], set(self.left)

    @property
    def seeds(self) -> list[int]:
        """The tuning seeds."""
        return [TUNING_SEEDS + index for index in range(self.tuning.seeds)]

    @property
    def key(self) -> str:
        """What names the choice in a store: a hash of the cell and of how it is tuned."""
        cell = at_rate(self.cell, 1.0, 0).model_dump(mode="json")
        return TuningKey(cell=canonical_json(cell), tuning=self.tuning).content_hash()

    def trials(self, rates: Sequence[float] | None = None) -> list[TrialConfig]:
        """The tuning trials of the rates still in it, or of others."""
        return [at_rate(self.cell, rate, seed) for rate in rates or self.left for seed in self.seeds]

    def judge(self, store: Store, step: int) -> None:
        """Rank the rates at a step, and leave the better ones in; none goes while all of them are at chance."""
        seen = {rate: self._seen(store, rate, step) for rate in self.left}
        self.tried |= seen
        self.cuts |= dict.fromkeys(self.left, step)
        order = sorted(self.left, key=lambda rate: self._rank(seen[rate]))
        best = seen[order[0]]
        over = step >= self.cell.training.steps or 2 * best.solved > len(self.seeds)
        begun = best.loss_bits is not None and left_chance(best.loss_bits, self.cell.task.answers)
        if not (over or begun):
            return
        kept = order[: 1 if over else math.ceil(len(order) / self.tuning.factor)]
        near = {rate for rate in self.left if _near(seen[rate], best)}
        self.window = {rate for rate in self.window if rate not in self.left} | near
        self.left = [rate for rate in self.left if rate in kept]
        if len(kept) == 1:
            self.rate = kept[0]

    def choice(self, store: Store) -> Choice:
        """The outcome of a race that is over."""
        assert self.rate is not None
        return Choice(
            rate=self.rate,
            window=sorted(self.window | {self.rate}),
            tried=[self.tried[rate] for rate in self.tuning.rates if rate in self.tried],
            tuning=self.tuning,
            seeds=self.seeds,
            tokens=sum(_tokens(store, trial, cut) for rate, cut in self.cuts.items() for trial in self.trials([rate])),
        )

    def _seen(self, store: Store, rate: float, step: int) -> RateTried:
        rows = [validation_at(store, trial, step) for trial in self.trials([rate])]
        losses = [math.inf if row is None else float(row["loss_bits"]) for row in rows]
        accuracies = [0.0 if row is None else float(row["accuracy"]) for row in rows]
        ends = [store.result(trial.identity()) for trial in self.trials([rate])]
        solved = [end.steps for end in ends if end is not None and end.status == "solved" and end.steps <= step]
        middle = median(losses)
        return RateTried(
            rate=rate,
            step=round(median(solved)) if 2 * len(solved) > len(rows) else min(step, self.cell.training.steps),
            loss_bits=middle if math.isfinite(middle) else None,
            accuracy=median(accuracies) if math.isfinite(middle) else None,
            solved=len(solved),
        )

    def _rank(self, seen: RateTried) -> tuple[bool, float, float]:
        """Solved by most seeds first, of those the fastest; then by loss."""
        solved = 2 * seen.solved > len(self.seeds)
        return not solved, float(seen.step) if solved else 0.0, math.inf if seen.loss_bits is None else seen.loss_bits


def _tokens(store: Store, trial: TrialConfig, cut: int) -> int:
    """What a trial was trained on for a cut: another search on the same store may have taken it further since."""
    row = validation_at(store, trial, cut)
    return 0 if row is None else int(row["step"]) * tokens_per_step(trial)


class TuningKey(Config):
    """What a choice is a function of."""

    cell: str
    tuning: Tuning


def _near(seen: RateTried, best: RateTried) -> bool:
    """Whether a rate is within two points of the best."""
    if seen.accuracy is None or best.accuracy is None:
        return False
    return seen.accuracy >= best.accuracy - WINDOW


def choose_rates(store: Store, cells: Sequence[TrialConfig], tuning: Tuning, run: Run) -> list[Choice]:
    """The rate of each cell, all races run side by side; kept in the store under `tuning/`.

    cells: one trial of each; its learning rate and its seed do not matter
    Raises InputError for a reported seed that is a tuning seed.

    >>> store = sx.experiments.Store("runs/rates")
    >>> cell = sx.experiments.TrialConfig(task={"name": "parity", "length": 2}, model={"name": "gru", "width": 4})
    >>> sx.experiments.choose_rates(store, [cell], sx.experiments.Tuning(rates=[0.02]), lambda *_: [])[0].rate
    0.02
    """
    races = [Race(cell, tuning) for cell in cells]
    known = {race.key: found for race in races if (found := chosen(store, race)) is not None}
    running = {race.key: race for race in races if race.key not in known}
    step = tuning.first
    while open_ := [race for race in running.values() if race.rate is None]:
        behind = [trial for race in open_ for trial in race.trials() if reached(store, trial) < step]
        if behind:
            run(behind, step)
        for race in open_:
            race.judge(store, step)
        step *= 2
    for key, race in running.items():
        known[key] = race.choice(store)
        store.write_record(f"tuning/{key}.json", known[key].model_dump(mode="json"))
    return [known[race.key] for race in races]


def chosen(store: Store, race: Race) -> Choice | None:
    """What a store knows of a cell's rate; None too where that is damaged, which a notice says: it is chosen anew."""
    path = f"tuning/{race.key}.json"
    advice = "the rate is chosen anew"
    with store.leaving_out(path, advice):
        return None if (found := store.read_record(path, advice)) is None else read_as(Choice, found)
    return None


def tuned(trial: TrialConfig, choice: Choice) -> TrialConfig:
    """The trial that is reported: within the budget, at the rate chosen."""
    return at_rate(choice.tuning.budgeted(trial), choice.rate)


def tune_all(store: Store, trials: Sequence[TrialConfig], tuning: Tuning, run: Run) -> list[TrialConfig]:
    """The trials at the rates of their cells, which are chosen first: what is to be trained and reported."""
    cells = {Race(trial, tuning).key: trial for trial in trials}
    choices = dict(zip(cells, choose_rates(store, list(cells.values()), tuning, run), strict=True))
    return [tuned(trial, choices[Race(trial, tuning).key]) for trial in trials]


def known_choice(store: Store, trial: TrialConfig, tuning: Tuning) -> Choice | None:
    """The choice for a trial's cell, if the store has one."""
    return chosen(store, Race(trial, tuning))


def tuning_trials(trials: Sequence[TrialConfig], tuning: Tuning) -> list[TrialConfig]:
    """Every trial that choosing their rates may train, for a cost."""
    races = {(race := Race(trial, tuning)).key: race for trial in trials}
    return [trial for race in races.values() if race.rate is None for trial in race.trials()]


def with_every_rate(trials: Sequence[TrialConfig], tuning: Tuning | None) -> list[TrialConfig]:
    """Trials, and all that may be run in their place: those that compete, and each at whichever rate is chosen."""
    if tuning is None:
        return list(trials)
    chosen = [at_rate(tuning.budgeted(trial), rate) for trial in trials for rate in tuning.rates]
    found = {trial.identity(): trial for trial in [*trials, *tuning_trials(trials, tuning), *chosen]}
    return list(found.values())
