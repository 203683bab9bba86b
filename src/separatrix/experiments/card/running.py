"""Running the questions of a card within its time: what fits, in order of worth; rates chosen first where asked."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from separatrix.experiments.card.plan import Costs, fitting
from separatrix.experiments.card.probes import Battery, Planned
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.engines.run_trial import load_trained
from separatrix.experiments.measure.capacity import Capacity, bits_recalled
from separatrix.experiments.search.tuning import Choice, choose_rates, known_choice, tuned
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seal import read_as
from separatrix.tasks.base import context_task

CONTEXTS = 128
"""Contexts the bits recalled are measured on."""

CLOSING = 0.06
"""Share of the time held back for what follows the trials: bits recalled and the page."""


UNTUNED = "the time was up before its learning rate was chosen"
"""Why a question of a tuned battery was not run."""

Asked = tuple[list[Planned], Choice | None]
"""The seeds of a question, and how their learning rate was chosen, if it was."""


class TimeIsUp(Exception):
    """The minutes are over; running trials stop at their last checkpoint."""


class Watcher:
    """Told what happens while a card is made. Does nothing itself."""

    def says(self, text: str) -> None:
        """What begins now, in words."""

    def plans(self, trials: Sequence[Planned], seconds: float) -> None:
        """Trials about to run, in so many seconds at most."""

    def runs(self, trials: Sequence[TrialConfig]) -> None:
        """The trials running now; called about twice a second."""

    def ends(self, trial: TrialConfig, result: Result) -> None:
        """A trial has ended."""


@dataclass
class Clock:
    """The time given, and when it began."""

    seconds: float
    begun: float = field(default_factory=time.perf_counter)

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.begun

    @property
    def left(self) -> float:
        """Seconds until trials must have ended."""
        return self.seconds * (1 - CLOSING) - self.spent


def plain(trials: Sequence[Planned]) -> list[Asked]:
    """The questions at the battery's own learning rates."""
    return [(group, None) for group in grouped(trials)]


def at_chosen_rates(
    battery: Battery, trials: Sequence[Planned], store: Store, engine: LocalEngine, clock: Clock, watcher: Watcher
) -> list[Asked]:
    """The questions at the learning rates chosen for them; each is run before the next one is taken up.

    Those that the time does not reach keep the battery's rate, and are not run.
    """
    asked: list[Asked] = []
    for group in grouped(trials):
        choice = None if group[0].impossible else _choice(battery, group[0], store, engine, clock, watcher)
        if choice is None:
            asked.append(([one.replace(impossible=one.impossible or UNTUNED) for one in group], None))
            continue
        asked.append(([one.replace(config=tuned(one.config, choice)) for one in group], choice))
        run_all(asked[-1][0], store, engine, clock, watcher)
    return asked


def _choice(
    battery: Battery, planned: Planned, store: Store, engine: LocalEngine, clock: Clock, watcher: Watcher
) -> Choice | None:
    """The learning rate of a question; None where the time is up before it is chosen."""
    assert battery.tuning is not None
    if (known := known_choice(store, planned.config, battery.tuning)) is not None or clock.left <= 0:
        return known
    watcher.says(f"learning rates for {planned.probe.title} at {planned.length}")

    def tick(running: list[TrialConfig]) -> None:
        watcher.runs(running)
        if clock.left <= 0:
            raise TimeIsUp

    def run(some: Sequence[TrialConfig], until: int | None) -> Sequence[Result]:
        return engine.run(store, some, tick=tick, until=until)

    try:
        return choose_rates(store, [planned.config], battery.tuning, run)[0]
    except TimeIsUp:
        return None


def run_all(
    trials: list[Planned], store: Store, engine: LocalEngine, clock: Clock, watcher: Watcher
) -> dict[str, Result]:
    """Run what fits, in rounds: time saved by trials that ended early is planned again. Results by identity."""
    costs = Costs()
    by_identity = {planned.config.identity(): planned for planned in trials}
    results = {name: result for name in by_identity if (result := store.result(name)) is not None}
    if not clock.seconds:
        return results
    waiting = [planned for planned in trials if not planned.impossible and planned.config.identity() not in results]
    watcher.says("pace of a few steps")

    def tick(running: list[TrialConfig]) -> None:
        watcher.runs(running)
        if clock.left <= 0:
            raise TimeIsUp

    def ended(trial: TrialConfig, result: Result) -> None:
        results[result.identity] = result
        costs.learn(by_identity[result.identity], result)
        if result.test and by_identity[result.identity].probe.recalled:
            recalled(store, by_identity[result.identity])  # while the clock runs, not after it
        watcher.ends(trial, result)

    while batch := fitting([(p, costs.seconds(p, store)) for p in waiting], engine.workers, clock.left):
        watcher.plans(batch, clock.left)
        try:
            engine.run(store, [planned.config for planned in batch], ended, tick)
        except TimeIsUp:
            break
        waiting = [planned for planned in waiting if planned not in batch]
    return results


def grouped(trials: Sequence[Planned]) -> list[list[Planned]]:
    """The seeds of each question together, in the battery's order."""
    groups: dict[tuple[str, int], list[Planned]] = defaultdict(list)
    for planned in trials:
        groups[planned.key].append(planned)
    return list(groups.values())


def recalled(store: Store, planned: Planned) -> Capacity:
    """Bits recalled, measured once and kept beside the trial."""
    identity = planned.config.identity()
    place = f"trials/{identity}/recalled.json"
    with store.leaving_out(place, "measured again"):
        if (kept := store.read_record(place)) is not None:
            return read_as(Capacity, kept)
    task, seed = context_task(planned.config.task), planned.config.seed
    measured = bits_recalled(load_trained(store, identity), task, seed, CONTEXTS)
    store.write_record(place, measured.model_dump(mode="json"))
    return measured
