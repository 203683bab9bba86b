"""The options of every command that runs trials: on which engine, with what, and whom to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from separatrix.experiments.engines.base import Engine
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
Track = Annotated[str | None, typer.Option("--track", help="tell tensorboard or wandb of each trial that ends")]


def forget(store: Store, trials: Sequence[TrialConfig], wanted: Sequence[str] | None) -> None:
    """Forget the trials that --force names, so that they run anew. Raises InputError for a name that means none."""
    for trial in _forced(store, trials, wanted or []):
        store.forget(trial.identity())


def _forced(store: Store, trials: Sequence[TrialConfig], wanted: Sequence[str]) -> list[TrialConfig]:
    from separatrix.errors import unknown
    from separatrix.experiments.search.sweep import select

    by_identity = {trial.identity(): trial for trial in trials}
    found: dict[str, TrialConfig] = {}
    for name in wanted:
        if name == "all":
            found |= by_identity
        elif name == "failed":
            ended = {identity: store.result(identity) for identity in by_identity}
            found |= {i: by_identity[i] for i, result in ended.items() if result and result.status == "failed"}
        elif "=" in name:
            found |= {trial.identity(): trial for trial in select(trials, [name])}
        elif name in by_identity:
            found[name] = by_identity[name]
        else:
            raise unknown("trial to --force", name, [*by_identity, "all", "failed"])
    return list(found.values())


def chosen(name: str, address: str | None, workers: int | None, cpus: float, gpus: float) -> Engine:
    """The engine that the options ask for. Raises InputError for options that do not fit together."""
    from separatrix.experiments.engines.base import Resources, create

    return create(name, workers, address, Resources(cpus, gpus))
