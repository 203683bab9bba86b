"""`separatrix train`: one trial."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from separatrix.cli import engines
from separatrix.cli.output import Json, bits_needed, print_json, print_table


def train(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="a task (see `separatrix list tasks`)")],
    model: Annotated[str, typer.Argument(help="a model (see `separatrix list models`)")],
    output: Annotated[str, typer.Option(help="folder (or fsspec URL) of the results")] = "runs/train",
    engine: engines.Name = "local",
    address: engines.Address = None,
    cpus: engines.Cpus = 1.0,
    gpus: engines.Gpus = 0.0,
    track: engines.Track = None,
    force: engines.Force = None,
    json: Json = False,
) -> None:
    """Train a model on a task. Fields of the task, the model and the training are options, and so is --seed.

    Example: separatrix train index-lookup lstm --length 50 --alphabet 16 --width 64 --steps 1000
    """
    from separatrix.cli.options import assign
    from separatrix.cli.progress import run_with_progress
    from separatrix.config import Config
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.config import TrainingConfig, TrialConfig
    from separatrix.models import architecture
    from separatrix.tasks import family

    sections: dict[str, type[Config]] = {
        "task": family(task),
        "model": architecture(model).Config,
        "training": TrainingConfig,
        "trial": TrialConfig,
    }
    given = assign(context, sections)
    trial = TrialConfig(
        task={"name": task, **given["task"]},
        model={"name": model, **given["model"]},
        training=given["training"],
        **given["trial"],
    )
    runner = engines.chosen(engine, address, 1, cpus, gpus)
    store = Store(output)
    engines.forget(store, [trial], force)
    (result,) = run_with_progress(store, [trial], runner, quiet=json, track=track)
    if json:
        print_json(result.model_dump(mode="json"))
    elif result.test is not None:
        rows: list[list[Any]] = [
            ["test accuracy", result.test.accuracy],
            ["loss (bits)", result.test.loss_bits],
            ["state, measured (bits)", result.state_bits],
            ["exact recurrent models need (bits, any arithmetic)", bits_needed(result.recurrent_bits)],
            ["parameters", result.parameters],
            ["stored in", f"{output}/trials/{result.identity}"],
        ]
        print_table(trial.label, ["", ""], rows)
    if result.status == "failed":
        typer.echo(f"separatrix: {result.error}", err=True)
        raise typer.Exit(1)
