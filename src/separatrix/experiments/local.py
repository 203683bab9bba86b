"""The local engine: one single-threaded process per core, each with a trial of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from loky import ProcessPoolExecutor

from separatrix.experiments.config import TrialConfig, trial_config
from separatrix.experiments.result import Result
from separatrix.experiments.store import Busy, Store
from separatrix.experiments.trial import run_trial

ATTEMPTS = 3
"""How often a trial whose worker was killed is taken up again before it counts as lost."""

POLL_SECONDS = 0.5

Listener = Callable[[TrialConfig, Result], None]


class WorkersLost(RuntimeError):
    """A trial's worker was killed again and again; other trials are done, and this one can be resumed."""


@dataclass
class _Slot:
    """A core: a pool of one process, so that a killed worker takes only its own trial with it."""

    pool: ProcessPoolExecutor
    future: Future | None = None
    config: TrialConfig | None = None


class LocalEngine:
    """Runs trials on this machine, `workers` at a time (default: one per core)."""

    def __init__(self, workers: int | None = None) -> None:
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
        self.workers = workers or cores

    def run(
        self,
        store: Store,
        configs: Sequence[TrialConfig],
        finished: Listener | None = None,
        tick: Callable[[list[TrialConfig]], None] | None = None,
    ) -> list[Result]:
        """Results in the order of `configs`; trials with a stored result are not run again.

        finished: called with each trial as it ends (stored ones at once)
        tick: called about twice a second with the trials now running
        A killed worker's trial is taken up again from its checkpoint; on Ctrl-C everything stays resumable.
        """
        done: dict[str, Result] = {}
        waiting = []
        for config in {config.identity(): config for config in configs}.values():
            if (stored := store.result(config.identity())) is not None:
                done[stored.identity] = stored
                if finished:
                    finished(config, stored)
            else:
                waiting.append(config)
        slots = [_Slot(_pool()) for _ in range(min(self.workers, len(waiting)))]
        attempts: dict[str, int] = {}
        try:
            while waiting or any(slot.future for slot in slots):
                for slot in slots:
                    if slot.future is None and waiting:
                        slot.config = waiting.pop(0)
                        slot.future = slot.pool.submit(
                            work, store.url, slot.config.model_dump(mode="json"), os.getpid()
                        )
                wait([slot.future for slot in slots if slot.future], POLL_SECONDS, FIRST_COMPLETED)
                for slot in slots:
                    self._collect(slot, waiting, attempts, done, finished)
                if tick:
                    tick([slot.config for slot in slots if slot.config])
        finally:
            for slot in slots:
                slot.pool.shutdown(wait=True, kill_workers=True)
        return [done[config.identity()] for config in configs]

    def _collect(
        self,
        slot: _Slot,
        waiting: list[TrialConfig],
        attempts: dict[str, int],
        done: dict[str, Result],
        finished: Listener | None,
    ) -> None:
        """Take a finished trial off its slot, or put a lost one back in the queue."""
        if slot.future is None or slot.config is None or not slot.future.done():
            return
        config, slot.config = slot.config, None
        future, slot.future = slot.future, None
        try:
            result = Result(**future.result())
        except Busy:  # another run on this folder has it: come back later
            waiting.append(config)
            time.sleep(POLL_SECONDS)
            return
        except BrokenProcessPool:
            slot.pool.shutdown(wait=False, kill_workers=True)
            slot.pool = _pool()
            tried = attempts[config.identity()] = attempts.get(config.identity(), 1) + 1
            if tried > ATTEMPTS:
                raise WorkersLost(
                    f"the worker of {config.label} was killed {ATTEMPTS} times (out of memory?): "
                    "run the same command again to go on, with fewer --workers"
                ) from None
            waiting.insert(0, config)
            return
        done[result.identity] = result
        if finished:
            finished(config, result)


def _pool() -> ProcessPoolExecutor:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return ProcessPoolExecutor(max_workers=1, timeout=None, env=one_thread)


def work(url: str, config: dict, parent: int) -> dict:
    """What a worker process runs: one trial, with one thread, ending early when the engine's process is gone."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)

    def watch() -> None:
        if os.getppid() != parent:
            os._exit(1)

    return run_trial(Store(url), trial_config(config), watch=watch).model_dump(mode="json")
