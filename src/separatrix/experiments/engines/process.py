"""A process that does nothing but train small models, and ends with the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from separatrix.notices import print_notice

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

KEPT_MEMORY = (
    "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=67108864"
    ":glibc.malloc.hugetlb=1"
)
"""Keep what is freed, on huge pages, for the next step. Left alone, glibc gives every large tensor back to the system
when it is freed, and the next step faults its pages in again, one by one. Other C libraries ignore it."""

PARENT_SECONDS = 0.5
"""How often a worker looks for its parent where the system does not tell of its end."""

_PR_SET_PDEATHSIG = 1


def settled() -> dict[str, str]:
    """Environment variables to start a worker with. They decide how fast it is, and no result."""
    tunables = ":".join(filter(None, [os.environ.get("GLIBC_TUNABLES"), KEPT_MEMORY]))
    return {**ONE_THREAD, "GLIBC_TUNABLES": tunables}


def begin(parent: int) -> None:
    """What a worker does first: one thread, its parent decides on Ctrl-C, and it ends when its parent ends."""
    torch.set_num_threads(1)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.showwarning = print_notice
    end_with(parent)


def end_with(parent: int) -> None:
    """End this process at once, however its parent ends: killed, crashed or done.

    On Linux the kernel sees to it (prctl, PR_SET_PDEATHSIG). There and elsewhere a thread looks twice a second.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before that
        os._exit(1)
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="parent").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
