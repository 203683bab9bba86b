"""The local engine: one single-threaded process per core, each with a trial of its own."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from loky import ProcessPoolExecutor

from separatrix.errors import InputError
from separatrix.experiments.engines.base import ONE_CORE, Engine, Outstanding, Resources, Tick, gpus, unstored
from separatrix.experiments.engines.process import begin, settled
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Busy, Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result
from separatrix.machine import MachineFailure

POLL_SECONDS = 0.5
OVERCOMMIT = 32
"""How many times more workers than there is room for are taken at their word."""
warnings.filterwarnings("ignore", "A worker was restarted")  # between trials, for memory one of them kept: no leak


@dataclass
class _Slot:
    """A core: a pool of one process, so that a killed worker takes only its own trial with it."""

    pool: ProcessPoolExecutor
    device: str
    future: Future | None = None
    config: TrialConfig | None = None


class LocalEngine(Engine):
    """Runs trials on this machine, `workers` at a time (default: as many as its cores and GPUs have room for).

    Raises InputError when a trial asks for more than the machine has.

    >>> sx.experiments.LocalEngine(workers=2).workers
    2
    """

    def __init__(self, workers: int | None = None, resources: Resources = ONE_CORE) -> None:
        self.resources = resources
        room = resources.room()
        self.workers = workers or room
        if self.workers > OVERCOMMIT * max(room, 1):
            raise InputError(f"this machine has room for {room} trials at a time, got {workers} workers: ask for fewer")
        self._kept: list[_Slot] | None = None

    @contextmanager
    def kept(self) -> Iterator[LocalEngine]:
        """Keep the worker processes from one run to the next inside: a search of many short rounds starts them once."""
        self._kept = []
        try:
            yield self
        finally:
            slots, self._kept = self._kept, None
            _shut(slots)

    def work_off(self, outstanding: Outstanding, tick: Tick | None, until: int | None) -> None:
        """See `Engine.work_off`."""
        slots = self._slots(min(self.workers, len(outstanding.waiting)))
        ended = False
        try:
            while outstanding.waiting or any(slot.future for slot in slots):
                for slot in slots:
                    if slot.future is None and outstanding.waiting:
                        slot.config = outstanding.waiting.pop(0)
                        data = slot.config.model_dump(mode="json")
                        slot.future = slot.pool.submit(work, outstanding.store.address, data, slot.device, until)
                wait([slot.future for slot in slots if slot.future], POLL_SECONDS, FIRST_COMPLETED)
                for slot in slots:
                    _collect(slot, outstanding)
                if tick:
                    tick([slot.config for slot in slots if slot.config])
            ended = True
        finally:
            if self._kept is None:
                _shut(slots)
            elif not ended:
                _shut(self._kept)
                self._kept.clear()

    def _slots(self, count: int) -> list[_Slot]:
        """So many slots, those that were kept among them."""
        slots = [] if self._kept is None else self._kept
        slots += [_Slot(_pool(), self._device(index)) for index in range(len(slots), count)]
        return slots[:count]

    def _device(self, slot: int) -> str:
        """The device of a slot: slots fill one GPU after the other."""
        return f"cuda:{int(slot * self.resources.gpus) % gpus()}" if self.resources.gpus else "cpu"


def _collect(slot: _Slot, outstanding: Outstanding) -> None:
    """Take a finished trial off its slot, or put a lost one back in the queue."""
    if slot.future is None or slot.config is None or not slot.future.done():
        return
    config, slot.config = slot.config, None
    future, slot.future = slot.future, None
    try:
        result = Result(**future.result())
    except Busy:  # another run on this folder has it: come back later
        outstanding.waiting.append(config)
        time.sleep(POLL_SECONDS)
        return
    except BrokenProcessPool:
        slot.pool.shutdown(wait=False, kill_workers=True)
        slot.pool = _pool()
        outstanding.lose(config)
        return
    except MachineFailure as error:
        result = unstored(config, str(error))
    outstanding.end(config, result)


def _shut(slots: Sequence[_Slot]) -> None:
    for slot in slots:
        slot.pool.shutdown(wait=True, kill_workers=True)


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(max_workers=1, timeout=None, env=settled(), initializer=begin, initargs=(os.getpid(),))


def work(url: str, config: dict, device: str = "cpu", until: int | None = None) -> dict:
    """What a worker process runs: one trial, with one thread."""
    return run_trial(Store(url), TrialConfig(**config), device, until=until).model_dump(mode="json")
