"""`separatrix plan`: for one task and length, what a model must have, what suffices, and what training found."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from separatrix.cli import names
from separatrix.cli.configured import built, of_configuration
from separatrix.cli.output import Json, print_json, print_table, readable

if TYPE_CHECKING:
    from separatrix.bounds.state_size import StateSize
    from separatrix.tasks import Problem, Task

UNITS = {"b": 1, "bit": 1, "bits": 1, "B": 8, "kB": 8e3, "KB": 8e3, "MB": 8e6, "GB": 8e9,
         "KiB": 8 * 2**10, "MiB": 8 * 2**20, "GiB": 8 * 2**30}  # fmt: skip
"""Bits of a unit of memory."""


def plan(
    context: typer.Context,
    task: names.Task,
    precision: Annotated[
        int | None, typer.Option(help="bits per number p [default: the format's, or 32]", min=1)
    ] = None,
    heads: Annotated[int, typer.Option(help="attention heads H", min=1)] = 1,
    layers: Annotated[Literal["1", "2"] | None, typer.Option(help="only Transformers of so many layers")] = None,
    number_format: Annotated[str | None, typer.Option("--format", help="bf16, fp16, e4m3, fixed(12), …")] = None,
    arithmetic: Annotated[
        Literal["fixed", "float", "rounded"] | None, typer.Option(help="only this arithmetic [default: each]")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="a model of yours: card (.json), Hugging Face config.json, or name:width")
    ] = None,
    state: Annotated[str | None, typer.Option(help="a state instead: how long a context? 1MB, 4KiB, 65536b")] = None,
    store: Annotated[str | None, typer.Option(help="folder of results whose frontiers count as found")] = None,
    json: Json = False,
) -> None:
    """Size a model for a task: what it must have, what suffices, what training found, by architecture class.

    With --state or --model the question is turned around: what such a state is ruled out for, and up to which length it
    is not. Fields of the task are options.

    Example: separatrix plan index-lookup --length 4096 --alphabet 64 --precision 16 --state 1MB
    """
    from separatrix.bounds.classes import table
    from separatrix.bounds.formats import chosen
    from separatrix.bounds.in_words import sentence
    from separatrix.cli.options import assign
    from separatrix.errors import InputError
    from separatrix.tasks import Task, create, family

    models = chosen(precision, number_format, arithmetic)
    made = create(task, **assign(context, {"task": family(task)})["task"])
    rows = [row for row in table(made, models, heads) if layers is None or _of_layers(row, layers)]
    found = [] if store is None else _found(store, made)
    asked = _sizes(model, state, made)
    if asked and not isinstance(made, Task):
        raise InputError(f"--state and --model ask about tasks with one state to hand over, which {task} has not")
    held = [_held(what, size, made) for what, size in asked if isinstance(made, Task)]
    said = sentence(table(made, models, heads), models[0].bits)
    if json:
        print_json({
            "task": made.model_dump(mode="json"), "precision": models[0].bits, "heads": heads, "classes": rows,
            "found": found, "held": held, "sentence": said,
        })  # fmt: skip
        return
    shown = [[r["architecture class"], _must(r), r["arithmetic"], readable(r["best known"])] for r in rows]
    print_table(f"{task}, length {made.length:,}", ["class", "must have", "proved in", "suffices"], shown)
    if found:
        print_table("found by training (observed)", list(found[0]), [list(row.values()) for row in found])
    if held:
        print_table("such a state, in any arithmetic", list(held[0]), [list(row.values()) for row in held])
    print(said)


def _of_layers(row: dict[str, Any], layers: str) -> bool:
    who = row["architecture class"]
    return "Transformer" not in who or who.startswith(layers)


def _must(row: dict[str, Any]) -> str:
    return row["status"] if row["lower bound"] is None else readable(row["lower bound"])


def _sizes(model: str | None, state: str | None, task: Problem) -> list[tuple[str, StateSize]]:
    """What is asked about, and its state."""
    from separatrix.bounds.state_size import Part, StateSize

    asked = [] if state is None else [(state, StateSize((Part(bits_each=1, constant=memory(state)),), source="given"))]
    return asked if model is None else [*asked, (model, _size(model, task))]


def memory(text: str) -> int:
    """Bits of `1MB`, `4 KiB`, `65536b`. Raises InputError for anything else.

    >>> memory("1MB"), memory("4KiB"), memory("100 bits")
    (8000000, 32768, 100)
    """
    from separatrix.errors import InputError

    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    if found is None or found[2] not in UNITS or (bits := int(float(found[1]) * UNITS[found[2]])) < 1:
        raise InputError(f"expected memory such as 1MB, 4KiB or 65536b, got {text!r}")
    return bits


def _size(model: str, task: Problem) -> StateSize:
    """The state of a card's model, of a configuration, or of `name:width`, measured."""
    from separatrix.errors import InputError

    path = Path(model)
    if path.suffix == ".json" and os.path.isfile(model) and b'"model_type"' not in path.read_bytes():
        from separatrix.experiments.card import read_card

        return built(dict(read_card(str(path)).model))
    if path.suffix == ".json" or os.path.isdir(model):
        return of_configuration(model, task.length)
    name, _, width = model.rpartition(":") if model.rpartition(":")[2].isdigit() else (model, "", "64")
    if not (name and width.isdigit() and len(width) <= 9):
        raise InputError(f"expected a model such as lstm:64, got {model[:80]!r}")
    return built({"name": name, "width": int(width)})


def _held(what: str, size: StateSize, task: Task) -> dict[str, Any]:
    """What such a state is ruled out for."""
    from separatrix.bounds.audit import verdicts

    (verdict,) = verdicts(size, task.length, [task])
    return {
        "what": what,
        "bits at this length": verdict.state_bits,
        "bits needed": verdict.needed_bits,
        "exactly": verdict.ruling,
        "not ruled out at": verdict.exact_at_most,
    }


def _found(url: str, task: Problem) -> list[dict[str, Any]]:
    """The frontiers of a store at this task and length."""
    from separatrix.experiments.search.frontier_files import kept
    from separatrix.experiments.store.folder import Store
    from separatrix.report.html.planner import found_at

    return [row for each in kept(Store(url, create=False)) for row in found_at(each, task)]
