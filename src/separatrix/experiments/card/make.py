"""Making a card: time, plan, train, measure, within the minutes given; what was not run is said to be so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from separatrix.experiments.card.card import Card, CardTrial, Question
from separatrix.experiments.card.probes import Battery, Planned, standard
from separatrix.experiments.card.running import Clock, Watcher, at_chosen_rates, plain, recalled, run_all
from separatrix.experiments.card.speed import measure_speed
from separatrix.experiments.card.state import LENGTHS, measure_state
from separatrix.experiments.engines.base import Resources
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.engines.process import one_thread
from separatrix.experiments.search.tuning import Choice
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.environment import environment
from separatrix.experiments.trial.result import Result
from separatrix.models import architecture, initialised, parameter_count


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
    clock = Clock(float("inf") if minutes is None else 60.0 * minutes)
    engine = LocalEngine(workers, Resources(gpus=gpus))
    subject = TrialConfig(task={"name": "index-lookup", "length": LENGTHS[-1], "alphabet": 16}, model=model)
    watcher.says("state and speed")
    with one_thread():
        built = initialised(architecture(subject.model.name), subject.task, subject.model, seed=0)
        state = measure_state(subject, seconds=min(20.0, clock.seconds / 30 or 20.0))
        speed = measure_speed(model, seconds=min(30.0, clock.seconds / 20 or 30.0))
    trials = battery.trials(model)
    with one_thread():
        asked = at_chosen_rates(battery, trials, store, engine, clock, watcher) if battery.tuning else plain(trials)
        results = run_all([planned for group, _ in asked for planned in group], store, engine, clock, watcher)
        watcher.says("bits recalled")
        questions = [_question(store, group, results, choice) for group, choice in asked]
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


def _question(
    store: Store, seeds: Sequence[Planned], results: dict[str, Result], choice: Choice | None = None
) -> Question:
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
        choice=choice,
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
        recalled=recalled(store, planned) if test and planned.probe.recalled else None,
        ending=result.ending,
    )


def _why_not(store: Store, planned: Planned) -> str:
    if planned.impossible:
        return planned.impossible
    said = store.progress(planned.config.identity())
    return f"the time was up at step {said['step']} of {said['steps']}" if said else "did not fit into the time"


def _words(battery: Battery, minutes: float | None) -> str:
    seeds = ", ".join(map(str, battery.seeds))
    order = (
        f"A fixed battery of {len(list(battery.questions()))} questions with seeds {seeds}, "
        f"taken up {'question by question' if battery.tuning else 'by seed, then by rank of the length'}: less time "
        "means fewer seeds and lengths, never other settings. "
    )
    if battery.tuning:
        rates = ", ".join(f"{rate:g}" for rate in battery.tuning.rates)
        order += f"The learning rate of each was chosen from {rates} on seeds that are not reported. "
    if minutes is None:
        return order + "All of it was run."
    if not minutes:
        return order + "What had been run of it already was taken; nothing was run anew."
    return order + (
        f"A few steps of each were timed on the machine, and what fitted into {minutes:g} minutes was run; "
        "time saved by trials that solved their task early was given to the next ones in order."
    )
