"""What the first five minutes feel like: start-up times and the generators' speed, on one core.

Run: python benchmarks/foundation.py [--json]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from separatrix import tasks
from separatrix.tasks.randomness import stream

REPEATS = 5


def median(action: Callable[[], object]) -> float:
    """Median seconds over a few repeats, after one to warm up."""
    action()
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def python(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    torch.set_num_threads(1)
    help_code = "import sys; sys.argv = ['separatrix', '--help']; from separatrix.cli.main import main; main()"
    rows = {
        "import separatrix (s)": median(python("import separatrix")),
        "import torch (s)": median(python("import torch")),
        "separatrix --help (s)": median(python(help_code)),
    }
    families = {
        "bounded-dyck (2, 10)": tasks.create("bounded-dyck", length=400, kinds=2, depth=10),
        "index-lookup, 64 queries": tasks.create("index-lookup", length=400, alphabet=64),
        "equality": tasks.create("equality", length=400),
    }
    for name, task in families.items():
        queries = 64 if task.query_count > 1 else None
        seconds = median(lambda task=task, queries=queries: task.sample(10_000, stream(0, "train", 0), queries=queries))
        rows[f"10,000 x 400 {name} (s)"] = seconds
        rows[f"{name} (million tokens/s)"] = 4.0 / seconds
    fill = median(lambda: torch.randint(64, (10_000, 400), generator=stream(0, "train", 0)))
    rows["limit: torch.randint of 10,000 x 400 (s)"] = fill
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join(f"{name:<48} {value:10.3f}" for name, value in rows.items()))


if __name__ == "__main__":
    main()
