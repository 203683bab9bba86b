"""`separatrix train`: one trial."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from separatrix.cli import engines, names
from separatrix.cli import tuning as tunes
from separatrix.cli.output import Json, bits_needed, print_json, print_table


def train(
    context: typer.Context,
    task: names.Task,
    model: names.Model,
    output: Annotated[str, typer.Option(help="folder (or fsspec URL) of the results")] = "runs/train",
    rates: tunes.Rates = None,
    tokens: tunes.Tokens = None,
    engine: engines.Name = "local",
    address: engines.Address = None,
    cpus: engines.Cpus = 1.0,
    gpus: engines.Gpus = 0.0,
    track: engines.Track = None,
    force: engines.Force = None,
    json: Json = False,
) -> None:
    """Train a model on a task. Fields of the task, the model and the training are options, and so is --seed.

    With --rates the learning rate is chosen first, on seeds that are never reported.

    Example: separatrix train index-lookup lstm --length 16 --alphabet 4 --width 32 --rates 1e-3,3e-3,1e-2
    """
    from separatrix.cli.options import assign
    from separatrix.config import Config
    from separatrix.errors import InputError
    from separatrix.experiments.search.tuning import choose_rates, tuned
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
    if rates is not None and "learning_rate" in given["training"]:
        raise InputError("one rate, or several that compete: give --learning-rate or --rates, not both")
    tuning = tunes.tuning(rates, tokens, trial.training.steps)
    if tokens is not None and tuning is None:
        raise InputError("--tokens is the budget of a tuned trial: give --rates too, or --steps instead")
    runner = engines.chosen(engine, address, 1 if tuning is None else None, cpus, gpus)
    store, choice = engines.opened(output, [trial], force, track, tuning), None
    with tunes.training(store, runner, json, track) as run:
        if tuning is not None:
            (choice,) = choose_rates(store, [trial], tuning, run)
            trial = tuned(trial, choice)
        (result,) = run([trial], None)
    if json:
        print_json(result.model_dump(mode="json") | ({"choice": choice.model_dump(mode="json")} if choice else {}))
    elif result.test is not None:
        rows: list[list[Any]] = [
            ["test accuracy", result.test.accuracy],
            ["guessing", 1 / trial.task.answers],
            ["loss (bits)", result.test.loss_bits],
            ["state, measured (bits)", result.state_bits],
            ["exact recurrent models need (bits, any arithmetic)", bits_needed(result.recurrent_bits)],
            ["parameters", result.parameters],
            *([["test contexts that occurred in training", result.overlap]] if result.overlap is not None else []),
            ["ended", result.ending or result.status],
            ["tokens trained on", result.tokens],
            *([["learning rate", tunes.in_words(choice)]] if choice else []),
            ["stored in", f"{output}/trials/{result.identity}"],
        ]
        print_table(trial.label, ["", ""], rows)
    if result.status == "failed":
        typer.echo(f"separatrix: {result.error}", err=True)
        raise typer.Exit(1)
