"""`separatrix card`: what an architecture can hold, on one page and in one JSON file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli import engines, names
from separatrix.cli import tuning as tunes
from separatrix.cli.output import Json, interrupted

if TYPE_CHECKING:
    from separatrix.experiments.card.running import Watcher


RATES_CUT = 1600
"""Steps that the first cut of --rates lies a sixteenth of, in a battery that chooses no rates itself."""


def card(
    context: typer.Context,
    model: names.Model,
    minutes: Annotated[float, typer.Option(help="wall-clock time for a first look", min=0.1)] = 10.0,
    thorough: Annotated[bool, typer.Option("--thorough", help="Run the whole battery, however long it takes.")] = False,
    battery: Annotated[
        str | None, typer.Option(help="a TOML file of your own probes instead of the standard ones")
    ] = None,
    rates: tunes.Rates = None,
    gpus: engines.Gpus = 0.0,
    output: Annotated[Path, typer.Option(help="folder for the card, its page and its trials")] = Path("runs/cards"),
    workers: Annotated[
        int | None, typer.Option(help="processes, each with one thread [default: one per core]", min=1)
    ] = None,
    force: engines.Force = None,
    json: Json = False,
) -> None:
    """Make the card of an architecture: what it recalls, decides and tracks, its state and speed, beside references.

    The learning rate of every question is chosen first, on seeds that are not reported. In its minutes a card is a
    first look: it runs what fits, in order of worth, and lists what it did not. --thorough runs the whole battery with
    every seed, as the references were made; with other --rates a card stands beside none of them. Fields of the model
    are options. Trials are kept: the same command again goes on where the time ended.

    Example: separatrix card mamba --width 64 --minutes 10
    """
    from separatrix.cli.options import assign
    from separatrix.experiments.card import make_card, references, write_card
    from separatrix.experiments.card.probes import load, standard
    from separatrix.models import architecture
    from separatrix.report.card.write import write_card_page

    options = assign(context, {"model": architecture(model).Config})["model"]
    engines.chosen("local", None, workers, 1.0, gpus)  # refuses what the machine lacks before anything is written
    asked = standard() if battery is None else load(battery)
    if (tuning := tunes.tuning(rates, steps=RATES_CUT)) is not None:
        asked = asked.replace(tuning=asked.tuning.replace(rates=tuning.rates) if asked.tuning else tuning)
    trials = asked.trials({"name": model, **options})
    store = engines.opened(str(output), [planned.config for planned in trials], force, tuning=asked.tuning)
    with watching(json) as watcher:
        try:
            time_given = None if thorough else minutes
            made = make_card({"name": model, **options}, store, time_given, workers, asked, watcher, gpus)
        except KeyboardInterrupt:
            watcher.says("interrupted")
            raise interrupted() from None
        watcher.says("page")
        stem = output / file_name(made.label, made.model)
        written = write_card(made, stem.with_suffix(".json"))
        page = write_card_page([made], references(), stem.with_suffix(".html"))
    if json:
        print(written.read_text(encoding="utf-8"))
    else:
        summarise([made])
        if made.state.whole_past:
            print("State: its whole past, since the module has no step(state, x): its width times the length.")
        print(f"The page: {page}\nThe card: {written} ({made.seconds:.0f} s, {made.missing} trials not run)")
    failed = [(q, trial) for q in made.questions for trial in q.trials if trial.status == "failed"]
    for question, trial in failed:
        print(f"separatrix: {question.title} at {question.length}, seed {trial.seed}: {trial.why}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def file_name(label: str, model: dict[str, Any]) -> str:
    """A name for a card's files: the model's, its layers and width, and a mark of its settings."""
    import hashlib

    from separatrix.config import canonical_json
    from separatrix.report.html.labels import short_name, slug

    mark = hashlib.sha256(canonical_json(model).encode()).hexdigest()[:6]
    return f"{slug(short_name(label))}-{mark}"


def summarise(cards: Sequence[Any]) -> None:
    """Tables of what each card measured: accuracy beside chance, then bits recalled."""
    from separatrix.cli.output import print_table
    from separatrix.experiments.card.compare import compared
    from separatrix.report.html.labels import percent

    alone, rows, held = len(cards) == 1, [], []
    for row in compared(cards):
        like = [] if alone else [row.like]
        met = [answer for answer in row.answers if answer is not None]
        cells = [
            "not run" if a is None or a.median is None else f"{percent(a.median)} ({len(a.measured)})"
            for a in row.answers
        ]
        rows.append([row.title, row.length, f"{met[0].chance:.1%}" if met else None, *cells, *like])
        recalled = [a.recalled if a else None for a in row.answers]
        if any(recalled):
            bits = [f"{r.recalled_bits:.1f} / {r.state_bits:,}" if r else "–" for r in recalled]
            held.append([row.title, row.length, *bits, *like])
    names = ["accuracy"] if alone else [one.label for one in cards]
    last = [] if alone else ["like with like"]
    title = " beside ".join(one.label for one in cards)
    columns = ["task", "N", "chance", *(f"{name} (seeds)" for name in names), *last]
    print_table(f"{title}: test accuracy, median over seeds (observed)", columns, rows)
    if held:
        labels = ["recalled / state"] if alone else names
        print_table("bits recalled / bits of state (observed)", ["task", "N", *labels, *last], held)


@contextmanager
def watching(quiet: bool) -> Iterator[Watcher]:
    """A watcher that shows the phase, a bar over the trials and what each running one has reached, on stderr."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from separatrix.cli.progress import summary
    from separatrix.experiments.card.running import Watcher

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True, quiet=quiet)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("begins", total=1)

        class Shown(Watcher):
            def says(self, text: str) -> None:
                progress.update(bar, description=escape(text))

            def plans(self, trials: Any, seconds: float) -> None:
                done = int(progress.tasks[0].completed)
                progress.update(bar, total=done + len(trials))
                progress.console.print(f"{len(trials)} trials fit into the {seconds:.0f} s left", highlight=False)

            def runs(self, trials: Any) -> None:
                progress.update(bar, description=escape(", ".join(trial.task.name for trial in trials) or "trials"))

            def ends(self, trial: Any, result: Any) -> None:
                progress.advance(bar)
                progress.console.print(
                    escape(summary(trial, result)), highlight=False, soft_wrap=not console.is_terminal
                )

        yield Shown()
