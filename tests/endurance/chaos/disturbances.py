"""What befalls a run: signals to it, to a worker or a node; damaged files; a full disk; a read-only folder; company."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil

WAIT_SECONDS = 600.0
LEAVE_SECONDS = 30.0


def said(process: subprocess.Popen[str]) -> str:
    """The last words of a process that ends by itself or was told to. Raises when it hangs, or ends in a traceback."""
    words = process.communicate(timeout=WAIT_SECONDS)[1]
    assert "Traceback" not in words, f"a traceback:\n{words}"
    return words


def offspring(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that a run has started: workers, and with Ray the nodes of its cluster."""
    with suppress(psutil.Error):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def kill(process: subprocess.Popen[str], rng: random.Random) -> None:
    """The run itself, at once."""
    process.kill()


def terminate(process: subprocess.Popen[str], rng: random.Random) -> None:
    """What clusters send."""
    process.send_signal(signal.SIGTERM)


def worker(process: subprocess.Popen[str], rng: random.Random) -> None:
    """One of its workers; a second later the run as well."""
    if found := offspring(process):
        with suppress(psutil.Error):
            rng.choice(found).kill()
        time.sleep(rng.uniform(0, 1))
    process.kill()


def node(process: subprocess.Popen[str], rng: random.Random) -> None:
    """The node of Ray (its raylet) under the run; a few seconds later the run as well, if it has not given up."""
    for each in offspring(process):
        with suppress(psutil.Error):
            if each.name() == "raylet":
                each.kill()
    time.sleep(rng.uniform(0, 3))
    process.kill()


KILLS = {"local": (kill, terminate, worker), "ray": (kill, terminate, worker, node)}


def all_gone(processes: list[psutil.Process]) -> bool:
    """Whether the processes end in time."""
    deadline = time.monotonic() + LEAVE_SECONDS
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _half(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(max(1, len(data)))]


def _bit(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(max(1, len(data)))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :] if data else b"\1"


DAMAGES = {
    "cut off": _half,
    "a bit": _bit,
    "emptied": lambda data, rng: b"",
    "null": lambda data, rng: b"null",
    "a list": lambda data, rng: b"[]",
    "binary": lambda data, rng: rng.randbytes(99),
}


def files(store: Path) -> list[Path]:
    """What may be damaged: all that a store holds but its locks and the written page."""
    found = (path for path in store.rglob("*") if path.is_file() and path.name != "lock")
    return sorted(path for path in found if "report" not in path.relative_to(store).parts)


@contextmanager
def mounted(store: Path, *how: str) -> Iterator[bool]:
    """A folder mounted in a way of its own while inside; whether that was possible (it needs root)."""
    store.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *how, store], check=False, capture_output=True).returncode == 0
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", store], check=True)


def full_disk(store: Path, kilobytes: int) -> AbstractContextManager[bool]:
    """A disk of so many kilobytes for the store: writing fails midway."""
    return mounted(store, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")


def read_only(store: Path) -> AbstractContextManager[bool]:
    """The store as it stands, where nothing can be written."""
    return mounted(store, "--bind", "-o", "ro", str(store))
