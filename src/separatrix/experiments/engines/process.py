"""The environment of a process that does nothing but train small models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

KEPT_MEMORY = (
    "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=67108864"
    ":glibc.malloc.hugetlb=1"
)
"""Keep what is freed, on huge pages, for the next step. Left alone, glibc gives every large tensor back to the system
when it is freed, and the next step faults its pages in again, one by one. Other C libraries ignore it."""


def settled() -> dict[str, str]:
    """Environment variables to start a worker with. They decide how fast it is, and no result."""
    tunables = ":".join(filter(None, [os.environ.get("GLIBC_TUNABLES"), KEPT_MEMORY]))
    return {**ONE_THREAD, "GLIBC_TUNABLES": tunables}


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
