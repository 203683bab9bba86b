"""Failures of the machine, told from those of the work: memory, disk, devices. They say nothing about a trial."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from separatrix.errors import InputError

_ERRNOS = {getattr(errno, name) for name in
           ("ENOMEM", "ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE", "ENODEV", "ESTALE", "EAGAIN")
           if hasattr(errno, name)}  # fmt: skip
_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "cuda error", "cublas_status_alloc",
          "cublas_status_not_init", "cudnn_status_alloc", "cudnn_status_not_init", "bad_alloc", "nccl error",
          "storage size calculation overflowed", "unable to mmap", "can't start new thread")  # fmt: skip


def memory() -> int:
    """Bytes of memory this process may use: the machine's, or what its control group leaves it. No limit if untold."""
    found = sys.maxsize
    with suppress(AttributeError, ValueError, OSError):  # Windows does not tell
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            found = min(found, int(Path(limit).read_text(encoding="utf-8")))
    return found


class MachineFailure(InputError):
    """A machine that could not do it: out of memory, disk or a device. Nothing was found out, and nothing is stored."""


def machine_failure(error: BaseException) -> MachineFailure | None:
    """What to say of an error if it is the machine's, and None if it is the work's own.

    Example: machine_failure(MemoryError()) is one, machine_failure(KeyError()) is None.
    """
    if isinstance(error, MachineFailure):
        return error
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return MachineFailure(f"out of memory{f' ({text[:200]})' if text else ''}")
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return MachineFailure(f"this machine failed: {error.strerror or text[:200]}")
    if isinstance(error, RuntimeError) and any(word in text.lower() for word in _WORDS):
        short = text.partition("DefaultCPUAllocator: ")[2] or text
        kind = "out of memory" if "memory" in text.lower() or "alloc" in text.lower() else "this machine failed"
        return MachineFailure(f"{kind} ({short[:200]})")
    return None
