from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch

from separatrix import InputError
from separatrix.experiments.engines.base import Resources
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig


def workers() -> list[psutil.Process]:
    """The engine's worker processes: children that run a loky worker."""
    return [p for p in psutil.Process().children(recursive=True) if "loky" in " ".join(p.cmdline())
            and "resource_tracker" not in " ".join(p.cmdline())]  # fmt: skip


def test_a_killed_workers_trial_is_taken_up_again_and_the_others_go_on(tiny, tmp_path):
    trials = [tiny(seed=seed, steps=200) for seed in range(3)]
    expected = [run_trial(Store(tmp_path / "alone"), trial).fingerprint for trial in trials]
    store, killed = Store(tmp_path / "engine"), []

    def kill_one(running) -> None:
        said = [store.progress(trial.identity()) for trial in running]
        if not killed and any(s and s["step"] >= 20 for s in said):
            victim = workers()[0]
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)

    results = LocalEngine(workers=2).run(store, trials, tick=kill_one)
    assert killed
    assert [result.fingerprint for result in results] == expected
    assert not workers()


def test_a_trial_whose_worker_always_dies_is_given_up_but_not_stored_and_the_others_go_on(tiny, tmp_path):
    def kill_the_long_one(running) -> None:
        if running and running[0].training.steps == 2000:
            for worker in workers():
                os.kill(worker.pid, signal.SIGKILL)

    store, trials = Store(tmp_path), [tiny(steps=2000), tiny()]
    given_up, fine = LocalEngine(workers=1).run(store, trials, tick=kill_the_long_one)
    assert (given_up.status, fine.status) == ("failed", "finished")
    assert "its worker was lost 3 times" in given_up.error
    assert store.results() == [fine]


def test_failing_trials_are_recorded_and_the_others_go_on(tiny, tmp_path):
    trials = [tiny(learning_rate=1.0, weight_decay=1e30), tiny()]
    failed, fine = LocalEngine(workers=1).run(Store(tmp_path), trials)
    assert (failed.status, fine.status) == ("failed", "finished")
    assert "not finite" in failed.error


def test_a_trial_whose_code_raises_is_recorded_and_the_others_go_on(tiny, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from separatrix.models.gru import GRUMixer\n"
        "class Broken(GRUMixer):\n"
        "    def scan(self, x, state=None):\n"
        "        return {}['no such\\nkey']\n"
    )
    broken = tiny().model_dump(mode="json") | {"model": {"name": f"{tmp_path}/mine.py:Broken", "width": 4}}
    store = Store(tmp_path / "runs")
    failed, fine = LocalEngine(workers=1).run(store, [TrialConfig(**broken), tiny()])
    assert (failed.status, fine.status) == ("failed", "finished")
    assert "Broken" in failed.error and "'no such" in failed.error
    assert b"return {}[" in store.read(f"trials/{failed.identity}/error.txt")
    assert store.result(failed.identity) == failed


def test_a_store_that_only_this_process_sees_is_refused(tiny):
    with pytest.raises(InputError, match="memory://here is seen by this process alone"):
        LocalEngine(workers=1).run(Store("memory://here"), [tiny()])


def test_equal_trials_run_once(tiny, tmp_path):
    ended = []
    results = LocalEngine(workers=2).run(
        Store(tmp_path), [tiny(), tiny()], finished=lambda trial, result: ended.append(trial)
    )
    assert len(results) == 2
    assert len(ended) == 1


SWEEP = """
import sys
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.engines.base import Resources
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.store.folder import Store
trials = [TrialConfig.model_validate_json(text) for text in sys.argv[2:]]
print(*(result.fingerprint for result in LocalEngine(workers=1).run(Store(sys.argv[1]), trials)))
"""


def test_two_sweeps_in_one_folder_share_the_work(tiny, tmp_path):
    trials = [tiny(seed=seed, steps=200) for seed in range(3)]
    expected = [run_trial(Store(tmp_path / "alone"), trial).fingerprint for trial in trials]
    command = [sys.executable, "-c", SWEEP, str(tmp_path / "both"), *(trial.model_dump_json() for trial in trials)]
    sweeps = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [sweep.communicate()[0].split() for sweep in sweeps]
    assert [sweep.returncode for sweep in sweeps] == [0, 0]
    assert said == [expected, expected]
    assert not list(tmp_path.rglob("*.tmp"))


def test_ctrl_c_leaves_a_resumable_run(tiny, tmp_path):
    def interrupt(running) -> None:
        if any(store.progress(trial.identity()) for trial in running):
            raise KeyboardInterrupt

    store, trial = Store(tmp_path / "cut"), tiny(steps=600)
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(workers=1).run(store, [trial], tick=interrupt)
    deadline = time.monotonic() + 60
    while workers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not workers()
    assert store.result(trial.identity()) is None
    assert store.read(f"trials/{trial.identity()}/checkpoint.safetensors") is not None
    (resumed,) = LocalEngine(workers=1).run(store, [trial])
    assert resumed.fingerprint == run_trial(Store(tmp_path / "whole"), trial).fingerprint


def test_gpus_that_are_not_there_are_one_clear_line():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    for workers in (None, 1):
        with pytest.raises(InputError, match=r"asks for 1 GPUs, and this machine has 0: leave out --gpus"):
            LocalEngine(workers, Resources(1.0, 1.0))
