"""`separatrix sweep`: grids and lists of trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli import engines
from separatrix.cli import tuning as tunes
from separatrix.cli.output import Json, print_json, print_table
from separatrix.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from separatrix.experiments.search.halving import Halving
    from separatrix.experiments.search.sweep import Sweep
    from separatrix.experiments.trial.config import TrialConfig


def sweep(
    file: Annotated[Path, typer.Argument(help="the sweep's TOML file")],
    output: Annotated[str | None, typer.Option(help="folder (or fsspec URL) for results [default: runs/NAME]")] = None,
    only: Annotated[list[str] | None, typer.Option(help="run only trials with PATH=VALUE, e.g. model.width=64")] = None,
    force: engines.Force = None,
    engine: engines.Name = "local",
    address: engines.Address = None,
    workers: engines.Workers = None,
    cpus: engines.Cpus = 1.0,
    gpus: engines.Gpus = 0.0,
    track: engines.Track = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the trials and the time they may take.")] = False,
    json: Json = False,
) -> None:
    """Run every trial of a sweep file. Finished trials are kept: run the same command again to go on.

    Example: separatrix sweep sweep.toml --only model.width=64 --dry-run
    """
    from separatrix.cli.progress import report_outcome, run_with_progress
    from separatrix.errors import InputError
    from separatrix.experiments.search.best import BEST, best_settings
    from separatrix.experiments.search.halving import contests, halve
    from separatrix.experiments.search.sweep import load_sweep, select
    from separatrix.experiments.search.tuning import tune_all

    plan = load_sweep(file)
    trials = select(plan.trials(), only or [])
    if not trials:
        raise InputError(f"no trial of {file} has {' and '.join(only or [])}: see --dry-run without --only")
    if plan.halving:
        contests(trials, plan.halving)  # says so now if nobody competes
    url = output or f"runs/{file.stem}"
    if dry_run:
        _describe(url, trials, plan, json)
        return
    runner = engines.chosen(engine, address, workers, cpus, gpus)
    store = engines.opened(url, trials, force, track, plan.tuning)
    chosen = trials
    if plan.tuning:
        with tunes.training(store, runner, json) as run:
            chosen = tune_all(store, trials, plan.tuning, run)
    if plan.halving:

        def advance(some: list[TrialConfig], step: int) -> None:
            run_with_progress(store, some, runner, quiet=json, until=step, track=track)

        chosen = halve(store, trials, plan.halving, advance)
    results = run_with_progress(store, chosen, runner, quiet=json, track=track)
    if not json:
        rows = [list(row.values()) for row in best_settings(results)]
        print_table("the best setting of each model, by median test accuracy (observed)", list(BEST), rows)
    report_outcome(store, results, json, given_up=len(trials) - len(chosen))


def _describe(url: str, trials: Sequence[TrialConfig], plan: Sweep, as_json: bool) -> None:
    """The trials, how they stand in the store if there is one, and what the rest of them costs."""
    from separatrix.errors import InputError
    from separatrix.experiments.search.cost import by_model, estimated_cost
    from separatrix.experiments.search.sweep import trial_labels
    from separatrix.experiments.search.tuning import tuning_trials
    from separatrix.experiments.store.folder import Store

    statuses: dict[str, str] = {}
    try:
        store = Store(url, create=False)
    except InputError:  # nothing has been run yet
        pass
    else:
        identities = [trial.identity() for trial in trials]
        begun = store.progress_of(identities)
        statuses = {identity: f"at step {said['step']} of {said['steps']}" for identity, said in begun.items()}
        ended = {identity: store.result(identity) for identity in identities}
        statuses |= {identity: result.status for identity, result in ended.items() if result is not None}
    labels = trial_labels(trials)
    listing = [
        {"identity": (identity := trial.identity()), "trial": labels[identity], "stands": statuses.get(identity, "new")}
        for trial in trials
    ]
    left = [t for t, row in zip(trials, listing, strict=True) if row["stands"] == "new" or "step" in row["stands"]]
    competing = tuning_trials(left, plan.tuning) if plan.tuning else []
    paces: dict[str, Any] = {}
    cost, rule = estimated_cost([*left, *competing], paces), plan.halving
    parts = by_model([*left, *competing], paces)
    said: dict[str, Any] = {
        "trials": listing,
        "to_run": len(left),
        "tuning_trials_at_most": len(competing),
        "core_seconds_at_most": cost.seconds,
        "by_model": {model: {"trials": part.trials, "core_seconds_at_most": part.seconds}
                     for model, part in parts.items()},
    }  # fmt: skip
    if rule is not None:
        said["share_with_halving"] = _share(trials, rule)
    if as_json:
        print_json(said)
        return
    print_table(plural(len(trials), "trial"), list(listing[0]), [list(row.values()) for row in listing])
    rows = [[model, part.trials, part.amount] for model, part in parts.items()]
    if rows:
        print_table("what is left to run, by model and width", ["model", "trials", "at most"], rows)
    tuned = f", and at most {len(competing)} that choose their learning rates" if competing else ""
    print(f"{len(left)} to run{tuned}: {cost}")
    if rule is not None:
        print(f"halving trains at most {said['share_with_halving']:.0%} of all steps, and ends most trials early")


def _share(trials: Sequence[TrialConfig], rule: Halving) -> float:
    """The share of all trials' steps that is trained at most, with halving."""
    from separatrix.experiments.search.halving import contests

    trained, whole = 0.0, 0
    for contest in contests(trials, rule):
        seeds = len(contest.trials) / len(contest.settings)
        trained += seeds * rule.trained_steps(len(contest.settings), contest.steps)
        whole += len(contest.trials) * contest.steps
    return trained / whole
