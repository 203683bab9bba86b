"""Feed every reader mutations of what it reads, for a while: `make fuzz`. Only InputError may come out, in one line.

Seeded: execution i is a function of (seed, i). Memory is capped, and an execution that takes longer than a second is
an error too.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from separatrix import InputError
from separatrix.cli.options import pairs
from separatrix.config import parse_toml
from separatrix.experiments.card.card import parse_card
from separatrix.experiments.search.frontier import Frontier
from separatrix.experiments.search.sweep import Sweep
from separatrix.experiments.store.records import checked, read_history
from separatrix.experiments.trial.checkpoint import read_progress
from separatrix.experiments.trial.config import trial_config
from separatrix.experiments.trial.seal import parse_object, read_as, unseal

OLD = Path(__file__).parents[1] / "data" / "store-0.1"
TRIAL = OLD / "trials" / "6659afb4924ee23f"
WORDS = [
    b"null",
    b"[]",
    b"{}",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 5000,
    b'"../../x"',
    b'"a.py:f"',
    b"\0",
    b"\xff",
    b"[" * 999,
]


def options(data: bytes) -> Any:
    """The command line's own options."""
    return pairs(data.decode("utf-8", "replace").split())


def sweep(data: bytes) -> Any:
    """A sweep file."""
    return read_as(Sweep, parse_toml(data, "it"))


READERS = {
    "result": (lambda data: checked(data, TRIAL.name), (TRIAL / "result.json").read_bytes()),
    "sealed record": (unseal, (TRIAL / "recall.json").read_bytes()),
    "configuration": (lambda data: trial_config(parse_object(data)), (TRIAL / "config.json").read_bytes()),
    "checkpoint": (read_progress, (TRIAL / "checkpoint.safetensors").read_bytes()),
    "frontier": (lambda data: read_as(Frontier, parse_object(data)), next(OLD.glob("frontiers/*")).read_bytes()),
    "card": (lambda data: parse_card(data.decode("utf-8", "replace"), "it"), b'{"format": 1, "questions": []}'),
    "options": (options, b"--width 64 --learning-rate=1e-3 --lengths [1,2] --no-residual"),
    "sweep": (sweep, b'[base]\ntask = { name = "parity", length = 4 }\n[grid]\nseed = [0, 1]\n'),
    "history": (lambda data: read_history(data, None), (TRIAL / "history.parquet").read_bytes()),
}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to four changes."""
    for _ in range(rng.randrange(1, 5)):
        at, to = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        match rng.randrange(5):
            case 0:
                data = data[:at] + rng.choice(WORDS) + data[at:]
            case 1:
                data = data[:at] + rng.choice(WORDS) + data[min(to, at + 12) :]
            case 2:
                data = data[:at] + data[min(to, at + 40) :]
            case 3 if data:
                at = min(at, len(data) - 1)
                data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
            case _:
                data = data[:at] + data[at : at + 30] + data[at:]
    return data


def main() -> None:
    """Run it; ends with 1 at the first thing that is no InputError of one line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--gigabytes", type=float, default=8.0)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (int(given.gigabytes * 2**30),) * 2)
    warnings.simplefilter("ignore")
    names, begun, refused = list(READERS), time.monotonic(), Counter[str]()
    count = given.first
    while count < given.executions and time.monotonic() - begun < 60 * given.minutes:
        rng, name = random.Random(f"{given.seed}/{count}"), names[count % len(names)]
        read, example = READERS[name]
        data, started = mutated(example, rng), time.process_time()
        try:
            read(data)
        except InputError as error:
            refused[name] += 1
            if "\n" in str(error) and name != "options":
                raise SystemExit(f"execution {count}, {name}: more than one line: {error}") from None
        except Exception as error:
            print(f"execution {count} ({name}) of seed {given.seed}: {type(error).__name__}: {str(error)[:200]}")
            raise
        if time.process_time() - started > 1:
            raise SystemExit(f"execution {count}, {name}: {time.process_time() - started:.1f} s")
        count += 1
    done = count - given.first
    print(f"{done:,} executions from {given.first:,}, seed {given.seed}: nothing but one-line errors; {dict(refused)}")
    sys.exit(0)


if __name__ == "__main__":
    main()
