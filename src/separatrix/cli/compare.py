"""`separatrix compare`: cards side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json


def compare(
    cards: Annotated[
        list[str], typer.Argument(help="two or more: JSON files that `separatrix card` wrote, or built-in families")
    ],
    html: Annotated[Path | None, typer.Option(help="write a page with the cards side by side")] = None,
    json: Json = False,
) -> None:
    """Set cards beside one another, question by question, like with like.

    Example: separatrix compare runs/cards/mixer-1-64-a1b2c3.json mamba --html both.html
    """
    from separatrix.cli.card import summarise
    from separatrix.errors import InputError
    from separatrix.experiments.card import read_card, references, stored_reference
    from separatrix.experiments.card.compare import compared

    if len(cards) < 2:
        raise InputError("compare needs two cards at least, got one: separatrix compare A.json B.json, or A.json mamba")
    read = [stored_reference(name) or read_card(name) for name in cards]
    if html is not None:
        from separatrix.report.card.write import write_card_page

        write_card_page(read, references(), html)
    if json:
        rows = [row.model_dump(mode="json") for row in compared(read)]
        print_json({"cards": [one.label for one in read], "rows": rows, "page": str(html) if html else None})
        return
    summarise(read)
    if not all(row.like for row in compared(read)):
        print("Where it says no, the cards come from different settings: those numbers do not compare.")
    if html is not None:
        print(f"The page: {html}")
