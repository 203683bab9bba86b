"""`separatrix bounds`: how large a model must be, in which arithmetic, and how large one suffices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from separatrix.cli import names
from separatrix.cli.bounds_sentence import sentence
from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from separatrix.bounds.arithmetic import ArithmeticModel
    from separatrix.bounds.known_upper import Upper
    from separatrix.tasks import Problem

NO_BOUND = "none known"
"""Where no theorem says anything."""

UNKNOWN = "unknown"
"""Where a task has no closed form."""


def bounds(
    context: typer.Context,
    task: names.Task,
    precision: Annotated[
        int | None, typer.Option(help="bits per number p [default: the format's, or 32]", min=1)
    ] = None,
    heads: Annotated[int, typer.Option(help="attention heads H", min=1)] = 1,
    number_format: Annotated[
        str | None, typer.Option("--format", help="bf16, fp16, e4m3, fixed(12), … [default: all of p bits]")
    ] = None,
    arithmetic: Annotated[
        Literal["fixed", "float", "rounded"] | None,
        typer.Option(help="fixed or float: exact sums; rounded: every result [default: each of them]"),
    ] = None,
    json: Json = False,
) -> None:
    """Lower bounds per architecture class and arithmetic, beside the best known constructions.

    "p bits a number" is not yet an arithmetic: each model of arithmetic is a row, and no row speaks of another. Fields
    of the task are options.

    Example: separatrix bounds index-lookup --length 400 --alphabet 64 --precision 16
    """
    from separatrix.bounds.formats import chosen
    from separatrix.cli.options import assign
    from separatrix.tasks import create, family

    models = chosen(precision, number_format, arithmetic)
    made = create(task, **assign(context, {"task": family(task)})["task"])
    rows, bits = table(made, models, heads), models[0].bits
    if json:
        print_json({"task": made.model_dump(mode="json"), "precision": bits, "heads": heads, "bounds": rows})
        return
    shown = ["architecture class", "arithmetic", "lower bound", "best known", "bits needed"]
    title = f"{task}, length {made.length}, {bits} bits a number (exact deterministic models)"
    print_table(
        title,
        shown,
        [
            [row["status"] if row[name] is None and name == "lower bound" else row[name] for name in shown]
            for row in rows
        ],
    )
    for source in dict.fromkeys((row["architecture class"], row["source"]) for row in rows if row["source"]):
        print(f"best known, {source[0]}: {source[1]}")
    said = {(row["arithmetic"], row["formula"]): row["assumptions"] for row in rows}
    for (words, formula), assumed in said.items():
        print(f"{words}: {formula}{assumed and f'; {assumed}'}.")
    print(
        "m: numbers in the values of all heads. L = ceil(log2 N). Best known widths are those of constructions in real"
    )
    print("numbers (`construct --format` certifies a format), best known states those of machines not told positions.")
    if any(row["status"] == UNKNOWN for row in rows):
        print(f"{UNKNOWN}: this task has no closed form: `separatrix analyze` enumerates it at small lengths")
    print(f"\n{sentence(rows, bits)}")


def table(task: Problem, models: Sequence[ArithmeticModel], heads: int) -> list[dict[str, Any]]:
    """One row per architecture class and model of arithmetic. Lower bounds that nobody knows are None."""
    from separatrix.bounds.arithmetic import ANY, ANY_ASSUMES, STATE, STATE_FORMULA
    from separatrix.bounds.known_upper import REAL, attention_upper, recurrent_upper, two_layer_upper
    from separatrix.bounds.sizes import smallest_state

    needed, p = task.recurrent_bits(), models[0].bits
    upper, one, two = recurrent_upper(task), attention_upper(task), two_layer_upper(task)
    told: dict[str, Any] = {"arithmetic": ANY, "assumptions": ANY_ASSUMES, "quantity": STATE, "bits needed": needed}
    numbers = None if needed is None else smallest_state(needed, p)
    rows = [
        _row("recurrent (state in bits)", needed, upper, formula=STATE_FORMULA, **told),
        _row(f"recurrent (numbers of {p} bits)", numbers, upper, p, formula=f"m p >= {STATE_FORMULA[14:]}", **told),
    ]
    for each in models:
        bits = each.needed(task)
        told = {"arithmetic": each.words, "assumptions": each.assumptions, "formula": each.formula}
        width = None if bits is None else each.smallest_width(bits, heads, task.length)
        told |= {"quantity": each.quantity, "bits needed": bits}
        rows.append(_row(f"1-layer Transformer (width, {heads} heads)", width, one, **told))
    rows.append(
        _row("2-layer Transformer (width)", None, two, arithmetic=REAL, formula="no lower bound is known in any")
    )
    rows[-1]["status"] = NO_BOUND
    return rows


def _row(who: str, lower: float | None, upper: Upper | None, bits: int = 1, **told: Any) -> dict[str, Any]:
    """bits: that each number of the best known state takes."""
    best = None if upper is None else -(-upper.size // bits) if bits > 1 else upper.size
    return (
        {
            "architecture class": who,
            "lower bound": lower,
            "status": UNKNOWN if lower is None else "proved",
            "best known": best,
            "best known arithmetic": None if upper is None else upper.arithmetic,
            "ratio": best / lower if best and lower else None,
            "source": "" if upper is None else f"{upper.construction}; {upper.source}",
        }
        | {"assumptions": "", "quantity": None, "bits needed": None}
        | told
    )
