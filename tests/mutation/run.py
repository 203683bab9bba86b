"""Mutation testing of what is taken on trust: `make mutants`. One line is altered at a time, and a test has to notice.

cosmic-ray alters a copy of the tree under build/mutation/, so that the tree itself is never changed; a sample of its
mutants, drawn with a seed, is put to the tests of their room. Interrupted runs go on. Mutants that survive stand in
build/mutation/ROOM.txt with their differences; the last lines say which share survived, room by room.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult
from tree import BUILD, TREE, copy_tree, environment

HONESTY = "tests/experiments/test_honesty.py"
ROOMS = {
    "bounds": ["tests/bounds", HONESTY],
    "experiments/measure": ["tests/experiments/measure", "tests/experiments/trial/test_initial_weights.py", HONESTY],
    "experiments/search": ["tests/experiments/search", HONESTY],
    "experiments/trial": ["tests/experiments/trial", HONESTY],
    "experiments/store": ["tests/experiments/store"],
    "constructions/check": ["tests/constructions/check"],
}
"""Rooms under src/separatrix, and the tests that answer for them."""

UNREAD = ("ReplaceBinaryOperator_BitOr",)
"""Operators that alter what nobody evaluates: `int | None` in annotations."""

SECONDS = 600
"""A mutant whose tests take longer is killed: some loop no longer ends."""


def ray(*arguments: str | Path) -> None:
    """Run cosmic-ray in the copy."""
    command = [sys.executable, "-m", "cosmic_ray.cli", *map(str, arguments)]
    subprocess.run(command, cwd=TREE, env=environment(), check=True)


def prepared(room: str, tests: Sequence[str], sample: int, seed: int) -> tuple[Path, Path]:
    """The configuration and the session of a room, its mutants thinned to a sample."""
    stem = BUILD / room.replace("/", "-")
    config, session = stem.with_suffix(".toml"), stem.with_suffix(".sqlite")
    command = f"{sys.executable} -m pytest -x -q -p no:cacheprovider -m 'not slow and not long' {' '.join(tests)}"
    config.write_text(
        f'[cosmic-ray]\nmodule-path = "src/separatrix/{room}"\ntimeout = {SECONDS}.0\nexcluded-modules = []\n'
        f'test-command = "{command}"\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    if not session.exists():
        ray("baseline", config)  # tests that fail on the tree as it stands would notice everything
        ray("init", config, session)
        thin(session, sample, seed)
    return config, session


def thin(session: Path, sample: int, seed: int) -> None:
    """Leave a sample of the mutants to be run; the others count as skipped."""
    with use_db(session, WorkDB.Mode.open) as database:
        items = sorted(database.pending_work_items, key=lambda item: str(item.mutations))
        told = [item for item in items if not any(word in item.mutations[0].operator_name for word in UNREAD)]
        kept = set() if not told else {item.job_id for item in random.Random(seed).sample(told, min(sample, len(told)))}
        left_out = [item.job_id for item in items if item.job_id not in kept]
        database.set_multiple_results(left_out, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))


def verdict(room: str, session: Path) -> tuple[int, int]:
    """How many mutants were put to the tests, and how many survived; these are written down."""
    with use_db(session, WorkDB.Mode.open) as database:
        run = [pair for pair in database.completed_work_items if pair[1].worker_outcome == WorkerOutcome.NORMAL]
    survivors = [(item, result) for item, result in run if result.test_outcome == TestOutcome.SURVIVED]
    text = "\n".join(f"{item.mutations[0].operator_name}\n{result.diff}\n" for item, result in survivors)
    (BUILD / f"{room.replace('/', '-')}.txt").write_text(text)
    return len(run), len(survivors)


def main() -> None:
    """Run the rooms asked for, and say which share of the mutants survived."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("rooms", nargs="*", default=list(ROOMS), choices=[[], *ROOMS], help="rooms [default: all]")
    parser.add_argument("--sample", type=int, default=50, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="from the start, on the tree as it stands")
    given = parser.parse_args()
    if given.again:
        shutil.rmtree(BUILD, ignore_errors=True)
    if not TREE.exists():
        copy_tree()
    lines = []
    for room in given.rooms:
        config, session = prepared(room, ROOMS[room], given.sample, given.seed)
        ray("exec", config, session)
        run, survived = verdict(room, session)
        lines.append(f"{room}: {survived} of {run} mutants survived ({survived / max(1, run):.0%})")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
