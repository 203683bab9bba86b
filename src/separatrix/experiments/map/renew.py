"""The shipped evidence anew: every construction built at the map's tasks, saved, and verified from its file alone."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from separatrix import __version__, constructions
from separatrix.atomic import write_whole
from separatrix.constructions import check
from separatrix.experiments.map.cells import MapColumn
from separatrix.experiments.map.evidence import FILE, Built, Evidence, fields, issue, key, label, solving
from separatrix.experiments.map.make import standard_tasks
from separatrix.tasks import Problem, create


def verified(name: str, options: dict[str, Any], task: Problem, today: str) -> Built | None:
    """A construction built, saved and checked; None where it does not do the task. Raises CertificateError."""
    if (found := issue(name, task, **options)) is None:
        return None
    made = constructions.create(name, **fields(name, task), **options, format=found.number_format)
    with tempfile.TemporaryDirectory() as folder:
        verdict = check.check_file(made.save(Path(folder) / "weights.safetensors"))
    return found.replace(verified=True, made=today, weights_sha256=verdict.certificate.weights_sha256)


def renewed(columns: Sequence[MapColumn]) -> Evidence:
    """Everything anew, printed as it goes."""
    today, found, missing = datetime.now(UTC).date().isoformat(), list[Built](), dict[str, tuple[str, ...]]()
    for column in columns:
        task = create(**column.task)
        for name, options in solving(task):
            one = verified(name, options, task, today)
            print(f"{column.label}: {label(name, options)}: {'not built' if one is None else one.claim}", flush=True)
            if one is None:
                missing[key(task)] = (*missing.get(key(task), ()), label(name, options))
            else:
                found.append(one)
    return Evidence(made=today, version=__version__, built=tuple(found), not_built=missing)


def main() -> None:
    """Make the shipped evidence anew: `python -m separatrix.experiments.map.renew`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", default=str(Path(__file__).with_name(FILE)))
    output = parser.parse_args().output
    write_whole(output, (renewed(standard_tasks()).model_dump_json(indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
