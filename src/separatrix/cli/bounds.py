"""`separatrix bounds`: how large a model must be, in which arithmetic, and how large one suffices."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from separatrix.cli import names
from separatrix.cli.output import Json, print_json, print_table
from separatrix.words import plural


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
    error: Annotated[
        float, typer.Option(help="share of the task's inputs that may be answered wrongly", min=0, max=1)
    ] = 0.0,
    json: Json = False,
) -> None:
    """Lower bounds per architecture class and arithmetic, beside the best known constructions.

    "p bits a number" is not yet an arithmetic: each model of arithmetic is a row, and no row speaks of another. Fields
    of the task are options.

    Example: separatrix bounds index-lookup --length 400 --alphabet 64 --precision 16
    """
    from separatrix.bounds.classes import UNKNOWN, table
    from separatrix.bounds.errors_allowed import needed_with_error
    from separatrix.bounds.formats import chosen
    from separatrix.bounds.in_words import sentence
    from separatrix.bounds.published import as_rows, published
    from separatrix.cli.options import assign
    from separatrix.tasks import create, family

    models = chosen(precision, number_format, arithmetic)
    made = create(task, **assign(context, {"task": family(task)})["task"])
    rows, bits = table(made, models, heads), models[0].bits
    held = needed_with_error(made, error) if error else None
    if json:
        allowed = {"error": error, "state_bits": held} if error else None
        print_json({
            "task": made.model_dump(mode="json"), "precision": bits, "heads": heads, "bounds": rows, "allowed": allowed,
            "published": as_rows(made),
        })  # fmt: skip
        return
    shown = ["architecture class", "arithmetic", "lower bound", "best known", "bits needed"]
    title = f"{task}, length {made.length}, {plural(bits, 'bit')} a number (exact deterministic models)"
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
    for each in published(made):
        print(f"published, not verified here (layers: {each.layers}): {each.statement}; {each.why}. {each.source}")
        if each.bits is not None:
            width = each.width(heads, bits)
            print(f"  here {each.bits:,.4g} bits" + (f": a width d of {width:,} at least" if width is not None else ""))
    print(f"\n{sentence(rows, bits)}")
    if error:
        print(right_on(1 - error, held))


def right_on(share: float, bits: int | None) -> str:
    """What a recurrent model that is right on such a share of a task's own inputs must hold, in words.

    >>> right_on(0.9, 1974)
    "Right on 90% of the task's own inputs: a recurrent state of at least 1,974 bits (proved, in any arithmetic)."
    """
    who = f"Right on {share:.4g}" if share < 1e-4 else f"Right on {100 * share:.4g}%"
    if bits is None:
        return f"{who} of the task's own inputs: no ceiling on the accuracy is proved for this task."
    if bits == 0:
        return f"{who} of the task's own inputs: nothing is proved, its ceiling allows that without any state."
    least = plural(bits, "bit")
    return f"{who} of the task's own inputs: a recurrent state of at least {least} (proved, in any arithmetic)."
