"""`separatrix reproduce theorems`: every bound, protocol and construction run, as a table of verdicts."""

from __future__ import annotations

import sys
from json import dumps

import typer

from separatrix.cli.output import print_json, print_table, readable


def reproduce_theorems(output: str | None, json: bool) -> None:
    """Run everything, print the table, write `theorems.json` into `output` if given. Exits with 1 when one fails."""
    from separatrix.experiments.store import Store
    from separatrix.experiments.theorems import Finding, findings

    found: list[Finding] = []
    for each in findings():
        found.append(each)
        if not json:
            print(f"{'holds ' if each.holds else 'FAILS '} {each.statement} ({each.seconds:.1f} s)", file=sys.stderr)
    rows = [each.model_dump(mode="json") for each in found]
    if output is not None:
        Store(output).write("theorems.json", dumps(rows, indent=1).encode())
    if json:
        print_json(rows)
    else:
        columns = ["statement", "what was run", "measured", "bound", "unit", "verdict", "known"]
        print_table(
            "theorems, run",
            columns,
            [[e.statement, e.ran, readable(e.measured), readable(e.bound), e.unit, e.verdict, e.known] for e in found],
        )
    failed = [each.statement for each in found if not each.holds]
    for statement in failed:
        print(f"separatrix: does not hold: {statement}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)
