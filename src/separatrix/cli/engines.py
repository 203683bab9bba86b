"""The options of every command that runs trials: on which engine, with what, and whom to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from separatrix.experiments.engines.base import Engine
    from separatrix.experiments.search.tuning import Tuning
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.config import TrialConfig

Name = Annotated[str, typer.Option("--engine", help="local: processes of this machine; ray: tasks of a Ray cluster")]
Address = Annotated[
    str | None, typer.Option("--address", help="the Ray cluster's: HOST:PORT or auto [default: this machine alone]")
]
Workers = Annotated[int | None, typer.Option("--workers", help="trials at a time [default: one per core]")]
Cpus = Annotated[float, typer.Option("--cpus", help="cores a trial takes, or a fraction; it has one thread")]
Gpus = Annotated[float, typer.Option("--gpus", help="GPUs a trial takes, or a fraction of one; 0: the processor")]

Force = Annotated[
    list[str] | None,
    typer.Option("--force", help="run these again from the start: identities, PATH=VALUE, `failed` or `all`"),
]
Track = Annotated[str | None, typer.Option("--track", help="show curves live in tensorboard or wandb")]


def opened(
    url: str,
    trials: Sequence[TrialConfig],
    force: Sequence[str] | None = None,
    track: str | None = None,
    tuning: Tuning | None = None,
) -> Store:
    """The store of a run, in which the trials that --force names are forgotten, so that they run anew.

    tuning: how the trials' learning rates are chosen, so that those that choose them may be named too
    Raises InputError, before anything is written, for a name that means no trial, and for an unknown tracker.
    """
    from separatrix.experiments.engines.trackers import check_name
    from separatrix.experiments.search.tuning import with_every_rate
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.seeds import is_tuning

    trials = with_every_rate(trials, tuning) if force else []
    wanted, failed = _forced(trials, force or [])
    if track is not None:
        check_name(track)
    store = Store(url)
    for identity in (wanted | failed) & set(store.identities() if force else []):
        result = store.result(identity) if identity in failed - wanted else None
        if identity in wanted or (result is not None and result.status == "failed"):
            store.forget(identity)
    if any(is_tuning(trial.seed) and trial.identity() in wanted | failed for trial in trials):
        store.remove("tuning", first="", keep="")  # rates are chosen anew, from the trials that are kept and these
    return store


def _forced(trials: Sequence[TrialConfig], names: Sequence[str]) -> tuple[set[str], set[str]]:
    """The trials that --force names, and those that it names if they have failed."""
    from separatrix.errors import unknown
    from separatrix.experiments.search.sweep import select

    by_identity = {trial.identity(): trial for trial in trials}
    wanted, failed = set[str](), set[str]()
    for name in names:
        if name == "all":
            wanted |= set(by_identity)
        elif name == "failed":
            failed |= set(by_identity)
        elif "=" in name:
            wanted |= {trial.identity() for trial in select(trials, [name])}
        elif name in by_identity:
            wanted.add(name)
        else:
            raise unknown("trial to --force", name, [*by_identity, "all", "failed"])
    return wanted, failed


def chosen(name: str, address: str | None, workers: int | None, cpus: float, gpus: float) -> Engine:
    """The engine that the options ask for. Raises InputError for options that do not fit together."""
    from separatrix.experiments.engines.base import Resources, create

    return create(name, workers, address, Resources(cpus, gpus))
