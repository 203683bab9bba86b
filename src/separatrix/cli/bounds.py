"""`separatrix bounds`: how large a model must be, and how large one suffices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from separatrix.tasks import Task


def bounds(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="a task (see `separatrix list tasks`)")],
    precision: Annotated[int, typer.Option(help="bits per number p", min=1)] = 32,
    heads: Annotated[int, typer.Option(help="attention heads H", min=1)] = 1,
    json: Json = False,
) -> None:
    """Lower bounds per architecture class, beside the best known constructions. Fields of the task are options.

    Example: separatrix bounds index-lookup --length 400 --alphabet 64 --precision 16
    """
    from separatrix.cli.options import assign
    from separatrix.tasks import create, family

    made = create(task, **assign(context, {"task": family(task)})["task"])
    rows = table(made, precision, heads)
    if json:
        print_json({"task": made.model_dump(mode="json"), "precision": precision, "heads": heads, "bounds": rows})
        return
    title = f"{task}, length {made.length}, {precision} bits a number (exact deterministic models)"
    print_table(title, list(rows[0]), [list(row.values()) for row in rows])


def table(task: Task, precision: int, heads: int) -> list[dict[str, Any]]:
    """One row per architecture class."""
    from separatrix.bounds.known_upper import attention_upper, recurrent_upper, two_layer_upper
    from separatrix.bounds.sizes import smallest_state, smallest_width

    recurrent, attention = task.recurrent_bits(), task.attention_bits()
    upper = recurrent_upper(task)
    width = smallest_width(attention, precision, heads, task.length)
    one, two = attention_upper(task), two_layer_upper(task)
    return [
        {
            "architecture class": "recurrent (state in bits)",
            "lower bound": recurrent,
            "best known": upper.size if upper else None,
            "ratio": upper.size / recurrent if upper and recurrent else None,
            "source": f"recurrent cut; {upper.construction}" if upper else "recurrent cut",
        },
        {
            "architecture class": f"recurrent (numbers of {precision} bits)",
            "lower bound": smallest_state(recurrent, precision),
            "best known": smallest_state(upper.size, precision) if upper else None,
            "ratio": None,
            "source": "m p >= bits",
        },
        {
            "architecture class": f"1-layer Transformer (width, {heads} heads)",
            "lower bound": width,
            "best known": one.size if one else None,
            "ratio": one.size / width if one else None,
            "source": f"attention cut, {attention:.4g} bits" + (f"; {one.source}" if one else ""),
        },
        {
            "architecture class": "2-layer Transformer (width)",
            "lower bound": 1,
            "best known": two.size if two else None,
            "ratio": None,
            "source": two.source if two else "no linear bound is known",
        },
    ]
