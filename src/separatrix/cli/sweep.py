"""`separatrix sweep`: grids and lists of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli import engines
from separatrix.cli.output import Json, print_json, print_table


def sweep(
    file: Annotated[Path, typer.Argument(help="the sweep's TOML file")],
    output: Annotated[Path | None, typer.Option(help="folder (or fsspec URL) for results [default: runs/NAME]")] = None,
    only: Annotated[list[str] | None, typer.Option(help="run only trials with PATH=VALUE, e.g. model.width=64")] = None,
    force: Annotated[list[str] | None, typer.Option(help="run these trials again (identities, or `all`)")] = None,
    engine: engines.Name = "local",
    address: engines.Address = None,
    workers: engines.Workers = None,
    cpus: engines.Cpus = 1.0,
    gpus: engines.Gpus = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials and the time they may take.")] = False,
    json: Json = False,
) -> None:
    """Run every trial of a sweep file. Finished trials are kept: run the same command again to go on.

    Example: separatrix sweep sweep.toml --only model.width=64 --dry-run
    """
    from separatrix.cli.progress import report_outcome, run_with_progress
    from separatrix.experiments.store import Store
    from separatrix.experiments.sweep import estimated_seconds, load_sweep, select

    trials = select(load_sweep(file).trials(), only or [])
    if dry_run:
        listing = [{"identity": trial.identity(), "trial": trial.label} for trial in trials]
        seconds = estimated_seconds(trials)
        if json:
            print_json({"trials": listing, "core_seconds_at_most": seconds})
        else:
            print_table(f"{len(trials)} trials", ["identity", "trial"], [list(row.values()) for row in listing])
            print(f"at most about {seconds / 60:.1f} core minutes, measured on a few steps of each shape")
        return
    runner = engines.chosen(engine, address, workers, cpus, gpus)
    url = str(output or f"runs/{file.stem}")
    store = Store(url)
    for trial in trials:
        if force and (trial.identity() in force or "all" in force):
            store.forget(trial.identity())
    results = run_with_progress(store, trials, runner, quiet=json)
    report_outcome(store, results, json)
