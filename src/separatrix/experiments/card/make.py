"""Making a card: time, plan, train, measure, within the minutes given; what was not run is said to be so."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from separatrix.experiments.card.card import Card, CardTrial, Question
from separatrix.experiments.card.plan import Costs, fitting
from separatrix.experiments.card.probes import Battery, Planned, standard
from separatrix.experiments.card.speed import measure_speed
from separatrix.experiments.card.state import LENGTHS, measure_state
from separatrix.experiments.engines.base import Resources
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.engines.process import one_thread
from separatrix.experiments.engines.run_trial import load_trained
from separatrix.experiments.measure.capacity import Capacity, bits_recalled
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.environment import environment
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seal import read_as
from separatrix.models import architecture, initialised, parameter_count
from separatrix.tasks.base import context_task

CONTEXTS = 128
"""Contexts the bits recalled are measured on."""

CLOSING = 0.06
"""Share of the time held back for what follows the trials: bits recalled and the page."""


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
class _Clock:
    """The time given, and when it began."""

    seconds: float
    begun: float = field(default_factory=time.perf_counter)

    @property
    def spent(self) -> float:
        return time.perf_counter() - self.begun

    @property
    def left(self) -> float:
        """Seconds until trials must have ended."""
        return self.seconds * (1 - CLOSING) - self.spent


def make_card(
    model: dict[str, Any],
    store: Store,
    minutes: float | None = 10.0,
    workers: int | None = None,
    battery: Battery | None = None,
    watcher: Watcher | None = None,
    gpus: float = 0.0,
) -> Card:
    """Put a model, e.g. {"name": "lstm", "width": 64}, to a battery of probes and return what it did.

    minutes: wall-clock time for all of it; None to run the whole battery however long it takes; 0 to run no trial and
             take what the store holds
    workers: processes of one thread each (default: one per core)
    gpus:    GPUs a trial takes, or a fraction of one; 0 to train on the processor
    Trials are kept in `store`: what has been run there is not run again, and what is cut off goes on next time.
    A card never refuses for lack of time: what fits is run, in the battery's order, and the rest is listed.
    Raises InputError for an unknown or impossible model.

    >>> store = sx.experiments.Store("runs/card")
    >>> card = sx.experiments.card.make_card({"name": "gru", "width": 8}, store, minutes=0.0)  # no trial is run
    >>> card.state.growth, card.state.bits[0], card.missing == sum(len(question.trials) for question in card.questions)
    ('constant', 256, True)
    """
    watcher, battery = watcher or Watcher(), battery or standard()
    clock = _Clock(float("inf") if minutes is None else 60.0 * minutes)
    engine = LocalEngine(workers, Resources(gpus=gpus))
    subject = TrialConfig(task={"name": "index-lookup", "length": LENGTHS[-1], "alphabet": 16}, model=model)
    watcher.says("state and speed")
    with one_thread():
        built = initialised(architecture(subject.model.name), subject.task, subject.model, seed=0)
        state = measure_state(subject, seconds=min(20.0, clock.seconds / 30 or 20.0))
        speed = measure_speed(model, seconds=min(30.0, clock.seconds / 20 or 30.0))
    trials = battery.trials(model)
    with one_thread():
        results = _run(battery, trials, store, engine, clock, watcher)
        watcher.says("bits recalled")
        questions = [_question(store, group, results) for group in _grouped(trials)]
    return Card(
        label=subject.model_label,
        model=subject.model.model_dump(mode="json"),
        parameters=parameter_count(built),
        plan=_words(battery, minutes),
        minutes=minutes,
        workers=engine.workers,
        seconds=round(clock.spent, 1),
        core_seconds=round(sum(result.seconds for result in results.values()), 1),
        state=state,
        speed=speed,
        questions=questions,
        environment=environment(),
    ).sealed()


def _run(
    battery: Battery, trials: list[Planned], store: Store, engine: LocalEngine, clock: _Clock, watcher: Watcher
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
            _recalled(store, by_identity[result.identity])  # while the clock runs, not after it
        watcher.ends(trial, result)

    while batch := fitting([(p, costs.seconds(p, store)) for p in waiting], engine.workers, clock.left):
        watcher.plans(batch, clock.left)
        try:
            engine.run(store, [planned.config for planned in batch], ended, tick)
        except TimeIsUp:
            break
        waiting = [planned for planned in waiting if planned not in batch]
    return results


def _grouped(trials: Sequence[Planned]) -> list[list[Planned]]:
    """The seeds of each question together, in the battery's order."""
    groups: dict[tuple[str, int], list[Planned]] = defaultdict(list)
    for planned in trials:
        groups[planned.key].append(planned)
    return list(groups.values())


def _question(store: Store, seeds: Sequence[Planned], results: dict[str, Result]) -> Question:
    one = seeds[0]
    config, task = one.config, one.config.task
    measured = [found for seed in seeds if (found := results.get(seed.config.identity())) and found.test]
    return Question(
        probe=one.probe.id,
        title=one.probe.title,
        about=one.probe.about,
        ability=one.probe.ability,
        length=one.length,
        task=task.model_dump(mode="json"),
        training=config.training.model_dump(mode="json"),
        model=config.model.model_dump(mode="json"),
        resized=one.probe.state_numbers is not None,
        chance=1 / task.answers,
        recurrent_bits=task.recurrent_bits(),
        state_bits=measured[0].state_bits if measured else None,
        accuracy_ceiling=measured[0].accuracy_ceiling if measured else 1.0,
        trials=[_trial(store, seed, results.get(seed.config.identity())) for seed in seeds],
    )


def _trial(store: Store, planned: Planned, result: Result | None) -> CardTrial:
    identity, seed = planned.config.identity(), planned.config.seed
    if result is None:
        return CardTrial(identity=identity, seed=seed, status="not run", why=_why_not(store, planned))
    test = result.test
    return CardTrial(
        identity=identity,
        seed=seed,
        status=result.status,
        why=result.error,
        accuracy=test.accuracy if test else None,
        loss_bits=test.loss_bits if test else None,
        answers=test.answers if test else 0,
        steps=result.steps,
        seconds=result.seconds,
        fingerprint=result.fingerprint,
        recalled=_recalled(store, planned) if test and planned.probe.recalled else None,
    )


def _why_not(store: Store, planned: Planned) -> str:
    if planned.impossible:
        return planned.impossible
    said = store.progress(planned.config.identity())
    return f"the time was up at step {said['step']} of {said['steps']}" if said else "did not fit into the time"


def _recalled(store: Store, planned: Planned) -> Capacity:
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


def _words(battery: Battery, minutes: float | None) -> str:
    seeds = ", ".join(map(str, battery.seeds))
    order = (
        f"A fixed battery of {len(list(battery.questions()))} questions with seeds {seeds}, "
        "taken up by seed, then by rank of the length: less time means fewer seeds and lengths, never other settings. "
    )
    if minutes is None:
        return order + "All of it was run."
    if not minutes:
        return order + "What had been run of it already was taken; nothing was run anew."
    return order + (
        f"A few steps of each were timed on the machine, and what fitted into {minutes:g} minutes was run; "
        "time saved by trials that solved their task early was given to the next ones in order."
    )
