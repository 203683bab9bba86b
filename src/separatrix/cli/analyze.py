"""`separatrix analyze`: any task, enumerated: what each architecture class must hand over, and how that grows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli import names
from separatrix.cli.output import Json, print_json, print_table
from separatrix.errors import shortened

if TYPE_CHECKING:
    from separatrix.bounds import RowGrowth
    from separatrix.tasks import Problem


def analyze(
    context: typer.Context,
    task: Annotated[
        str,
        typer.Argument(
            help="a task, or path/to/file.py:function, decorated with @task", autocompletion=names.tasks, metavar="TASK"
        ),
    ],
    lengths: Annotated[str, typer.Option(help="context lengths, as 2..8 or 2,4,8")] = "2..8",
    draw: Annotated[Path | None, typer.Option(help="write the last residual automaton (.svg or .dot)")] = None,
    json: Json = False,
) -> None:
    """Enumerate a task at several lengths: both cuts, how they grow, and which architecture classes are separated.

    A function of your own takes (context, query) and says its alphabets: @separatrix.tasks.task(alphabet=2, answers=2).
    Prefixes of a stream are told apart by all its later labels.

    Example: separatrix analyze bounded-dyck --lengths 2..8 --kinds 2 --depth 2
    """
    from rich.console import Console
    from rich.progress import track

    from separatrix.bounds import residual_automaton
    from separatrix.bounds.stream_table import check_stream_budget
    from separatrix.bounds.table import BUDGET, check_budget
    from separatrix.cli.options import assign
    from separatrix.errors import InputError
    from separatrix.tasks import StreamTask, create, family

    wanted = parse_lengths(lengths)
    given = assign(context, {"task": family(task)})["task"]
    if "length" in given:
        raise InputError("analyze enumerates several lengths: give --lengths 2..8, or --lengths 8 for one")
    if draw is not None and draw.suffix not in (".svg", ".dot"):
        raise InputError(f"expected a drawing ending in .svg or .dot, got {draw.name!r}")
    largest = create(task, **{**given, "length": last_admissible(task, given, wanted)})
    met = [largest.at_length(n) for n in wanted if n in largest.lengths or n == largest.length]
    for at in met:
        check_stream_budget(at) if isinstance(at, StreamTask) else check_budget(at, BUDGET)
    machine = None if draw is None else residual_automaton(largest)
    shown = track(met, f"{task}, by enumeration", console=Console(stderr=True), transient=True, disable=json)
    rows = [row(at) for at in shown]
    if not rows:
        raise InputError(f"{task} exists at none of the lengths {lengths}")
    if draw is not None and machine is not None:
        draw.write_text(machine.svg() if draw.suffix == ".svg" else machine.dot(), encoding="utf-8")
    verdict = {side: growth(rows, side) for side in ARITHMETIC if f"{side} rows" in rows[0]}
    conclusion = separation(verdict)
    if json:
        told = {side: vars(law) | {"words": str(law), "arithmetic": ARITHMETIC[side]} for side, law in verdict.items()}
        print_json({"task": task, "rows": rows, "growth": told, "conclusion": conclusion})
        return
    print_table(f"{task}, by enumeration", list(rows[0]), [list(each.values()) for each in rows])
    for side, law in verdict.items():
        print(f"{side} bits ({ARITHMETIC[side]}) grow: {law}")
    print(conclusion)


MOST = 1000
"""Lengths of one table at most."""

ARITHMETIC = {
    "recurrent": "any arithmetic",
    "attention": "one layer, exact sums, no maximum subtracted: rows of any cut",
    "two-way": "one layer, exact sums, maximum subtracted: fooling set of any cut",
    "rounded": "one layer, every result rounded, sums in order: fooling set of a prefix cut",
}
"""What each kind of bits bounds, and in which arithmetic."""


def row(task: Problem) -> dict[str, Any]:
    """Both cuts of a task at its length, and what messages both ways need across them."""
    from separatrix.bounds import best_attention_cut, memory_profile

    profile, cut = memory_profile(task), best_attention_cut(task)
    most = max(profile, key=lambda r: r.count)
    return {
        "length": task.length,
        "recurrent rows": most.count,
        "recurrent bits": math.log2(most.count),
        "attention rows": cut.rows.count,
        "attention bits": cut.bits,
        **_both_ways(task),
        **({} if cut.place is None else {"label at": cut.place}),
        "held": " ".join(map(str, cut.held)),
        "exact": most.exact and cut.exact,
    }


def _both_ways(task: Problem) -> dict[str, Any]:
    from separatrix.bounds import best_prefix_cut, best_two_way_cut

    both, prefix = best_two_way_cut(task), best_prefix_cut(task)
    return {
        "two-way rows": len(both.pairs),
        "two-way bits": both.bits,
        "rounded rows": len(prefix.pairs),
        "rounded bits": prefix.bits,
    }


def parse_lengths(text: str) -> list[int]:
    """`2..8` or `2,4,8` as numbers. Raises InputError for anything else."""
    from separatrix.errors import InputError

    try:
        first, dots, last = text.partition("..")
        asked = range(int(first), int(last) + 1) if dots else [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"expected lengths such as 2..8 or 2,4,8, got {shortened(text)!r}") from None
    if (count := asked.stop - asked.start if isinstance(asked, range) else len(asked)) > MOST:
        raise InputError(f"at most {MOST} lengths are enumerated at a time, got {count:,}: ask for fewer")
    found = list(asked)
    if not found or min(found) < 1:
        raise InputError(f"lengths must be at least 1 and in order, got {shortened(text)!r}")
    return found


def last_admissible(task: str, given: dict[str, Any], lengths: list[int]) -> int:
    """The largest of the lengths that the task exists at. Raises the task's own InputError when there is none."""
    from separatrix.errors import InputError
    from separatrix.tasks import create

    for length in sorted(lengths, reverse=True):
        try:
            return create(task, **{**given, "length": length}).length
        except InputError as error:
            if "length" not in str(error) or length == min(lengths):
                raise
    raise InputError(f"{task} exists at none of the lengths {lengths}")


def growth(rows: list[dict[str, Any]], side: str) -> RowGrowth:
    """How the bits of one side grow over the enumerated lengths."""
    from separatrix.bounds import row_growth

    return row_growth([each["length"] for each in rows], [each[f"{side} rows"] for each in rows])


def separation(verdict: dict[str, RowGrowth]) -> str:
    """Which class the enumeration favours, in one line. An extrapolation, and called one."""
    recurrent, attention = verdict["recurrent"].law, verdict["attention"].law
    small, over = ("constant", "logarithmic"), "Observed over these lengths, for exact sums:"
    if recurrent in small and attention == "linear":
        if "rounded" in verdict and verdict["rounded"].law in small:
            over += " (with every result rounded nothing is proved against attention)"
        return f"{over} recurrent models have the advantage over one-layer attention."
    if attention in small and recurrent == "linear":
        return f"{over} one-layer attention has the advantage over recurrent models."
    if recurrent == attention == "linear":
        return f"{over} hard for both; two layers of attention may do with less."
    undecided = [side for side in ("recurrent", "attention") if verdict[side].law == "undecided"]
    if undecided:
        return f"Not decided for {' and '.join(undecided)} bits: enumerate more lengths."
    return "These lengths do not show a separation: both grow slowly."
