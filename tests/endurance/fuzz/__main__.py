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

from mutations import mutated
from readers import readers

from separatrix import InputError

SECONDS = 1.0


def execute(seed: int, count: int) -> str:
    """Execution `count`: the name of the reader when it refused in one line, or "". Raises whatever else came out."""
    rng, names = random.Random(f"{seed}/{count}"), list(readers())
    name = names[count % len(names)]
    reader = readers()[name]
    data, started = mutated(reader.example, reader.kind, rng), time.process_time()
    try:
        reader.read(data)
    except InputError as error:
        assert "\n" not in str(error) or name == "options", f"more than one line: {error}"
        return name
    finally:
        spent = time.process_time() - started
        assert spent < SECONDS, f"{name}: {spent:.1f} s"
    return ""


def main() -> None:
    """Run it; ends with 1 at the first thing that is no InputError of one line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--keep-going", action="store_true", help="list every kind of error, not only the first")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (int(given.gigabytes * 2**30),) * 2)
    warnings.simplefilter("ignore")
    for reader in readers().values():
        reader.read(reader.example)  # what is imported at the first reading counts for none
    begun, refused, errors = time.monotonic(), Counter[str](), Counter[str]()
    count = given.first
    while count < given.executions and time.monotonic() - begun < 60 * given.minutes:
        try:
            refused[execute(given.seed, count)] += 1
        except Exception as error:
            kind = f"{list(readers())[count % len(readers())]}: {type(error).__name__}: {str(error)[:150]}"
            print(f"execution {count} of seed {given.seed}: {kind}", flush=True)
            errors[kind] += 1
            if not given.keep_going:
                raise
        count += 1
    done = count - given.first
    print(
        f"{done:,} executions from {given.first:,}, seed {given.seed}: {sum(errors.values())} errors; {dict(refused)}"
    )
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
