"""`separatrix audit`: what a model hands over, and what follows for every task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from separatrix.cli import names
from separatrix.cli.configured import built, of_configuration
from separatrix.cli.output import Json, print_json, print_table, readable
from separatrix.words import plural

if TYPE_CHECKING:
    from separatrix.bounds.state_size import StateSize


def audit(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="a model (see `separatrix list models`), or a Hugging Face config.json or its folder",
            autocompletion=names.models,
            metavar="MODEL",
        ),
    ],
    length: Annotated[int, typer.Option(help="context length to judge at", min=2)] = 1024,
    json: Json = False,
) -> None:
    """Print a model's state in bits, its growth with the length, and each task's verdict. Model fields are options.

    Example: separatrix audit lstm --width 64 --length 400
    """
    from dataclasses import asdict

    from separatrix.bounds.audit import verdicts

    size = _size(context, model, length)
    found = verdicts(size, length)
    if json:
        state = asdict(size) | {
            "growth": size.growth, "length": length, "numbers": size.numbers(length), "bits": size.bits(length)
        }  # fmt: skip
        print_json({"model": model, "state": state, "tasks": [asdict(verdict) for verdict in found]})
        return
    print(
        f"{model}: {size.growth} state, at {plural(length, 'token')} {plural(size.bits(length), 'bit')}: "
        f"{size.formats(length)}"
    )
    print(f"how: {size.source}")
    rows = [
        [v.task, v.length, f"{readable(v.needed_bits)} / {readable(v.state_bits)}", v.ruling, v.exact_at_most,
         v.accuracy_ceiling]
        for v in found
    ]  # fmt: skip
    columns = ["task", "N", "bits needed / held", "exactly", "not ruled out at", "accuracy ceiling"]
    print_table(
        "what a model of this state may do, in any arithmetic, by the bits of its stored tensors", columns, rows
    )


def _size(context: typer.Context, model: str, length: int) -> StateSize:
    """The state of a configuration's model or of a model by name and options, measured."""
    from separatrix.cli.options import assign
    from separatrix.models import architecture

    path = Path(model.removeprefix("hf:"))
    if model.endswith(".json") or path.is_dir():
        assign(context, {})
        return of_configuration(model, length)
    options = assign(context, {"model": architecture(model).Config})["model"]
    return built({"name": model, **options}, min(length, 64))
