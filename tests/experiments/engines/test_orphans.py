"""Workers end with the process that started them, however it ends; SIGTERM does what Ctrl-C does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import trial_config

SWEEP = """
[base]
task = { name = "index-lookup", length = 16, alphabet = 8 }
model = { name = "lstm", width = 16 }
training = { steps = 1000000, warmup = 2, batch_size = 16, validate_every = EVERY }
"""
IDLE = """
import os, sys, time
from separatrix.experiments.engines.local import _pool
pool = _pool()
print(pool.submit(os.getpid).result(), flush=True)
time.sleep(60)
"""


def running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until(true, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(true())


def start(tmp_path, every: int, *more: str, steps: int = 1_000_000) -> tuple[subprocess.Popen, list[int]]:
    """A sweep with one worker that trains; the process, and the workers' ids."""
    (tmp_path / "mine.toml").write_text(SWEEP.replace("EVERY", str(every)).replace("1000000", str(steps)))
    command = [sys.executable, "-c", "from separatrix.cli.main import main; main()", "sweep", "mine.toml", *more]
    sweep = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)

    def workers() -> list[int]:
        children = psutil.Process(sweep.pid).children(recursive=True)
        return [p.pid for p in children if "loky" in " ".join(p.cmdline()) and "tracker" not in " ".join(p.cmdline())]

    assert wait_until(lambda: list(tmp_path.glob("runs/mine/trials/*/config.json")), 90)
    return sweep, workers()


@pytest.mark.parametrize("every", [5, 100_000])  # often at a validation, or in the middle of training for ever
def test_workers_end_when_their_parent_is_killed(tmp_path, every):
    sweep, workers = start(tmp_path, every, "--workers", "1")
    assert workers
    sweep.kill()
    sweep.communicate()
    assert wait_until(lambda: not any(map(running, workers)), 5)


def test_an_idle_worker_ends_too():
    parent = subprocess.Popen([sys.executable, "-c", IDLE], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert running(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until(lambda: not running(worker), 5)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_signals_say_how_to_go_on_and_leave_nobody(tmp_path, kind):
    sweep, workers = start(tmp_path, 5, "--workers", "1")
    os.kill(sweep.pid, kind)
    _, said = sweep.communicate(timeout=60)
    assert sweep.returncode == 128 + kind
    assert "nothing is lost: run the same command again to go on" in said
    assert "Traceback" not in said
    assert wait_until(lambda: not any(map(running, workers)), 5)


@pytest.mark.slow
def test_a_killed_driver_of_ray_leaves_nobody_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SEPARATRIX_CHECKPOINT_SECONDS", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    sweep, _ = start(tmp_path, 5, "--engine", "ray", "--workers", "1", steps=2000)
    assert wait_until(lambda: list(tmp_path.glob("runs/mine/trials/*/checkpoint.safetensors")), 90)
    found = psutil.Process(sweep.pid).children(recursive=True)
    # Ray's two agents try for a minute to report that their node died, and then end
    everybody = [process.pid for process in found if not process.name().endswith("Agent")]
    assert len(everybody) > 2  # the cluster's own processes and a worker
    sweep.kill()
    sweep.communicate()
    assert wait_until(lambda: not any(map(running, everybody)), 30)
    store = Store(tmp_path / "runs" / "mine")
    (identity,) = store.identities()
    assert store.result(identity) is None
    assert 0 < store.progress(identity)["step"] < 2000
    trial = trial_config(store.read_json(f"trials/{identity}/config.json"))
    resumed = run_trial(store, trial)
    assert resumed.fingerprint == run_trial(Store(tmp_path / "whole"), trial).fingerprint
