"""`separatrix finetune`: does training keep, or find again, what a theorem constructs?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from separatrix.cli import engines, names
from separatrix.cli.output import Json, print_json, print_table


def finetune(
    context: typer.Context,
    name: names.Construction,
    noise: Annotated[str, typer.Option(help="relative noise on the weights")] = "0,0.01,0.1,0.3",
    seeds: Annotated[str, typer.Option(help="seeds of noise and data")] = "0,1,2",
    output: Annotated[str, typer.Option(help="folder (or fsspec URL) of the results")] = "runs/finetune",
    engine: engines.Name = "local",
    address: engines.Address = None,
    workers: engines.Workers = None,
    cpus: engines.Cpus = 1.0,
    gpus: engines.Gpus = 0.0,
    force: engines.Force = None,
    json: Json = False,
) -> None:
    """Train a construction further, from its own weights and from weights near them; compare what it attends to.

    Fields of the task, the construction and the training are options. Accuracies are observed on test contexts.

    Example: separatrix finetune index-lookup --length 32 --alphabet 8 --format real --steps 300
    """
    from separatrix import constructions
    from separatrix.cli.options import assign
    from separatrix.cli.progress import run_with_progress
    from separatrix.config import Config
    from separatrix.experiments.engines.run_trial import load_trained
    from separatrix.experiments.measure.attention_overlap import likeness
    from separatrix.experiments.trial.config import TrainingConfig
    from separatrix.experiments.trial.evaluation import evaluate
    from separatrix.experiments.trial.initial_weights import finetuning, start
    from separatrix.tasks import family

    found = constructions.theorem(name)
    sections: dict[str, type[Config]] = {
        "construction": found.options,
        "task": family(found.task),
        "training": TrainingConfig,
    }
    given = assign(context, sections)
    parameters = {**given["task"], **given["construction"]}
    shares, runs = numbers(noise, float), numbers(seeds, int)
    trials = [finetuning(name, parameters, share, seed, given["training"]) for share in shares for seed in runs]
    runner = engines.chosen(engine, address, workers, cpus, gpus)
    store = engines.opened(output, trials, force)
    results = run_with_progress(store, trials, runner, quiet=json)
    built = constructions.create(name, **parameters).model
    rows: list[dict[str, Any]] = []
    for trial, result in zip(trials, results, strict=True):
        training, task = trial.training, trial.task
        begun = evaluate(
            start(trial), task, trial.seed, "test", training.test_contexts, min(32, task.query_count), "cpu"
        )
        assert trial.start is not None
        row = {
            "noise": trial.start.noise,
            "seed": trial.seed,
            "accuracy before": begun.accuracy,
            "accuracy after": result.test.accuracy if result.test else None,
            "status": result.status,
            "steps": result.steps,
            "attention overlap": None,
            "identity": result.identity,
        }
        if result.test is not None and trial.model.name == "transformer":
            row["attention overlap"] = min(
                head.overlap for head in likeness(load_trained(store, result.identity), built)
            )
        rows.append(row)
    if json:
        print_json({"construction": name, "parameters": parameters, "trials": rows})
    else:
        print_table(f"{name}, trained further (observed)", list(rows[0]), [list(row.values()) for row in rows])


def numbers(text: str, kind: type) -> list[Any]:
    """`0,0.1` as numbers. Raises InputError for anything else."""
    from separatrix.errors import InputError, shortened

    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"expected numbers such as 0,1,2, got {shortened(text)!r}") from None
