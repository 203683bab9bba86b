"""`separatrix export`: results as a table, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json
from separatrix.words import plural


def export(
    folder: Annotated[str, typer.Argument(help="folder (or fsspec URL) of results, such as runs/quick")],
    file: Annotated[Path, typer.Argument(help="what to write: a .csv or .parquet file")],
    json: Json = False,
) -> None:
    """Write a folder's results to a table, one row a trial; `separatrix.results(folder)` is the same as a frame.

    Example: separatrix export runs/quick results.csv
    """
    from separatrix.experiments.store.table import export as write

    trials = write(folder, file)
    print_json({"written": str(file), "trials": trials}) if json else print(f"{plural(trials, 'trial')} in {file}")
