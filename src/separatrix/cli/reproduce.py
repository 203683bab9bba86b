"""`separatrix reproduce`: run a preset's trials and write the page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli import engines
from separatrix.cli import tuning as tunes
from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from separatrix.experiments.presets import Preset
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.config import TrialConfig


def reproduce(
    figure: Annotated[
        str, typer.Argument(help="figure2, figure3, figure4, the id of a panel, all, or theorems")
    ] = "all",
    preset: Annotated[
        str,
        typer.Option(help="quick, laptop, paper, mqar, mqar-paper, state-tracking, or the path of a preset file"),
    ] = "quick",
    output: Annotated[
        str | None, typer.Option(help="folder (or fsspec URL) of the results [default: runs/PRESET]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="change a setting in every panel: training.steps=500, seeds=[0,1], lengths=[20]"),
    ] = None,
    rates: tunes.Rates = None,
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
    """Reproduce the paper's figures: search a preset's frontiers, train its trials, then write the page.

    Where a preset has a table `tuning`, or --rates is given, the learning rate of every model at every length is chosen
    first.

    Finished trials are kept: run the same command again after an interruption to go on.

    `theorems` trains nothing: it runs the paper's theorems, and more. Covered: lower bounds by enumeration at small
    sizes, protocols in each arithmetic, constructions and their certificates. Not covered: what training finds, models
    that may err, lower bounds on two layers, of which none is known. The whole of a preset ends with it.

    Example: separatrix reproduce figure2 --preset laptop --set training.steps=500 --only model.name=lstm --dry-run
    """
    from separatrix.cli.theorems import end_with_verdict, reproduce_theorems, run_theorems

    if figure == "theorems":
        reproduce_theorems(output, json)
        return
    from separatrix.cli.progress import report_outcome
    from separatrix.errors import InputError
    from separatrix.experiments import presets
    from separatrix.experiments.search.frontier_search import find_frontier
    from separatrix.experiments.search.sweep import select
    from separatrix.experiments.search.tuning import tune_all

    shipped = presets.load(preset)
    whole = _with_rates(shipped.changed(_assignments(settings or [])), rates)
    plan = whole if figure == "all" else whole.only(figure)
    plan = plan.replace(frontiers=[]) if only else plan  # a search is one thing
    trials = select(plan.trials(), only or [])
    if not (trials or plan.frontiers):
        raise InputError(f"no trial of preset {plan.name} has {' and '.join(only or [])}: see --dry-run without --only")
    if dry_run:
        _describe(plan, trials, json)
        return
    runner = engines.chosen(engine, address, workers, cpus, gpus)
    own = "" if whole == shipped else f"-{whole.content_hash()[:6]}"  # other settings, other page
    named = _every_trial(plan, trials) if force else []
    store = engines.opened(output or f"runs/{plan.name}{own}", named, force, track)
    store.write("preset.json", whole.model_dump_json(indent=1).encode())
    wanted = {trial.identity() for trial in trials}
    fixed = {trial.identity(): trial for trial in trials}
    with tunes.training(store, runner, json, track) as run:
        for each in plan.plans():
            find_frontier(each, store, run)
        chosen: list[TrialConfig] = []
        for tuning, asked in plan.tuned_panels():
            competing = [trial for trial in asked if trial.identity() in wanted]
            chosen += tune_all(store, competing, tuning, run)
            fixed = {identity: trial for identity, trial in fixed.items() if trial not in competing}
        to_train = {trial.identity(): trial for trial in [*fixed.values(), *chosen]}
        results = list(run(list(to_train.values()), None)) if to_train else []
    _recall(plan, store, json)
    found = run_theorems(store, json) if plan.theorems and figure == "all" and not only else None
    report_outcome(store, results, json)
    if found:
        end_with_verdict(found)


def _with_rates(preset: Preset, rates: str | None) -> Preset:
    """The preset with these rates competing in every panel and search, if any are given."""
    from separatrix.experiments.trial.config import TrainingConfig

    if rates is None:
        return preset
    tuning = tunes.tuning(rates, None, TrainingConfig(**preset.training).steps)
    panels = [panel.replace(tuning=None) for panel in preset.panels]
    frontiers = [each.replace(tuning=None) for each in preset.frontiers]
    return preset.replace(tuning=tuning, panels=panels, frontiers=frontiers)


def _every_trial(plan: Preset, trials: Sequence[TrialConfig]) -> list[TrialConfig]:
    """What --force may name: the trials asked for, at any rate that may be chosen, and those of the searches."""
    from separatrix.experiments.search.frontier_search import every_trial
    from separatrix.experiments.search.tuning import with_every_rate

    wanted = {trial.identity() for trial in trials}
    found = {trial.identity(): trial for trial in trials}
    for tuning, asked in plan.tuned_panels():
        for trial in with_every_rate([trial for trial in asked if trial.identity() in wanted], tuning):
            found[trial.identity()] = trial
    for search in plan.plans():
        found |= {trial.identity(): trial for trial in every_trial(search)}
    return list(found.values())


def _recall(plan: Preset, store: Store, quiet: bool) -> None:
    """Measure what the models that the preset asks for hold of their contexts."""
    from separatrix.experiments.measure.recall import asked_of, recall_all

    chosen = asked_of(plan, store)
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
    """The trials panel by panel, the searches, and what they cost."""
    from separatrix.experiments.search.cost import estimated_cost
    from separatrix.experiments.search.frontier_search import probable_case, worst_case
    from separatrix.experiments.search.tuning import tuning_trials

    wanted = {trial.identity() for trial in trials}
    competing = {
        trial.identity(): trial
        for tuning, asked in plan.tuned_panels()
        for trial in tuning_trials([trial for trial in asked if trial.identity() in wanted], tuning)
    }
    paces: dict[str, Any] = {}
    cost = estimated_cost([*trials, *competing.values()], paces)
    probable = [estimated_cost(probable_case(each), paces) for each in plan.plans()]
    most = [estimated_cost(worst_case(each), paces) for each in plan.plans()]
    if as_json:
        listing = [{"identity": trial.identity(), "trial": trial.label} for trial in trials]
        print_json(
            {
                "trials": listing,
                "count": len(trials),
                "tuning_trials_at_most": len(competing),
                "core_hours_at_most": round(cost.hours + sum(each.hours for each in most), 3),
                "frontier_core_hours_probably": round(sum(each.hours for each in probable), 3),
            }
        )
        return
    for trial in trials:
        print(f"{trial.identity()}  {trial.label}")
    rows = []
    for panel in plan.panels:
        inside = [trial for trial in panel.trials(plan.training) if trial.identity() in wanted]
        if inside:
            models = Counter(trial.model_label for trial in inside)
            rows.append(
                [panel.id, panel.figure, len(models), str(sorted({t.task.length for t in inside})), len(inside)]
            )
    if rows:
        print_table(f"preset {plan.name}", ["panel", "figure", "models", "lengths", "trials"], rows)
        rates = f", and at most {len(competing)} that choose their learning rates" if competing else ""
        print(f"{len(trials)} distinct trials{rates}: {cost}")
    for frontier, likely, worst in zip(plan.frontiers, probable, most, strict=True):
        print(f"frontier {frontier.id}: probably {likely.amount}, at most {worst.amount} ({worst.trials} trials)")
