"""What each architecture class must have and what suffices, for one task, in each model of arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from separatrix.bounds.arithmetic import ANY, ANY_ASSUMES, STATE, STATE_FORMULA, ArithmeticModel
from separatrix.bounds.known_upper import (
    REAL,
    Upper,
    attention_upper,
    recurrent_upper,
    three_layer_upper,
    two_layer_upper,
)
from separatrix.bounds.published import STATUS, published
from separatrix.bounds.sizes import smallest_state
from separatrix.tasks import Problem
from separatrix.words import plural

NO_BOUND = "none known"
"""Where no theorem says anything."""

UNKNOWN = "unknown"
"""Where a task has no closed form."""


def table(task: Problem, models: Sequence[ArithmeticModel], heads: int = 1) -> list[dict[str, Any]]:
    """One row per architecture class and model of arithmetic. Lower bounds that nobody knows are None.

    Widths count the numbers in the values of all heads; the first row is the state in bits, the second in numbers of
    the first model's bits.
    """
    needed, p = task.recurrent_bits(), models[0].bits
    upper, one, two = recurrent_upper(task), attention_upper(task), two_layer_upper(task)
    told: dict[str, Any] = {"arithmetic": ANY, "assumptions": ANY_ASSUMES, "quantity": STATE, "bits needed": needed}
    numbers = None if needed is None else smallest_state(needed, p)
    rows = [
        _row("recurrent (state in bits)", needed, upper, formula=STATE_FORMULA, **told),
        _row(
            f"recurrent (numbers of {plural(p, 'bit')})",
            numbers,
            upper,
            p,
            formula=f"m p >= {STATE_FORMULA[14:]}",
            **told,
        ),
    ]
    for each in models:
        bits = each.needed(task)
        told = {"arithmetic": each.words, "assumptions": each.assumptions, "formula": each.formula}
        width = None if bits is None else each.smallest_width(bits, heads, task.length)
        told |= {"quantity": each.quantity, "bits needed": bits}
        rows.append(_row(f"1-layer Transformer (width, {plural(heads, 'head')})", width, one, **told))
    rows.append(
        _row("2-layer Transformer (width)", None, two, arithmetic=REAL, formula="no lower bound is known in any")
    )
    if two is None and (three := three_layer_upper(task)) is not None:
        rows.append(_row("3-layer Transformer (width)", None, three, arithmetic=REAL, formula=rows[-1]["formula"]))
        rows[-1]["status"] = NO_BOUND
        rows[-2]["status"] = NO_BOUND
        return rows
    rows[-1]["status"] = STATUS if published(task) else NO_BOUND
    rows[-1]["formula"] = "no bound is verified here in any" if published(task) else rows[-1]["formula"]
    return rows


def _row(who: str, lower: int | float | None, upper: Upper | None, bits: int = 1, **told: Any) -> dict[str, Any]:
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
