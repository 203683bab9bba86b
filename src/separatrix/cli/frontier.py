"""`separatrix frontier`: the smallest model that training finds at each length, beside what is proved and built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli import engines, names
from separatrix.cli import tuning as tunes
from separatrix.cli.output import Json, print_json, print_table
from separatrix.errors import shortened

if TYPE_CHECKING:
    from separatrix.experiments.search.frontier import Frontier, FrontierPlan, Point

DIGITS = 18
"""Digits of a whole number on the command line, at most."""


def frontier(
    context: typer.Context,
    task: names.Task,
    models: Annotated[str, typer.Option(help="models, by commas; NAME:LAYERS for more than one layer")],
    lengths: Annotated[str, typer.Option(help="context lengths, by commas: 20,50,100")],
    widths: Annotated[str | None, typer.Option(help="widths to try, by commas [default: 2, 3, 4, 6, … 512]")] = None,
    seeds: Annotated[str, typer.Option(help="seeds, by commas")] = "0,1,2",
    needed: Annotated[int | None, typer.Option(help="seeds that must reach it [default: more than half]")] = None,
    target: Annotated[float, typer.Option(help="test accuracy to reach")] = 0.99,
    rates: tunes.Rates = None,
    tokens: tunes.Tokens = None,
    output: Annotated[
        str | None, typer.Option(help="folder (or fsspec URL) of the results [default: runs/frontier-TASK]")
    ] = None,
    engine: engines.Name = "local",
    address: engines.Address = None,
    workers: engines.Workers = None,
    cpus: engines.Cpus = 1.0,
    gpus: engines.Gpus = 0.0,
    force: engines.Force = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what the search may cost, and stop.")] = False,
    json: Json = False,
) -> None:
    """Find the smallest width, and state, that reaches a target at each length, beside what is proved and built.

    Learning rates are chosen for every model, width and length (--rates), unless one is given (--learning-rate). The
    search begins where theory and shorter lengths predict. Every trial is kept: a search that was stopped, or is asked
    for more lengths, goes on from what is known. Fields of the task and the training are options, and so are fields of
    the models.

    Example: separatrix frontier bounded-dyck --models lstm,transformer --lengths 8,16,32 --depth 2 --steps 500
    """
    from separatrix.experiments.search.frontier_search import every_trial, find_frontier
    from separatrix.report import write_report

    plan = _plan(context, task, models, lengths, widths, seeds, needed, target, rates, tokens)
    url = output or f"runs/frontier-{task.rpartition(':')[2]}"
    if dry_run:
        _describe(plan, url, json)
        return
    runner = engines.chosen(engine, address, workers, cpus, gpus)
    if not json:
        _describe(plan, url, as_json=False)
    store = engines.opened(url, every_trial(plan) if force else [], force)
    with tunes.training(store, runner, json) as run:
        found = find_frontier(plan, store, run)
    page = write_report(store)
    if json:
        print_json({"output": store.url, "report": page, **found.model_dump(mode="json"), "growth": _growths(found)})
    else:
        _print(found)
        print(f"The page: {page}")


def _plan(
    context: typer.Context,
    task: str,
    models: str,
    lengths: str,
    widths: str | None,
    seeds: str,
    needed: int | None,
    target: float,
    rates: str | None,
    tokens: int | None,
) -> FrontierPlan:
    from separatrix.cli.options import assign
    from separatrix.errors import InputError
    from separatrix.experiments.search.frontier import WIDTHS, FrontierPlan
    from separatrix.experiments.search.tuning import RATES
    from separatrix.experiments.trial.config import TrainingConfig
    from separatrix.models import architecture
    from separatrix.tasks import family

    chosen: list[dict[str, Any]] = []
    for word in filter(None, (part.strip() for part in models.split(","))):
        name, _, layers = word.partition(":") if ".py:" not in word else (word, "", "")
        if layers and not (layers.isdecimal() and len(layers) <= DIGITS):
            raise InputError(f"expected a model such as transformer or transformer:2, got {shortened(word)!r}")
        architecture(name)
        chosen.append({"name": name, "layers": int(layers or 1)})
    if not chosen:
        raise InputError("name at least one model, such as --models lstm,transformer")
    of_models = [field for model in chosen for field in architecture(model["name"]).Config.model_fields]
    given = assign(context, {"task": family(task), "training": TrainingConfig, "model": of_models})
    every = given["model"]
    for model in chosen:
        known = architecture(model["name"]).Config.model_fields
        model |= {field: value for field, value in every.items() if field in known}
    if "width" in every:
        raise InputError("the width is what is searched: give --widths 8,16,32 for those to try")
    if "learning_rate" in given["training"]:
        if rates is not None:
            raise InputError("one rate, or several that compete: give --learning-rate or --rates, not both")
        rates = str(given["training"].pop("learning_rate"))
    steps = given["training"].get("steps", TrainingConfig.model_fields["steps"].default)
    grid = rates or ",".join(f"{rate:g}" for rate in RATES)
    seed_list = _numbers("seeds", seeds)
    return FrontierPlan(
        task={"name": task, **given["task"]},
        models=chosen,
        lengths=_numbers("lengths", lengths),
        widths=list(WIDTHS) if widths is None else _numbers("widths", widths),
        seeds=seed_list,
        needed=len(set(seed_list)) // 2 + 1 if needed is None else needed,
        target=target,
        training=given["training"],
        tuning=tunes.tuning(grid, tokens, steps),
    )


def _numbers(name: str, text: str) -> list[int]:
    from separatrix.errors import InputError

    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdecimal() and len(word) <= DIGITS for word in words):
        raise InputError(f"expected --{name} as whole numbers by commas, such as 20,50,100, got {shortened(text)!r}")
    return [int(word) for word in words]


def _describe(plan: FrontierPlan, url: str, as_json: bool) -> None:
    """What the search probably costs, and what it costs at most."""
    from separatrix.errors import InputError
    from separatrix.experiments.search.cost import estimated_cost
    from separatrix.experiments.search.frontier_search import probable_case, worst_case
    from separatrix.experiments.store.folder import Store

    try:
        store = Store(url, create=False)
    except InputError:  # nothing has been run yet
        store = None
    paces: dict[str, Any] = {}
    probable = estimated_cost(probable_case(plan, store), paces)
    most = estimated_cost(worst_case(plan, store), paces)
    if as_json:
        print_json(
            {
                "trials_at_most": most.trials,
                "core_hours_at_most": round(most.hours, 3),
                "trials_probably": probable.trials,
                "core_hours_probably": round(probable.hours, 3),
                "plan": plan.model_dump(mode="json"),
            }
        )
        return
    cells = len(plan.cells())
    rates = len(plan.tuning.rates) if plan.tuning else 1
    print(f"{cells} searches over {len(plan.widths)} widths, {rates} rates, {len(plan.seeds)} seeds each, in {url}")
    print(f"probably {probable.trials} trials, about {probable.amount}, if the search finds what theory predicts")
    print(f"at most {most.trials} trials, if no width but the largest is enough: {most}")


def _print(found: Frontier) -> None:
    from separatrix.experiments.search.frontier_bounds import known_sizes

    rows = [_row(point) for point in found.points]
    sizes = [[*row[:2], *_chosen_size(point), *known_sizes(found.plan, point)]
             for row, point in zip(rows, found.points, strict=True)]  # fmt: skip
    print_table(
        f"{found.plan.task['name']}: smallest width that reaches {found.plan.target:.0%} in {found.plan.needed} of "
        f"{len(found.plan.seeds)} seeds (observed)",
        ["model", "N", "width", "not reached at", "seeds (95% interval)", "ended"],
        rows,
    )
    print_table(
        "its state and learning rate, beside what is proved and constructed",
        ["model", "N", "state, bits", "proved", "constructed", "rate (window)"],
        [[model, length, bits, proved, built, rate] for model, length, bits, rate, proved, built in sizes],
    )
    for growth in _growths(found):
        print(growth["sentence"])


def _row(point: Point) -> list[Any]:
    name = f"{point.model['name']}-{point.model.get('layers', 1)}"
    if not _found(point):
        what = {"not reached": "not reached within this training"}.get(point.status, "not finished")
        return [name, point.length, what, point.below, "–", "–"]
    seeds = f"{point.reached} of {point.seeds} ({point.low:.0%} … {point.high:.0%})"
    return [name, point.length, point.width, point.below, seeds, _found(point).ended]


def _chosen_size(point: Point) -> list[Any]:
    """Bits of the state that was found, and its learning rate."""
    if not (at := _found(point)):
        return [None, "–"]
    window = "–" if at.choice is None else f"{at.choice.rate:g} ({', '.join(f'{rate:g}' for rate in at.choice.window)})"
    return [point.state_bits, window]


def _found(point: Point) -> Any:
    """What was seen at the width that was found; None where none was."""
    known = point.low is not None and point.high is not None
    return next((seen for seen in point.tried if known and seen.width == point.width), None)


def _growths(found: Frontier) -> list[dict[str, Any]]:
    from separatrix.experiments.search.frontier_bounds import growths

    return growths(found)
