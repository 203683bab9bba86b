"""`separatrix leaderboard`: a folder of cards, verified and rendered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json, print_table
from separatrix.words import plural

BEGIN, END = "<!-- table -->", "<!-- end of table -->"
"""Between these lines of a Markdown file the table is replaced; the rest of the file stays."""


def leaderboard(
    folder: Annotated[Path, typer.Argument(help="folder of cards, JSON files that `separatrix card` wrote")] = Path(
        "leaderboard"
    ),
    markdown: Annotated[
        Path | None, typer.Option(help=f"put the table into this Markdown file, between {BEGIN} and {END}")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="write a page with the cards side by side")] = None,
    json: Json = False,
) -> None:
    """Verify a folder of cards and rank them: questions solved, by ability. Ends with 1 where a card is not in order.

    Verified: each card's hash, that it asked the standard battery under its settings and at rates chosen as it chooses
    them, that every trial has the identity of its configuration, that bounds and ceilings are the library's, and that
    nothing exceeds what is proved. Nothing in a card is executed.

    Example: separatrix leaderboard leaderboard --page board.html
    """
    from separatrix.atomic import write_whole
    from separatrix.experiments.card.verify import cards_in
    from separatrix.report.card import leaderboard as board

    cards = cards_in(folder)
    found = board.rows(cards)
    if markdown is not None:
        write_whole(markdown, replaced(markdown, board.markdown(found)).encode())
    if page is not None:
        from separatrix.report.card.write import write_card_page

        write_card_page([cards[row["file"]] for row in found], (), page)
    if json:
        print_json(found)
    else:
        print_table(plural(len(found), "card"), board.titles(), [board.cells(row) for row in found])
        print(board.words(found))
        for written in filter(None, (markdown, page)):
            print(f"Written: {written}")
    wrong = [(row["file"], said) for row in found for said in row["wrong"]]
    for file, said in wrong:
        print(f"separatrix: {file}: {said}", file=sys.stderr)
    if wrong:
        raise typer.Exit(1)


def replaced(path: Path, table: str) -> str:
    """The file's text with the table between its marks; the table alone where there is no such file."""
    from separatrix.errors import InputError

    marked = f"{BEGIN}\n{table}{END}\n"
    if not path.exists():
        return marked
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(f"{END}\n")
    if not (begin and end):
        raise InputError(f"{path} has no lines {BEGIN} and {END}: the table goes between them")
    return before + marked + after
