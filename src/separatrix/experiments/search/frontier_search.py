"""Searching a frontier: tune, train, learn, next width. Every trial goes into the store, so that a search that was
interrupted, or is asked anew with more lengths, finds what it knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from separatrix.experiments.engines.base import Engine
from separatrix.experiments.search.frontier import Frontier, FrontierCell, FrontierPlan, Tried
from separatrix.experiments.search.frontier_files import keep
from separatrix.experiments.search.prediction import predicted
from separatrix.experiments.search.tuning import Choice, Race, Run, choose_rates, chosen
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.seeds import is_tuning

HOPELESS = 0.02
"""A width whose tuning seeds all end further than this below the target, at the best rate, is passed over: the reported
seeds are trained where the outcome is in doubt."""

EASY = 0.25
"""The share of its steps that a trial is taken to use where its width is enough, for the probable cost."""

Step = tuple[FrontierCell, int]
"""A cell and the width that it tries next."""


def find_frontier(plan: FrontierPlan, store: Store, run: Run | Engine) -> Frontier:
    """Search every model, all of them side by side, length after length; keeps the outcome in the store.

    run: what trains a round's trials into the store, to a step or to their ends; an engine, or a function around one

    >>> store = sx.experiments.Store("runs/frontier")
    >>> plan = sx.experiments.FrontierPlan(
    ...     task={"name": "parity"}, models=[{"name": "gru"}], lengths=[2], widths=[4, 8], seeds=[0], needed=1,
    ...     training={"steps": 150, "validate_every": 50, "learning_rate": 0.02},
    ... )
    >>> def run(trials, until):
    ...     return [sx.experiments.run_trial(store, trial, until=until) for trial in trials]
    ...
    >>> found = sx.experiments.find_frontier(plan, store, run)
    >>> found.points[0].status, found.points[0].width
    ('reached', 4)
    """
    train: Run = (lambda trials, until: run.run(store, trials, until=until)) if isinstance(run, Engine) else run
    cells = plan.cells()
    while steps := _next_steps(cells, store):
        choices = _choices(plan, store, steps, train)
        doubtful = [
            (cell, width, choice)
            for (cell, width), choice in zip(steps, choices, strict=True)
            if not (choice and _hopeless(store, cell, width, choice))
        ]
        trials = [trial for cell, width, choice in doubtful for trial in cell.trials(width, choice)]
        results, each = (train(trials, None) if trials else []), len(plan.seeds)
        for index, (cell, width, choice) in enumerate(doubtful):
            cell.learn(width, results[index * each : (index + 1) * each], choice)
        keep(store, _found(plan, cells))
    found = _found(plan, cells)
    keep(store, found)
    return found


def _found(plan: FrontierPlan, cells: Sequence[FrontierCell]) -> Frontier:
    return Frontier(plan=plan, points=[cell.point() for cell in cells])


def _next_steps(cells: Sequence[FrontierCell], store: Store) -> list[Step]:
    """What to try next: a model's length is taken up when its shorter ones are done, and tells where it begins."""
    steps: list[Step] = []
    busy = []
    for cell in cells:
        if cell.model in busy:
            continue
        if not cell.tried:
            cell.start, cell.floor = predicted(cell, cells), _floor(cell, cells)
            recollect([cell], store)
        if (width := cell.next()) is not None:
            steps.append((cell, width))
            busy.append(cell.model)
    return steps


def _floor(cell: FrontierCell, cells: Sequence[FrontierCell]) -> int | None:
    """The largest width that was not enough at a shorter length, while a wider one was."""
    shorter = [other for other in cells if other.model == cell.model and other.length < cell.length and other.tried]
    points = [other.point() for other in shorter]
    floors = [bound for point in points if point.width for bound in (point.below, point.floor) if bound is not None]
    return max(floors, default=None)


def _choices(plan: FrontierPlan, store: Store, steps: Sequence[Step], train: Run) -> list[Choice | None]:
    """The learning rates of the next widths; the tuning seeds of each are trained to their ends at its best rate."""
    if plan.tuning is None:
        return [None] * len(steps)
    asked = [cell.trials(width)[0] for cell, width in steps]
    choices = choose_rates(store, asked, plan.tuning, train)
    trials = [trial for one, choice in zip(asked, choices, strict=True) for trial in _at_best(one, choice)]
    if unfinished := [trial for trial in trials if store.result(trial.identity()) is None]:
        train(unfinished, None)
    return list(choices)


def _at_best(trial: TrialConfig, choice: Choice) -> list[TrialConfig]:
    """The tuning trials of a cell at its best rate; none where there was nothing to choose."""
    return Race(trial, choice.tuning).trials([choice.rate]) if choice.tried else []


def _hopeless(store: Store, cell: FrontierCell, width: int, choice: Choice) -> bool:
    """Pass a width over whose tuning seeds all end far below the target. False where that is in doubt, or unknown."""
    results = [store.result(trial.identity()) for trial in _at_best(cell.trials(width)[0], choice)]
    measured = [result for result in results if result is not None and result.test is not None]
    best = max((result.test.accuracy for result in measured if result.test), default=1.0)
    if len(measured) < len(results) or best >= cell.plan.target - HOPELESS:
        return False
    cell.pass_over(width, measured[0].state_bits, best, choice)
    return True


def recollect(cells: Sequence[FrontierCell], store: Store) -> None:
    """Tell the cells of every width whose trials the store has, whoever ran them."""
    finished = set(store.identities())
    for cell in cells:
        for width in cell.grid():
            choice = None
            if cell.plan.tuning is not None:
                choice = chosen(store, Race(cell.trials(width)[0], cell.plan.tuning))
                if choice is None or _hopeless(store, cell, width, choice):
                    continue
            trials = cell.trials(width, choice)
            if all(trial.identity() in finished for trial in trials):
                results = [store.result(trial.identity()) for trial in trials]
                if all(result is not None for result in results):
                    cell.learn(width, [result for result in results if result is not None], choice)


def every_trial(plan: FrontierPlan) -> list[TrialConfig]:
    """All trials that the search may run: every width of every model at every length, tuning and reported seeds."""
    return [trial for cell in plan.cells() for width in cell.grid() for trial in _all_of(cell, width)]


# costs ---------------------------------------------------------------------------------------------------------------
def worst_case(plan: FrontierPlan, store: Store | None = None) -> list[TrialConfig]:
    """The trials of the longest course the search can take, for a cost: every width fails but the last, no rate is
    given up early.
    """
    trials: list[TrialConfig] = []
    for cell in _known(plan, store):
        while (width := cell.next()) is not None:
            trials += _all_of(cell, width)
            _pretend(cell, width, enough=width == cell.grid()[-1])
    return trials


def probable_case(plan: FrontierPlan, store: Store | None = None) -> list[TrialConfig]:
    """The trials of a search whose predictions are right, their steps cut to what they probably take.

    The predicted width is enough, and solved in `EASY` of its steps by all rates; the next narrower one is not, and is
    tuned in vain.
    """
    trials: list[TrialConfig] = []
    cells = _known(plan, store)
    for cell in cells:
        if not cell.tried:
            cell.start, cell.floor = predicted(cell, cells), _floor(cell, cells)
        while (width := cell.next()) is not None:
            enough = width >= (cell.start or 0)
            steps = _all_of(cell, width) if enough else _tuned_in_vain(cell, width)
            trials += [_shortened(trial, EASY) for trial in steps] if enough else steps
            _pretend(cell, width, enough)
    return trials


def _known(plan: FrontierPlan, store: Store | None) -> list[FrontierCell]:
    cells = plan.cells()
    if store is not None:
        recollect(cells, store)
    return cells


def _all_of(cell: FrontierCell, width: int) -> list[TrialConfig]:
    """Every trial that a width may ask for, all rates to their ends."""
    reported = cell.trials(width)
    if cell.plan.tuning is None:
        return reported
    race = Race(reported[0], cell.plan.tuning)
    return [*(race.trials() if len(race.left) > 1 else []), *map(cell.plan.tuning.budgeted, reported)]


def _tuned_in_vain(cell: FrontierCell, width: int) -> list[TrialConfig]:
    """What a width costs that is not enough: half of the rates for a part of the steps, the best one to its end."""
    trials = _all_of(cell, width)
    competing = [trial for trial in trials if is_tuning(trial.seed)]
    if not competing:
        return trials
    best = competing[: cell.plan.tuning.seeds if cell.plan.tuning else 1]
    return [*best, *(_shortened(trial, EASY) for trial in competing[len(best) :])]


def _shortened(trial: TrialConfig, share: float) -> TrialConfig:
    training = trial.training
    steps = max(2, round(share * training.steps))
    return trial.replace(training=training.replace(steps=steps, warmup=min(training.warmup, steps // 2)))


def _pretend(cell: FrontierCell, width: int, enough: bool) -> None:
    """Go on as if a width had been tried."""
    reached = cell.plan.needed if enough else 0
    cell.tried[width] = Tried(width=width, reached=reached, seeds=len(cell.plan.seeds), accuracies=[], state_bits=0)
