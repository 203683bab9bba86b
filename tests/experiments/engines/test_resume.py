"""A run cut off anywhere and started again ends with the same bits as one that was left alone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from separatrix import InputError
from separatrix.experiments.engines.run_trial import CHECKPOINT_SECONDS, run_trial
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.checkpoint import read_progress
from separatrix.experiments.trial.seal import Damaged
from separatrix.experiments.trial.trainer import Trainer


class Interrupted(Exception):
    pass


def cut_after(validations: int):
    left = iter(range(validations))

    def watch() -> None:
        if next(left, None) is None:
            raise Interrupted

    return watch


@pytest.mark.parametrize("cuts", [[0], [1, 2], [0, 0, 3]])
def test_interrupted_between_validations(tiny, tmp_path, cuts):
    whole = run_trial(Store(tmp_path / "whole"), tiny())
    store = Store(tmp_path / "cut")
    for validations in cuts:
        with pytest.raises(Interrupted):
            run_trial(store, tiny(), watch=cut_after(validations))
    resumed = run_trial(store, tiny())
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.fingerprint == whole.fingerprint
    ours, theirs = store.history(tiny().identity()), Store(tmp_path / "whole").history(tiny().identity())
    assert ours.equals(theirs)


TRAIN = """
import sys
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.engines.local import work
work(sys.argv[1], TrialConfig.model_validate_json(sys.argv[2]).model_dump(mode="json"))
"""


@pytest.mark.parametrize("validations", [1, 3, 5])
def test_killed_with_sigkill(tiny, tmp_path, validations):
    config = tiny(steps=120)
    whole = run_trial(Store(tmp_path / "whole"), config)
    store = Store(tmp_path / "killed")
    child = subprocess.Popen([sys.executable, "-c", TRAIN, store.url, config.model_dump_json()])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        said = store.progress(config.identity())
        if said and said["step"] >= 10 * validations:
            break
        time.sleep(0.005)
    child.kill()
    child.wait()
    resumed = run_trial(store, config)
    assert resumed.fingerprint == whole.fingerprint


def test_a_full_disk_loses_nothing(tiny, tmp_path, monkeypatch):
    whole = run_trial(Store(tmp_path / "whole"), tiny())
    store = Store(tmp_path / "full")
    room = iter(range(8))  # config and three checkpoints, each a file and its name in the folder
    flush = os.fsync

    def fill_up(descriptor: int) -> None:
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fill_up)
        with pytest.raises(InputError, match=r"cannot write .*checkpoint.safetensors: No space left on device\."):
            run_trial(store, tiny())
    assert store.result(tiny().identity()) is None
    assert read_progress(store.read(f"trials/{tiny().identity()}/checkpoint.safetensors")).step == 30
    assert not list(tmp_path.rglob("*.tmp"))
    assert run_trial(store, tiny()).fingerprint == whole.fingerprint


def test_stored_results_are_not_run_again(tiny, tmp_path):
    store = Store(tmp_path)
    first = run_trial(store, tiny())
    assert run_trial(store, tiny()) == first


def test_different_order_of_work_gives_the_same_bits(tiny, tmp_path):
    run_trial(Store(tmp_path / "a"), tiny(seed=3))
    alone = run_trial(Store(tmp_path / "b"), tiny())
    after = run_trial(Store(tmp_path / "a"), tiny())
    assert alone.fingerprint == after.fingerprint


def test_checkpoint_that_is_cut_off_is_refused(tiny):
    trainer = Trainer(tiny())
    with pytest.raises(Damaged, match="cut off"):
        trainer.resume(trainer.checkpoint()[:100])


def test_nothing_is_pickled(tiny, tmp_path):
    run_trial(Store(tmp_path), tiny())
    suffixes = {path.suffix for path in Path(tmp_path).rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".parquet", ""}


def test_checkpoints_are_no_more_frequent_than_asked_for(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv(CHECKPOINT_SECONDS, "3600")
    store, said = Store(tmp_path), []

    def watch() -> None:
        said.append(store.progress(tiny().identity())["step"])
        assert (store.read(f"trials/{tiny().identity()}/checkpoint.safetensors") is None) == (said[-1] < 60)

    run_trial(store, tiny(), watch=watch)
    assert said == [10, 20, 30, 40, 50, 60]
