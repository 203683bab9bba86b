"""`separatrix figure`: one figure of a folder of results, as a paper prints it, with its numbers beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from separatrix.cli.output import Json, print_json, print_table


def figure(
    folder: Annotated[str, typer.Argument(help="folder (or fsspec URL) of results, such as runs/quick")],
    name: Annotated[str | None, typer.Argument(help="the figure [default: list them]")] = None,
    column: Annotated[bool, typer.Option("--column", help="as wide as one of two columns, 3.25 inches")] = False,
    page: Annotated[bool, typer.Option("--page", help="as wide as a page of text, 5.5 inches [default]")] = False,
    kind: Annotated[Literal["pdf", "svg", "png"], typer.Option("--format", help="what to write")] = "pdf",
    title: Annotated[str, typer.Option(help="a title in the figure [default: none, captions are the paper's]")] = "",
    output: Annotated[Path | None, typer.Option(help="folder for the files [default: this one]")] = None,
    json: Json = False,
) -> None:
    """Write a figure for a paper: type of 7 to 8 points at its printed size, fonts embedded, its data as CSV beside it.

    Example: separatrix figure runs/quick memory-wall-index-lookup-8-wall --column --format pdf
    """
    from separatrix.atomic import write_whole
    from separatrix.errors import InputError, unknown
    from separatrix.experiments.store.folder import Store
    from separatrix.report.figures import export, paper
    from separatrix.report.run.write import figures_of

    if column and page:
        raise InputError("one width: give --column or --page, not both")
    found = figures_of(Store(folder, create=False))
    if name is None:
        rows = [{"figure": each, "shows": one.title, "of": section.title} for each, (section, one) in found.items()]
        print_json(rows) if json else print_table("figures", ["figure", "shows", "of"], [[*r.values()] for r in rows])
        return
    if name not in found:
        raise unknown("figure", name, found)
    spec = export.specification(found[name][1])
    place = output or Path()
    drawn = write_whole(place / f"{name}.{kind}", paper.drawn(spec, kind, "column" if column else "page", title))
    numbers = write_whole(place / f"{name}.csv", paper.csv(paper.data(spec)))
    print_json({"figure": drawn, "data": numbers}) if json else print(f"{drawn}, its numbers in {numbers}")
