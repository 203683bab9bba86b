"""`separatrix list`: what tasks, models, constructions and presets there are."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from separatrix.models import SequenceModel


class What(StrEnum):
    """What can be listed."""

    tasks = "tasks"
    models = "models"
    constructions = "constructions"
    presets = "presets"


def list_(
    what: Annotated[What, typer.Argument(help="tasks, models, constructions or presets")], json: Json = False
) -> None:
    """List the tasks, models, constructions or presets.

    Example: separatrix list tasks
    """
    rows = {
        What.tasks: _tasks,
        What.models: _models,
        What.constructions: _constructions,
        What.presets: _presets,
    }[what]()
    if json:
        print_json(rows)
    else:
        print_table(what, list(rows[0]), [list(row.values()) for row in rows])


def _tasks() -> list[dict[str, str]]:
    from separatrix import tasks

    return [
        {"task": name, "question": tasks.family(name).summary, "answers": answers}
        for answers, names in (("at the end", tasks.names()), ("on the way", tasks.stream_names()))
        for name in names
    ]


def _models() -> list[dict[str, str]]:
    from separatrix import models

    return [_describe(name, models.architecture(name)) for name in models.names()]


def _describe(name: str, model: type[SequenceModel]) -> dict[str, str]:
    from separatrix import ops

    kernel = model.kernel if "native" not in model.kernel or ops.status().native else "reference (no native kernels)"
    return {
        "model": name,
        "about": (model.__doc__ or "").splitlines()[0],
        "state, numbers a layer": model.state_formula,
        "parallel form": model.parallel,
        "kernel": kernel,
        "source": model.source,
    }


def _constructions() -> list[dict[str, str]]:
    from separatrix import constructions

    found = [constructions.theorem(name) for name in constructions.names()]
    return [
        {"construction": each.name, "task": each.task, "statement": each.statement, "source": each.source}
        for each in found
    ]


def _presets() -> list[dict[str, str]]:
    from separatrix.experiments import presets

    return [{"preset": name, "about": presets.load(name).about} for name in presets.names()]
