"""`separatrix analyze`: any task, enumerated: what each architecture class must hand over, and how that grows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from separatrix.cli.output import Json, print_json, print_table


def analyze(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="a task, or path/to/file.py:function, decorated with @task")],
    lengths: Annotated[str, typer.Option(help="context lengths, as 2..8 or 2,4,8")] = "2..8",
    draw: Annotated[Path | None, typer.Option(help="write the last residual automaton (.svg or .dot)")] = None,
    json: Json = False,
) -> None:
    """Enumerate a task at several lengths: both cuts, how they grow, and which architecture classes are separated.

    A function of your own takes (context, query) and says its alphabets: @separatrix.tasks.task(alphabet=2, answers=2).

    Example: separatrix analyze bounded-dyck --lengths 2..8 --kinds 2 --depth 2
    """
    from rich.console import Console
    from rich.progress import track

    from separatrix.bounds import best_attention_cut, memory_profile
    from separatrix.bounds.table import BUDGET, check_budget
    from separatrix.cli.options import assign
    from separatrix.errors import InputError
    from separatrix.tasks import create, family

    wanted = parse_lengths(lengths)
    given = assign(context, {"task": family(task)})["task"]
    largest = create(task, **{**given, "length": last_admissible(task, given, wanted)})
    rows: list[dict[str, Any]] = []
    met = [largest.at_length(n) for n in wanted if n in largest.lengths or n == largest.length]
    for at in met:
        check_budget(at, BUDGET)
    for at in track(met, f"{task}, by enumeration", console=Console(stderr=True), transient=True, disable=json):
        profile, cut = memory_profile(at), best_attention_cut(at)
        most = max(profile, key=lambda r: r.count)
        rows.append(
            {
                "length": at.length,
                "recurrent rows": most.count,
                "recurrent bits": math.log2(most.count),
                "attention rows": cut.rows.count,
                "attention bits": cut.bits,
                "held": " ".join(map(str, cut.held)),
                "exact": most.exact and cut.exact,
            }
        )
    if not rows:
        raise InputError(f"{task} exists at none of the lengths {lengths}")
    if draw is not None:
        write_automaton(largest, draw)
    verdict = {side: growth(rows, side) for side in ("recurrent", "attention")}
    conclusion = separation(verdict)
    if json:
        print_json({"task": task, "rows": rows, "growth": verdict, "conclusion": conclusion})
        return
    print_table(f"{task}, by enumeration", list(rows[0]), [list(row.values()) for row in rows])
    for side, law in verdict.items():
        print(f"{side} bits grow: {law}")
    print(conclusion)


def parse_lengths(text: str) -> list[int]:
    """`2..8` or `2,4,8` as numbers. Raises InputError for anything else."""
    from separatrix.errors import InputError

    try:
        first, dots, last = text.partition("..")
        found = list(range(int(first), int(last) + 1)) if dots else [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"expected lengths such as 2..8 or 2,4,8, got {text!r}") from None
    if not found or min(found) < 1:
        raise InputError(f"lengths must be at least 1 and in order, got {text!r}")
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


def write_automaton(task: Any, path: Path) -> None:
    """Write the residual automaton. Raises InputError for endings other than .svg and .dot."""
    from separatrix.bounds import residual_automaton
    from separatrix.errors import InputError

    automaton = residual_automaton(task)
    if path.suffix not in (".svg", ".dot"):
        raise InputError(f"expected a drawing ending in .svg or .dot, got {path.name!r}")
    path.write_text(automaton.svg() if path.suffix == ".svg" else automaton.dot())


def growth(rows: list[dict[str, Any]], side: str) -> str:
    """How the bits of one side grow over the enumerated lengths, as words."""
    from separatrix.bounds import growth_law

    points = [(row["length"], row[f"{side} bits"]) for row in rows if row[f"{side} bits"] > 0]
    if len(points) < 3:
        return "undecided"
    law = growth_law([length for length, _ in points], [bits for _, bits in points])
    if law.law == "power":
        return f"power, N^{law.exponent:.2f} ({law.interval[0]:.2f} to {law.interval[1]:.2f})"
    return law.law


def separation(verdict: dict[str, str]) -> str:
    """Which class the enumeration favours, in one line. An extrapolation, and called one."""
    recurrent, attention = (verdict[side].split(",")[0] for side in ("recurrent", "attention"))
    small = ("constant", "logarithmic")
    if recurrent in small and attention == "power":
        return "Observed over these lengths: recurrent models have the advantage over one-layer attention."
    if attention in small and recurrent == "power":
        return "Observed over these lengths: one-layer attention has the advantage over recurrent models."
    if recurrent == attention == "power":
        return "Observed over these lengths: hard for both; two layers of attention may do with less."
    return "These lengths do not show a separation."
