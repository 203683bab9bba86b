"""What the trained models of a store recall: bits and rate–accuracy curves, measured once, kept beside each trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import Field

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.engines.run_trial import advice, load_trained
from separatrix.experiments.measure.capacity import Capacity, bits_recalled, symbols
from separatrix.experiments.measure.memory_wall import MemoryWall, memory_wall
from separatrix.experiments.measure.rate_accuracy import RateCurve, rate_curve
from separatrix.experiments.presets import Preset
from separatrix.experiments.search.frontier_files import kept
from separatrix.experiments.search.tuning import known_choice, tuned
from separatrix.experiments.store.folder import CHECKPOINT, Store, folder_of
from separatrix.experiments.trial.config import trial_config
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seal import Damaged, read_as
from separatrix.experiments.trial.seeds import is_tuning
from separatrix.notices import notice
from separatrix.tasks.base import context_task

CONTEXTS = 128
"""Contexts measured, of those that training never saw."""


WALL_CONTEXTS = 512
"""Contexts of the memory wall, half of which fix the code."""


class Recall(Config):
    """What one trained model holds of its context."""

    capacity: Capacity
    rates: RateCurve
    wall: MemoryWall | None = Field(None, description="bits recalled against bits sent; None in older stores")


def recall(store: Store, result: Result, contexts: int = CONTEXTS) -> Recall:
    """Measure a trial's model, or return what was measured before with as many contexts.

    Raises InputError when its task has no independent symbols to recall, and Damaged when its weights are not whole.
    """
    path = f"{folder_of(result.identity)}/recall.json"
    known = stored(store, result)
    if known is not None and known.capacity.contexts == contexts and known.wall is not None:
        return known
    config = trial_config(result.config)
    if store.checkpoint(result.identity) is None:
        place = f"{folder_of(result.identity)}/{CHECKPOINT}"
        what = "damaged" if place in store.left_out else "missing"
        raise Damaged(f"{store.url}/{place} is {what}: {advice(result.identity)}")
    task, model = context_task(config.task), load_trained(store, result.identity)
    measured = Recall(
        capacity=bits_recalled(model, task, config.seed, contexts),
        rates=rate_curve(model, task, config.seed, contexts=contexts),
        wall=memory_wall(model, task, config.seed, max(WALL_CONTEXTS, contexts)),
    )
    store.write_record(path, measured.model_dump(mode="json"))
    return measured


def stored(store: Store, result: Result) -> Recall | None:
    """What was measured of a trial's model, or None when nothing was, or it is damaged."""
    path = f"{folder_of(result.identity)}/recall.json"
    with store.leaving_out(path):
        return None if (data := store.read_record(path)) is None else read_as(Recall, data)
    return None


def recallable(results: Sequence[Result], lengths: Sequence[int] | None = None) -> list[Result]:
    """The results whose models can be measured: trained, on a task with symbols to recall, at one of the lengths."""
    return [
        result
        for result in results
        if result.test is not None
        and _has_symbols(result)
        and (lengths is None or result.config["task"]["length"] in lengths)
    ]


def _has_symbols(result: Result) -> bool:
    try:
        symbols(context_task(trial_config(result.config).task))
    except InputError:
        return False
    return True


def recall_all(
    store: Store, results: Sequence[Result], contexts: int = CONTEXTS, finished: Callable[[Result], None] | None = None
) -> list[tuple[Result, Recall]]:
    """Measure several trials' models, in their order; `finished` is called after each.

    A trial whose weights are damaged or gone is named in a notice and left out. Raises InputError when all are.
    """
    measured = []
    for result in results:
        try:
            measured.append((result, recall(store, result, contexts)))
        except Damaged as error:
            if len(results) == 1:
                raise
            notice(f"{error}: not measured")
            continue
        if finished:
            finished(result)
    if results and not measured:
        lost = f"no whole weights of any of {len(results)} trials"
        raise InputError(f"{store.url} has {lost}: run them again with --force")
    return measured


def asked_of(preset: Preset, store: Store) -> list[Result]:
    """The finished trials whose recall a preset asks for: of its panels' lengths, and of its searches' walls."""
    wanted: set[str] = set()
    for panel in preset.panels:
        tuning = preset.tuning_of(panel)
        for trial in panel.trials(preset.training):
            if trial.task.length in panel.recall:
                choice = known_choice(store, trial, tuning) if tuning else None
                wanted.add((trial if choice is None else tuned(trial, choice)).identity())
    searched = {found.plan.content_hash(): found for found in kept(store)} if preset.frontiers else {}
    for frontier, plan in zip(preset.frontiers, preset.plans(), strict=True):
        found = searched.get(plan.content_hash())
        for cell in plan.cells() if found else []:
            point = next(p for p in found.points if (p.model, p.length) == (cell.model, cell.length)) if found else None
            for seen in point.tried if point and cell.length in frontier.wall else []:
                wanted.update(trial.identity() for trial in cell.trials(seen.width, seen.choice))
    results = [result for result in store.results() if result.identity in wanted]
    return recallable([result for result in results if not is_tuning(result.config["seed"])])
