"""What the machine could not do is no result of a trial: nothing is stored, and the trial goes on to the same bits."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.trainer import Trainer
from separatrix.machine import MachineFailure

FAILURES = {
    "memory": MemoryError(),
    "PyTorch's memory": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 549755813888 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "a GPU's memory": RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "a GPU": RuntimeError("CUDA error: an illegal memory access was encountered"),
    "threads": RuntimeError("can't start new thread"),
    "disk": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "quota": OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    "device": OSError(errno.EIO, os.strerror(errno.EIO)),
    "files": OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
}
PLACES = ["__init__", "_validate", "test", "overlap"]


@pytest.mark.parametrize(
    ("failure", "place"), [*((failure, "train_to") for failure in FAILURES), *(("memory", place) for place in PLACES)]
)
def test_a_failure_of_the_machine_is_never_stored(
    tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str, place: str
) -> None:
    store, trial, inside = Store(tmp_path), tiny(steps=20), getattr(Trainer, place)
    calls = 0

    def fails(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == (2 if place in ("train_to", "_validate") else 1):
            raise FAILURES[failure]
        return inside(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, place, fails)
        with pytest.raises(MachineFailure) as said:
            run_trial(store, trial)
    assert "\n" not in str(said.value)
    assert store.result(trial.identity()) is None
    folder = tmp_path / "trials" / trial.identity()
    assert not (folder / "result.json").exists()
    assert not (folder / "error.txt").exists()
    assert run_trial(store, trial).fingerprint == run_trial(Store(tmp_path / "whole"), trial).fingerprint


def test_an_error_of_the_trial_is_stored(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self, end):
        raise RuntimeError("shapes do not go together")

    monkeypatch.setattr(Trainer, "train_to", fails)
    assert run_trial(Store(tmp_path), tiny()).status == "failed"
    assert Store(tmp_path).result(tiny().identity()).error == "RuntimeError: shapes do not go together"


HUNGRY = """
import pathlib
from separatrix.models.elman import ElmanMixer
class Hungry(ElmanMixer):
    def __init__(self, width):
        super().__init__(width)
    def scan(self, x, state=None):
        if self.training and len(x) == 4 and pathlib.Path({flag!r}).exists():
            raise MemoryError
        return super().scan(x, state)
"""


def test_a_worker_without_memory_gives_an_answer_that_is_not_stored(tmp_path: Path) -> None:
    flag, file = tmp_path / "full", tmp_path / "mine.py"
    flag.touch()
    file.write_text(HUNGRY.format(flag=str(flag)))
    training = {"steps": 4, "warmup": 1, "batch_size": 4, "validation_contexts": 8, "test_contexts": 8}
    task, model = {"name": "index-lookup", "length": 4, "alphabet": 3}, {"name": f"{file}:Hungry", "width": 4}
    trial, store = TrialConfig(task=task, model=model, training=training), Store(tmp_path / "runs")
    (result,) = LocalEngine(workers=1).run(store, [trial])
    assert (result.status, store.result(trial.identity())) == ("failed", None)
    assert "out of memory: run the same command again" in result.error
    flag.unlink()
    (result,) = LocalEngine(workers=1).run(store, [trial])
    assert result.status == "finished"
