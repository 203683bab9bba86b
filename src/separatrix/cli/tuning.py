"""The options of every command that tunes learning rates, and how it trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from separatrix.experiments.engines.base import Engine
    from separatrix.experiments.search.tuning import Choice, Run, Tuning
    from separatrix.experiments.store.folder import Store

Rates = Annotated[
    str | None,
    typer.Option("--rates", help="learning rates that compete, by commas, on seeds that are not reported: 1e-3,3e-3"),
]
Tokens = Annotated[int | None, typer.Option("--tokens", help="training tokens of a trial at most", min=1)]


def tuning(rates: str | None, tokens: int | None = None, steps: int | None = None) -> Tuning | None:
    """How rates are chosen, from the options; None without them. The first cut lies at a sixteenth of the steps.

    Raises InputError for rates that are no numbers.
    """
    from separatrix.errors import InputError, shortened
    from separatrix.experiments.search.tuning import Tuning

    if rates is None:
        return None
    try:
        numbers = [float(word) for word in rates.split(",") if word.strip()]
    except ValueError:
        raise InputError(
            f"expected --rates as numbers by commas, such as 1e-3,3e-3,1e-2, got {shortened(rates)!r}"
        ) from None
    if not numbers:
        raise InputError("expected --rates as numbers by commas, such as 1e-3,3e-3,1e-2, got none")
    return Tuning(rates=numbers, tokens=tokens, **({} if steps is None else {"first": max(1, steps // 16)}))


@contextmanager
def training(store: Store, engine: Engine, quiet: bool, track: str | None = None) -> Iterator[Run]:
    """Trains trials with progress; the local engine keeps its processes from round to round."""
    from separatrix.cli.progress import run_with_progress
    from separatrix.experiments.engines.local import LocalEngine

    def run(trials, until):  # type: ignore[no-untyped-def]
        return run_with_progress(store, trials, engine, quiet=quiet, until=until, track=track)

    if isinstance(engine, LocalEngine):
        with engine.kept():
            yield run
    else:
        yield run


def in_words(choice: Choice) -> str:
    """A rate that was chosen: `0.01 (as good: 0.003, 0.01; of 0.001 … 0.03)`."""
    rates = choice.tuning.rates
    if len(rates) == 1:
        return f"{choice.rate:g}, the only one tried"
    edge = ", at an end of the grid: try rates beyond it" if choice.at_edge else ""
    window = ", ".join(f"{rate:g}" for rate in choice.window)
    return f"{choice.rate:g} (within two points: {window}; of {len(rates)}{edge})"
