"""`separatrix report`: write the page of a folder of results again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json


def report(
    folder: Annotated[Path, typer.Argument(help="folder (or fsspec URL) of results, such as runs/quick")],
    json: Json = False,
) -> None:
    """Write the report of a folder of results: one page, and PNG and SVG of each figure.

    Example: separatrix report runs/quick
    """
    from separatrix.experiments.store.folder import Store
    from separatrix.report import write_report

    page = write_report(Store(folder, create=False))
    print_json({"report": page}) if json else print(f"The page: {page}")
