"""A table of classes in one sentence: what one does with less than another needs, and in which arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from separatrix.words import plural


def sentence(rows: Sequence[Mapping[str, Any]], precision: int) -> str:
    """Rows of `table` in words.

    A separation is a construction of one class below the proved least size of the other, each in the arithmetic it is
    known in. Where there is none, that is said, and where nothing is known, that.
    """
    state, numbers, *attention = rows
    one = [row for row in attention if row["architecture class"].startswith("1-layer")]
    layered = {"One layer of attention": one[0], "Two layers of attention": attention[-1]}
    for who, row in layered.items():
        if numbers["lower bound"] is not None and row["best known"] and row["best known"] < numbers["lower bound"]:
            return (
                f"{who} of width {_n(row['best known'])} (constructed, in {row['best known arithmetic']}) can do what "
                f"a recurrent model needs {_many(numbers['lower bound'], precision)} for (proved, in any "
                "arithmetic)."
            )
    most = max(one, key=lambda row: row["lower bound"] or 0)
    if numbers["best known"] and (most["lower bound"] or 0) > numbers["best known"]:
        others = f"; least in other arithmetics {_n(least)}" if (least := _least(one)) < most["lower bound"] else ""
        return (
            f"A recurrent model of {plural(_whole(state['best known']), 'bit')} of state, "
            f"{_many(numbers['best known'], precision)} "
            f"(constructed, in {state['best known arithmetic']}), can do what one layer of attention needs width "
            f"{_n(most['lower bound'])} for (proved, in {most['arithmetic']}{others}){_deeper(attention[-1], most)}."
        )
    if state["lower bound"] is None:
        return "No closed form is known for what a recurrent model needs here: `separatrix analyze` enumerates it."
    known = state["best known"]
    enough = "" if known is None else f", and {_n(known)} suffice{'s' if _whole(known) == 1 else ''}"
    return (
        f"No separation follows at this size: a recurrent model needs "
        f"{plural(_whole(state['lower bound']), 'bit')} of state "
        f"(proved, in any arithmetic){enough}; for one layer of attention no bound above width "
        f"{_n(most['lower bound'] or 1)} is proved (in {most['arithmetic']})."
    )


def _deeper(two: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    """What a second layer saves of the width that one layer needs."""
    if not two["best known"] or two["best known"] >= one["lower bound"]:
        return ""
    return f", and two layers with width {_n(two['best known'])} (constructed, in {two['best known arithmetic']})"


def _least(rows: Sequence[Mapping[str, Any]]) -> int:
    return min(row["lower bound"] or 0 for row in rows)


def _many(count: int, precision: int) -> str:
    return f"{plural(count, 'number')} of {plural(precision, 'bit')}"


def _n(number: int | float) -> str:
    """A size, rounded up where it is not whole: a state has whole bits."""
    return f"{_whole(number):,}"


def _whole(number: int | float) -> int:
    return -int(-number // 1)
