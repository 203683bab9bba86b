"""Both cuts of a task with 2^24 table entries on one core: seconds and peak memory.

Run: python benchmarks/bounds.py
"""

from __future__ import annotations

import resource
import time

import torch

from separatrix.bounds import attention_rows, memory_profile
from separatrix.tasks import create


def main() -> None:
    torch.set_num_threads(1)
    task = create("equality", length=24)
    begun = time.perf_counter()
    profile = memory_profile(task)
    middle = time.perf_counter()
    rows = attention_rows(task, held=range(12))
    end = time.perf_counter()
    print(
        f"2^24 entries, recurrent cut at all prefixes: {middle - begun:.1f} s, most rows {max(r.count for r in profile)}"
    )
    print(f"attention cut, first half held: {end - middle:.1f} s, {rows} rows")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
