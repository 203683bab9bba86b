"""`separatrix list`: what tasks, models and presets there are."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json, print_table


class What(StrEnum):
    """What can be listed."""

    tasks = "tasks"
    models = "models"
    presets = "presets"


def list_(what: Annotated[What, typer.Argument(help="tasks, models or presets")], json: Json = False) -> None:
    """List the tasks, models or presets.

    Example: separatrix list tasks
    """
    rows = {What.tasks: _tasks, What.models: _models, What.presets: _presets}[what]()
    if json:
        print_json(rows)
    else:
        print_table(what, list(rows[0]), [list(row.values()) for row in rows])


def _tasks() -> list[dict[str, str]]:
    from separatrix import tasks

    return [{"task": name, "question": tasks.family(name).summary} for name in tasks.names()]


def _models() -> list[dict[str, str]]:
    from separatrix import models

    return [
        {"model": name, "about": (models.architecture(name).__doc__ or "").splitlines()[0]} for name in models.names()
    ]


def _presets() -> list[dict[str, str]]:
    from separatrix.experiments import presets

    return [{"preset": name, "about": presets.load(name).about} for name in presets.names()]
