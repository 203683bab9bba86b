"""`separatrix reproduce`: run a preset's trials and write the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli import engines
from separatrix.cli.output import Json, print_json


def reproduce(
    figure: Annotated[str, typer.Argument(help="figure2, figure4, …, all, or theorems")] = "all",
    preset: Annotated[str, typer.Option(help="quick, or the path of a preset file of your own")] = "quick",
    output: Annotated[
        Path | None, typer.Option(help="folder (or fsspec URL) of the results [default: runs/PRESET]")
    ] = None,
    engine: engines.Name = "local",
    address: engines.Address = None,
    workers: engines.Workers = None,
    cpus: engines.Cpus = 1.0,
    gpus: engines.Gpus = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials and stop.")] = False,
    json: Json = False,
) -> None:
    """Reproduce the paper's figures: train every trial of a preset, then write the page.

    Finished trials are kept: run the same command again after an interruption to go on.

    `theorems` trains nothing: it enumerates the bounds, runs the protocols, builds and checks the constructions.

    Example: separatrix reproduce figure2 --preset quick
    """
    if figure == "theorems":
        from separatrix.cli.theorems import reproduce_theorems

        reproduce_theorems(output, json)
        return
    from separatrix.cli.progress import report_outcome, run_with_progress
    from separatrix.experiments import presets
    from separatrix.experiments.store import Store

    whole = presets.load(preset)
    plan = whole if figure == "all" else whole.only(figure)
    trials = plan.trials()
    if dry_run:
        listing = [{"identity": trial.identity(), "trial": trial.label} for trial in trials]
        print_json(listing) if json else print("\n".join(f"{row['identity']}  {row['trial']}" for row in listing))
        return
    runner = engines.chosen(engine, address, workers, cpus, gpus)
    url = str(output or f"runs/{plan.name}")
    store = Store(url)
    store.write("preset.json", whole.model_dump_json(indent=1).encode())
    results = run_with_progress(store, trials, runner, quiet=json)
    report_outcome(store, results, json)
