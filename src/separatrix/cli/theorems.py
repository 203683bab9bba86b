"""`separatrix reproduce theorems`: every bound, protocol and construction run, as a table and on the page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from separatrix.cli.output import print_json, print_table, readable

if TYPE_CHECKING:
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.theorems.findings import Finding, Findings


TITLE = (
    "the paper's theorems, and more, run and checked: lower bounds in bits and widths at small sizes, protocols, "
    "constructions; not training, models that may err, lower bounds on two layers, or one-layer widths but of equality "
    "and index lookup"
)
"""What is covered and what is not."""


def reproduce_theorems(output: str | None, json: bool) -> None:
    """Run everything, print the table, write it and its page into a store. Exits with 1 when a statement fails."""
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.theorems.findings import COVERED
    from separatrix.report.run.write import write_report

    store = Store(output or "runs/theorems")
    found = run_theorems(store, json)
    page = write_report(store)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        columns = [
            "subject",
            "statement",
            "what was run",
            "measured",
            "bound",
            "unit",
            "arithmetic",
            "verdict",
            "known",
        ]
        print_table(TITLE, columns, [_row(each) for each in found.findings])
        total = len(found.findings)
        print(COVERED)
        print(f"{total - len(found.failed)} of {total} statements hold. The page: {page}")
    end_with_verdict(found)


def run_theorems(store: Store, quiet: bool) -> Findings:
    """Run every statement, a line each as it ends, and keep what was found in a store."""
    from separatrix.experiments.engines.process import one_thread
    from separatrix.experiments.theorems.findings import Findings, keep
    from separatrix.experiments.theorems.run import findings
    from separatrix.experiments.trial.environment import environment

    listed: list[Finding] = []
    with one_thread():
        for each in findings():
            listed.append(each)
            if not quiet:
                verdict = "holds " if each.holds else "FAILS "
                print(f"{verdict} {each.subject}: {each.statement} ({each.seconds:.1f} s)", file=sys.stderr)
        found = Findings(findings=listed, environment=environment())
    keep(store, found)
    return found


def end_with_verdict(found: Findings) -> None:
    """Name the statements that fail; exits with 1 when any does."""
    for each in found.failed:
        print(f"separatrix: does not hold: {each.subject}: {each.statement}", file=sys.stderr)
    if found.failed:
        raise typer.Exit(1)


def _row(each: Finding) -> list[str]:
    bound = "–" if each.bound is None else readable(each.bound)
    return [
        each.subject,
        each.statement,
        each.ran,
        readable(each.measured),
        bound,
        each.unit,
        each.arithmetic,
        each.verdict,
        each.known,
    ]
