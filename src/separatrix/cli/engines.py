"""The options of every command that runs trials: on which engine, with what, and whom to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from separatrix.experiments.engines.base import Engine

Name = Annotated[str, typer.Option("--engine", help="local: processes of this machine; ray: tasks of a Ray cluster")]
Address = Annotated[
    str | None, typer.Option("--address", help="the Ray cluster's: HOST:PORT or auto [default: this machine alone]")
]
Workers = Annotated[int | None, typer.Option("--workers", help="trials at a time [default: one per core]")]
Cpus = Annotated[float, typer.Option("--cpus", help="cores a trial takes, or a fraction; it has one thread")]
Gpus = Annotated[float, typer.Option("--gpus", help="GPUs a trial takes, or a fraction of one; 0: the processor")]

Track = Annotated[str | None, typer.Option("--track", help="tell tensorboard or wandb of each trial that ends")]


def chosen(name: str, address: str | None, workers: int | None, cpus: float, gpus: float) -> Engine:
    """The engine that the options ask for. Raises InputError for options that do not fit together."""
    from separatrix.experiments.engines.base import Resources, create

    return create(name, workers, address, Resources(cpus, gpus))
