"""`separatrix audit`: what a model hands over, and what follows for every task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json, print_table


def audit(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(help="a model (see `separatrix list models`), or a Hugging Face config.json or its folder")
    ],
    length: Annotated[int, typer.Option(help="context length to judge at", min=2)] = 1024,
    json: Json = False,
) -> None:
    """Print a model's state in bits, its growth with the length, and each task's verdict. Model fields are options.

    Example: separatrix audit lstm --width 64 --length 400
    """
    from dataclasses import asdict

    from separatrix.bounds.audit import config_size, load_config, measured_size, verdicts
    from separatrix.cli.options import assign
    from separatrix.models import architecture, create
    from separatrix.tasks import create as create_task

    if Path(model).is_dir():
        model = str(Path(model) / "config.json")
    if model.endswith(".json"):
        assign(context, {})
        size = config_size(load_config(model))
    else:
        options = assign(context, {"model": architecture(model).Config})["model"]
        probe = create_task("index-lookup", length=min(length, 64), alphabet=4)
        size = measured_size(create(model, probe, **options), probe)
    found = verdicts(size, length)
    if json:
        state = asdict(size) | {"growth": size.growth, "length": length, "bits": size.bits(length)}
        print_json({"model": model, "state": state, "tasks": [asdict(verdict) for verdict in found]})
        return
    numbers = f"{size.numbers(length):,} numbers of {size.precision} bits = {size.bits(length):,} bits"
    print(f"{model}: {size.growth} state, {numbers} at {length} tokens ({size.source})")
    rows = [
        [v.task, v.length, v.needed_bits, v.state_bits, v.possible, str(v.longest), v.accuracy_ceiling] for v in found
    ]
    columns = ["task", "length", "needed (bits)", "state (bits)", "not ruled out", "exact at", "accuracy ceiling"]
    print_table("what an exact model of this state may do (proved)", columns, rows)
