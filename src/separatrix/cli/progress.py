"""Live progress over trials."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from separatrix.cli.output import interrupted, print_json
from separatrix.experiments.engines.base import Engine, create
from separatrix.experiments.engines.trackers import Live
from separatrix.experiments.engines.trackers import create as create_tracker
from separatrix.experiments.search.sweep import trial_labels
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result
from separatrix.report import write_report
from separatrix.words import plural


def run_with_progress(
    store: Store,
    trials: Sequence[TrialConfig],
    engine: Engine | None = None,
    quiet: bool = False,
    until: int | None = None,
    track: str | None = None,
) -> list[Result]:
    """Run trials, showing each one's step and accuracy as it trains. Ctrl-C says how to go on.

    engine: None for this machine's processors, all of them
    until:  pause the trials at this step, see `Engine.run`
    track:  what is told of the validations of each trial that runs now, and of its end, see `trackers.create`
    """
    live = Live(create_tracker(track, store), store) if track else None
    known = {trial.identity() for trial in trials if live and store.result(trial.identity()) is not None}
    bars = Bars(store, trials, until, quiet)

    def finished(trial: TrialConfig, result: Result) -> None:
        bars.finished(trial, result)
        if live and result.status != "paused" and result.identity not in known:
            live.ended(trial, result)

    def tick(running: list[TrialConfig]) -> None:
        bars.tick(running)
        if live:
            live.look(running)

    try:
        return (engine or create()).run(store, trials, finished, tick, until)
    except KeyboardInterrupt:
        bars.stop()
        raise interrupted() from None
    finally:
        bars.stop()


class Bars:
    """A bar for each running trial and one for all, on stderr, from the first word of the engine to `stop`."""

    def __init__(self, store: Store, trials: Sequence[TrialConfig], until: int | None, quiet: bool) -> None:
        columns = (
            TextColumn("{task.description}", table_column=Column(overflow="fold", ratio=1, min_width=12)),
            BarColumn(bar_width=10),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, min_width=15)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
        )
        self.store, self.until = store, until
        self.progress = Progress(*columns, console=Console(stderr=True, quiet=quiet), disable=quiet)
        self.labels = trial_labels(trials)
        self.total = self.progress.add_task("[bold]trials", total=len(self.labels), note="")
        self.bars: dict[str, TaskID] = {}

    def tick(self, running: list[TrialConfig]) -> None:
        """See `Engine.run`."""
        self.progress.start()
        words = self.store.progress_of([trial.identity() for trial in running])
        for trial in running:
            identity, end = trial.identity(), min(self.until or trial.training.steps, trial.training.steps)
            if identity not in self.bars:
                self.bars[identity] = self.progress.add_task(escape(self.labels[identity]), total=end, note="starting")
            if said := words.get(identity):
                note = f"accuracy {said['accuracy']:.1%}"
                self.progress.update(self.bars[identity], completed=said["step"], note=note)

    def finished(self, trial: TrialConfig, result: Result) -> None:
        """See `Engine.run`."""
        self.progress.start()
        if (bar := self.bars.pop(trial.identity(), None)) is not None:
            self.progress.remove_task(bar)
        self.progress.advance(self.total)
        if result.status == "paused":
            return
        said = summary(trial, result, self.labels[trial.identity()])
        self.progress.console.print(escape(said), highlight=False, soft_wrap=not self.progress.console.is_terminal)

    def stop(self) -> None:
        """Leave the bars as they stand, if there were any: an error before them stands alone."""
        if self.progress.live.is_started:
            self.progress.stop()


def report_outcome(store: Store, results: Sequence[Result], as_json: bool, given_up: int = 0) -> None:
    """Write the page, say where it is and which trials failed. Exits with 1 when any did."""
    failed = [result for result in results if result.status == "failed"]
    page = write_report(store) if len(failed) < len(results) else None
    if as_json:
        counts = {"trials": len(results), "failed": len(failed), "given_up": given_up}
        print_json({"output": store.url, "report": page, **counts})
    else:
        early = f" ({given_up} more were given up early, see {store.url}/halving.json)" if given_up else ""
        done = f"{len(results) - len(failed)} of {len(results)} trials" if failed else plural(len(results), "trial")
        if seen := [result.overlap for result in results if result.overlap]:
            print(
                f"{plural(len(seen), 'trial')} of few contexts: up to {max(seen):.0%} of those tested had occurred "
                "in training"
            )
        print(f"{done} in {store.url}{early}. The page: {page or 'not written, every trial failed'}")
    for result in failed:
        print(f"separatrix: trial {result.identity} failed: {result.error}", file=sys.stderr)
    if failed:
        print(f"separatrix: {len(failed)} of {len(results)} trials failed", file=sys.stderr)
        raise typer.Exit(1)


def summary(trial: TrialConfig, result: Result, label: str | None = None) -> str:
    """One finished trial as a line, its test accuracy first; label: what to call it, if not by its own label."""
    label = label or trial.label
    if result.test is None:
        return f"failed   {label}: {result.error}"
    return (
        f"{result.test.accuracy:7.2%}  {label}: {result.ending or result.status} after {plural(result.steps, 'step')}, "
        f"{result.seconds:.0f} s"
    )
