"""Engines: what runs many trials at once. Each gives the same results; they differ in whose processors they use."""

from __future__ import annotations

import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from separatrix.errors import InputError, unknown
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result
from separatrix.experiments.trial.size import check_size

Listener = Callable[[TrialConfig, Result], None]
"""Called with each trial as it ends."""

Tick = Callable[[list[TrialConfig]], None]
"""Called now and then with the trials that are running."""

ATTEMPTS = 3
"""How many workers a trial may lose at the same checkpoint before it counts as lost itself."""


class Engine(ABC):
    """Runs trials into a store.

    >>> isinstance(sx.experiments.LocalEngine(workers=1), sx.experiments.Engine)
    True
    """

    def run(
        self,
        store: Store,
        configs: Sequence[TrialConfig],
        finished: Listener | None = None,
        tick: Tick | None = None,
        until: int | None = None,
    ) -> list[Result]:
        """Results in the order of `configs`; trials with a stored result are not run again.

        finished: called with each trial as it ends (stored ones at once)
        tick: called about twice a second with the trials now running
        until: pause trials at the first validation from this step on; they come back as "paused", and are not stored
        A trial that raises, or whose loss stops being a number, gets a result of status "failed" with its error, and
        the others go on. A lost worker's trial is taken up again from its checkpoint; one that loses its workers
        without getting on, or for which this machine has too little memory, comes back as "failed" too, but its result
        is not stored, so that the next run tries it anew. On Ctrl-C everything stays resumable.
        Raises InputError, before any work, for a trial that is larger than the machine.
        """
        outstanding = Outstanding(store, configs, finished)
        for config in outstanding.waiting:
            self.check(config)
        if outstanding.waiting:
            self.work_off(outstanding, tick, until)
        return outstanding.results()

    def check(self, config: TrialConfig) -> None:
        """InputError when a trial is larger than the machine that is to run it."""
        check_size(config)

    @abstractmethod
    def work_off(self, outstanding: Outstanding, tick: Tick | None, until: int | None) -> None:
        """Run what waits, until nothing does."""


@dataclass(frozen=True)
class Resources:
    """What one trial asks for. It computes with one thread whatever it asks for.

    cpus: processor cores, or a fraction of one
    gpus: CUDA devices, or a fraction of one; 0 to train on the processor
    Raises InputError for a negative number, or nothing at all.

    >>> sx.experiments.Resources(gpus=0.5).device  # two trials share a GPU
    'cuda'
    """

    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.cpus < math.inf and 0 <= self.gpus < math.inf and self.cpus + self.gpus > 0):
            raise InputError(f"a trial needs cores or GPUs, got {self.cpus:g} and {self.gpus:g}: give --cpus 1")

    @property
    def device(self) -> str:
        """The device a trial trains on."""
        return "cuda" if self.gpus else "cpu"

    def room(self) -> int:
        """How many trials this machine has room for at a time. Raises InputError when it has none for a single one.

        >>> sx.experiments.Resources(cpus=0.5).room() >= 2
        True
        """
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
        have = [(cores, self.cpus, "cores"), (gpus() if self.gpus else 0, self.gpus, "GPUs")]
        for count, each, what in have:
            if each > count:
                advice = "ask for less" if count else "leave out --gpus to train on the processor"
                raise InputError(f"a trial asks for {each:g} {what}, and this machine has {count}: {advice}")
        return int(min(count // each for count, each, _ in have if each))


def gpus() -> int:
    """How many CUDA devices this machine has."""
    import torch  # noqa: PLC0415  # an engine that uses no GPU starts without it

    return torch.cuda.device_count()


ONE_CORE = Resources()

_ENGINES = {"local": "local:LocalEngine", "ray": "ray:RayEngine"}


def create(
    name: str = "local",
    workers: int | None = None,
    address: str | None = None,
    resources: Resources = ONE_CORE,
) -> Engine:
    """An engine by name: `local`, processes of this machine; `ray`, tasks of a Ray cluster (extra `ray`).

    workers: trials at a time; None for as many as the resources allow
    address: the Ray cluster's, see `RayEngine`
    Raises InputError for an unknown name, or options the engine has no use for.
    """
    if name not in _ENGINES:
        raise unknown("engine", name, _ENGINES)
    if workers is not None and workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    if name == "local" and address is not None:
        raise InputError(f"the local engine has no address, got {address!r}: add --engine ray, or leave it out")
    module, attribute = _ENGINES[name].split(":")
    build = getattr(import_module(f"{__package__}.{module}"), attribute)
    return build(workers, resources) if name == "local" else build(address, workers, resources)


def lost(config: TrialConfig) -> Result:
    """What an engine returns, and does not store, for a trial whose worker was lost again and again."""
    return unstored(config, f"its worker was lost {ATTEMPTS} times (out of memory?)")


def unstored(config: TrialConfig, why: str) -> Result:
    """What an engine returns, and does not store, where the machine failed and not the trial."""
    return Result(
        identity=config.identity(),
        config=config.model_dump(mode="json"),
        status="failed",
        error=f"{why}: run the same command again to go on from its checkpoint, with fewer --workers or more --cpus "
        "for each trial",
    )


class Outstanding:
    """The bookkeeping of a run: which trials wait, which have ended, how often each was tried."""

    def __init__(self, store: Store, configs: Sequence[TrialConfig], finished: Listener | None) -> None:
        if store.private:
            raise InputError(f"{store.url} is seen by this process alone: use a folder, or a URL that others reach too")
        self.store = store
        self._order = [config.identity() for config in configs]
        self._finished, self._done = finished, dict[str, Result]()
        self._losses: dict[str, list[int]] = {}
        self.waiting: list[TrialConfig] = []
        for config in {config.identity(): config for config in configs}.values():
            if (stored := store.result(config.identity())) is not None:
                self.end(config, stored)
            else:
                self.waiting.append(config)

    def end(self, config: TrialConfig, result: Result) -> None:
        """A trial has ended."""
        self._done[config.identity()] = result
        if self._finished:
            self._finished(config, result)

    def lose(self, config: TrialConfig) -> None:
        """A trial's worker was lost: it goes to the head of the queue, or is given up after `ATTEMPTS` at one step."""
        identity = config.identity()
        if (stored := self.store.result(identity)) is not None:  # lost on its way here
            self.end(config, stored)
            return
        reached = int((self.store.progress(identity) or {"step": 0})["step"])
        losses = self._losses.setdefault(identity, [])
        losses.append(reached)
        if losses.count(reached) < ATTEMPTS:
            self.waiting.insert(0, config)
        else:
            self.end(config, lost(config))

    def results(self) -> list[Result]:
        """Every trial's result, in the order asked for."""
        return [self._done[identity] for identity in self._order]
