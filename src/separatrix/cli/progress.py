"""Live progress over trials."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from separatrix.cli.output import print_json
from separatrix.experiments.config import TrialConfig
from separatrix.experiments.engine import Engine, create
from separatrix.experiments.result import Result
from separatrix.experiments.store import Store
from separatrix.report import write_report


def run_with_progress(
    store: Store, trials: Sequence[TrialConfig], engine: Engine | None = None, quiet: bool = False
) -> list[Result]:
    """Run trials, showing each one's step and accuracy as it trains. Ctrl-C says how to go on.

    engine: None for this machine's processors, all of them
    """
    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    begun = time.perf_counter()
    with Progress(*columns, console=console, disable=quiet) as progress:
        total = progress.add_task("[bold]trials", total=len({trial.identity() for trial in trials}), note="")
        bars: dict[str, TaskID] = {}

        def tick(running: list[TrialConfig]) -> None:
            for trial in running:
                identity = trial.identity()
                if identity not in bars:
                    bars[identity] = progress.add_task(escape(trial.label), total=trial.training.steps, note="starting")
                if said := store.progress(identity):
                    note = f"accuracy {said['accuracy']:.1%}"
                    progress.update(bars[identity], completed=said["step"], note=note)

        def finished(trial: TrialConfig, result: Result) -> None:
            bar = bars.pop(trial.identity(), None)
            if bar is not None:
                progress.remove_task(bar)
            progress.advance(total)
            progress.console.print(escape(summary(trial, result)), highlight=False)

        try:
            return (engine or create()).run(store, trials, finished, tick)
        except KeyboardInterrupt:
            progress.stop()
            print(
                f"separatrix: interrupted after {time.perf_counter() - begun:.0f} s; nothing is lost: "
                "run the same command again to go on",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None


def report_outcome(store: Store, results: Sequence[Result], as_json: bool) -> None:
    """Write the page, say where it is and which trials failed. Exits with 1 when any did."""
    failed = [result for result in results if result.status == "failed"]
    page = write_report(store) if len(failed) < len(results) else None
    if as_json:
        print_json({"output": store.url, "report": page, "trials": len(results), "failed": len(failed)})
    else:
        print(f"{len(results)} trials in {store.url}. The page: {page or 'not written, every trial failed'}")
    for result in failed:
        print(f"separatrix: trial {result.identity} failed: {result.error}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def summary(trial: TrialConfig, result: Result) -> str:
    """One finished trial as a line."""
    if result.test is None:
        return f"{trial.label:<48} failed: {result.error}"
    return (
        f"{trial.label:<48} accuracy {result.test.accuracy:7.2%}  {result.status:<8} "
        f"after {result.steps} steps, {result.seconds:.0f} s"
    )
