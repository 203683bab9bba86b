"""Which trials fit into the time: the battery's order, cut where the time ends, by steps timed on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from separatrix.experiments.card.probes import Planned
from separatrix.experiments.search.sweep import estimated_seconds
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.result import Result

SLOWER = 1.25
"""How much longer a step is taken to last beside another worker than when it was timed alone."""

EVALUATED = 0.5
"""Seconds of evaluating a context against those of training on it."""


class Costs:
    """Core seconds of trials: a few steps of each question are timed, and put right by the trials that have ended."""

    def __init__(self) -> None:
        self._step: dict[tuple[str, int], float] = {}

    def seconds(self, planned: Planned, store: Store) -> float:
        """What a trial still takes, at most: it may solve its task earlier, and goes on from its checkpoint."""
        said = store.progress(planned.config.identity())
        left = 1 - said["step"] / said["steps"] if said else 1.0
        training = planned.config.training
        evaluated = training.validation_contexts * training.steps / training.validate_every * left
        steps = training.steps * left + EVALUATED * (evaluated + training.test_contexts) / training.batch_size
        return steps * self._per_step(planned)

    def learn(self, planned: Planned, result: Result) -> None:
        """Take a finished trial's own pace for the other seeds of its question."""
        if result.steps and result.status != "failed":
            self._step[planned.key] = result.seconds / result.steps

    def _per_step(self, planned: Planned) -> float:
        if planned.key not in self._step:
            try:
                timed = estimated_seconds([planned.config]) / planned.config.training.steps
            except Exception:  # whatever a module of one's own raises
                timed = 0.0  # fails at once when it is run too, and is recorded with its error there
            self._step[planned.key] = SLOWER * timed
        return self._step[planned.key]


def fitting(waiting: Sequence[tuple[Planned, float]], workers: int, seconds: float) -> list[Planned]:
    """Trials with their costs, in order: those that workers taking the next one each can end within so many seconds.

    One that does not fit is passed over for later ones that do.
    """
    loads = [0.0] * workers
    taken = []
    for planned, cost in waiting:
        free = loads.index(min(loads))
        if loads[free] + cost <= seconds:
            loads[free] += cost
            taken.append(planned)
    return taken
