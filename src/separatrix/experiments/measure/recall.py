"""What the trained models of a store recall: bits and rate–accuracy curves, measured once, kept beside each trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.engines.run_trial import load_trained
from separatrix.experiments.measure.capacity import Capacity, bits_recalled, symbols
from separatrix.experiments.measure.rate_accuracy import RateCurve, rate_curve
from separatrix.experiments.store.folder import Store, folder_of
from separatrix.experiments.trial.config import trial_config
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.seal import read_as

CONTEXTS = 128
"""Contexts measured, of those that training never saw."""


class Recall(Config):
    """What one trained model holds of its context."""

    capacity: Capacity
    rates: RateCurve


def recall(store: Store, result: Result, contexts: int = CONTEXTS) -> Recall:
    """Measure a trial's model, or return what was measured before with as many contexts.

    Raises InputError when its task has no independent symbols to recall, or the store no weights of it.
    """
    path = f"{folder_of(result.identity)}/recall.json"
    known = stored(store, result)
    if known is not None and known.capacity.contexts == contexts:
        return known
    config = trial_config(result.config)
    model = load_trained(store, result.identity)
    measured = Recall(
        capacity=bits_recalled(model, config.task, config.seed, contexts),
        rates=rate_curve(model, config.task, config.seed, contexts=contexts),
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
        symbols(trial_config(result.config).task)
    except InputError:
        return False
    return True


def recall_all(
    store: Store, results: Sequence[Result], contexts: int = CONTEXTS, finished: Callable[[Result], None] | None = None
) -> list[Recall]:
    """Measure several trials' models, in their order; `finished` is called after each."""
    measured = []
    for result in results:
        measured.append(recall(store, result, contexts))
        if finished:
            finished(result)
    return measured
