"""`separatrix reproduce`: run a preset's trials and write the page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli import engines
from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from separatrix.experiments.presets import Preset
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.config import TrialConfig
    from separatrix.experiments.trial.result import Result


def reproduce(
    figure: Annotated[
        str, typer.Argument(help="figure2, figure3, figure4, the id of a panel, all, or theorems")
    ] = "all",
    preset: Annotated[str, typer.Option(help="quick, laptop, paper, or the path of a preset file")] = "quick",
    output: Annotated[
        str | None, typer.Option(help="folder (or fsspec URL) of the results [default: runs/PRESET]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="change a setting in every panel: training.steps=500, seeds=[0,1], lengths=[20]"),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="only trials with PATH=VALUE, e.g. model.name=lstm")] = None,
    engine: engines.Name = "local",
    address: engines.Address = None,
    workers: engines.Workers = None,
    cpus: engines.Cpus = 1.0,
    gpus: engines.Gpus = 0.0,
    track: engines.Track = None,
    force: engines.Force = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials and their cost, and stop.")] = False,
    json: Json = False,
) -> None:
    """Reproduce the paper's figures: train every trial of a preset, then write the page.

    Finished trials are kept: run the same command again after an interruption to go on.

    `theorems` trains nothing: it enumerates the bounds, runs the protocols, builds and checks the constructions. The
    whole of a preset ends with it.

    Example: separatrix reproduce figure2 --preset laptop --set training.steps=500 --only model.name=lstm --dry-run
    """
    from separatrix.cli.theorems import end_with_verdict, reproduce_theorems, run_theorems

    if figure == "theorems":
        reproduce_theorems(output, json)
        return
    from separatrix.cli.progress import report_outcome, run_with_progress
    from separatrix.errors import InputError
    from separatrix.experiments import presets
    from separatrix.experiments.search.sweep import select
    from separatrix.experiments.store.folder import Store

    shipped = presets.load(preset)
    whole = shipped.changed(_assignments(settings or []))
    plan = whole if figure == "all" else whole.only(figure)
    trials = select(plan.trials(), only or [])
    if not trials:
        raise InputError(f"no trial of preset {plan.name} has {' and '.join(only or [])}: see --dry-run without --only")
    if dry_run:
        _describe(plan, trials, json)
        return
    runner = engines.chosen(engine, address, workers, cpus, gpus)
    own = "" if whole == shipped else f"-{whole.content_hash()[:6]}"  # other settings, other page
    store = Store(output or f"runs/{plan.name}{own}")
    engines.forget(store, trials, force)
    store.write("preset.json", whole.model_dump_json(indent=1).encode())
    results = run_with_progress(store, trials, runner, quiet=json, track=track)
    _recall(plan, store, results, json)
    found = run_theorems(store, json) if plan.theorems and figure == "all" and not only else None
    report_outcome(store, results, json)
    if found:
        end_with_verdict(found)


def _recall(plan: Preset, store: Store, results: Sequence[Result], quiet: bool) -> None:
    """Measure what the models of the panels that ask for it hold of their contexts."""
    from separatrix.experiments.measure.recall import recall_all, recallable

    asked = {
        trial.identity()
        for panel in plan.panels
        for trial in panel.trials(plan.training)
        if trial.task.length in panel.recall
    }
    chosen = [result for result in recallable(results) if result.identity in asked]
    if chosen and not quiet:
        typer.echo(f"measuring what {len(chosen)} trained models recall of their contexts", err=True)
    recall_all(store, chosen)


def _assignments(settings: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs, the values as JSON where they are."""
    from separatrix.cli.options import parse
    from separatrix.errors import InputError

    pairs = [setting.partition("=") for setting in settings]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise InputError(f"expected --set NAME=VALUE such as training.steps=500, got {name + equals + value!r}")
    return {name.strip(): parse(value) for name, _, value in pairs}


def _describe(plan: Preset, trials: Sequence[TrialConfig], as_json: bool) -> None:
    """The trials panel by panel, and what they cost."""
    from separatrix.experiments.search.cost import estimated_cost

    cost = estimated_cost(trials)
    if as_json:
        listing = [{"identity": trial.identity(), "trial": trial.label} for trial in trials]
        print_json({"trials": listing, "count": len(trials), "core_hours_at_most": round(cost.hours, 3)})
        return
    for trial in trials:
        print(f"{trial.identity()}  {trial.label}")
    wanted = {trial.identity() for trial in trials}
    rows = []
    for panel in plan.panels:
        inside = [trial for trial in panel.trials(plan.training) if trial.identity() in wanted]
        if inside:
            models = Counter(trial.model_label for trial in inside)
            rows.append(
                [panel.id, panel.figure, len(models), str(sorted({t.task.length for t in inside})), len(inside)]
            )
    print_table(f"preset {plan.name}", ["panel", "figure", "models", "lengths", "trials"], rows)
    print(f"{len(trials)} distinct trials: {cost}")
