"""Names that a shell completes: tasks, models, constructions, presets."""

from __future__ import annotations

from typing import Annotated

import typer


def tasks(incomplete: str) -> list[str]:
    """Task names that begin so."""
    from separatrix.tasks import names

    return [name for name in names() if name.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Model names that begin so."""
    from separatrix.models import names

    return [name for name in names() if name.startswith(incomplete)]


def constructions(incomplete: str) -> list[str]:
    """Names of constructions that begin so."""
    from separatrix.constructions import names

    return [name for name in names() if name.startswith(incomplete)]


def presets(incomplete: str) -> list[str]:
    """Names of presets that begin so."""
    from separatrix.experiments.presets import names

    return [name for name in names() if name.startswith(incomplete)]


Task = Annotated[
    str,
    typer.Argument(
        help="a task (see `separatrix list tasks`), or path/to/file.py:function", autocompletion=tasks, metavar="TASK"
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        help="a model (see `separatrix list models`), or path/to/file.py:Class", autocompletion=models, metavar="MODEL"
    ),
]
Construction = Annotated[
    str,
    typer.Argument(
        help="a construction (see `separatrix list constructions`)", autocompletion=constructions, metavar="NAME"
    ),
]
