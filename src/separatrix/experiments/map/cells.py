"""What a map is made of: facts with their evidence, cells, rows and columns. Nothing in it is guessed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from separatrix.config import Config

Status = Literal["impossible", "built", "found", "needs", "open"]
"""What a cell is called: the first of these that it has a fact of."""

STATUSES: tuple[Status, ...] = ("impossible", "built", "found", "needs", "open")

MEANING: dict[Status, str] = {
    "impossible": "no model of this architecture does the task, whatever its width and weights: proved, "
    "from a length (x: from one beyond this table's)",
    "built": "weights are constructed, and certified for every input of their scope in a number format",
    "found": "training found a model that reached the target: observed, with its trials",
    "needs": "a lower bound on the size of every exact model: proved; nothing is built or found here",
    "open": "nothing is proved, built or found here",
}

LETTER: dict[Status, str] = {"impossible": "X", "built": "B", "found": "F", "needs": "N", "open": "."}


class Fact(Config):
    """One thing known of an architecture and a task.

    words:    a sentence, with its numbers and the arithmetic or the protocol they hold in
    evidence: what it rests on: theorem and arithmetic; certificate and the command that makes it; trials
    """

    kind: Status
    words: str
    evidence: dict[str, Any]


class MapCell(Config):
    """What is known of one architecture at one task."""

    model: str
    task: str
    facts: tuple[Fact, ...] = ()

    @property
    def status(self) -> Status:
        """The strongest of its facts; open where there is none."""
        kinds = {fact.kind for fact in self.facts}
        return next((status for status in STATUSES if status in kinds), "open")

    @property
    def letters(self) -> str:
        """Everything the cell has, a letter each: `NBF`; a small x where it is impossible from a greater length on."""
        kinds = {fact.kind for fact in self.facts}
        later = all(fact.evidence.get("later") for fact in self.facts if fact.kind == "impossible")
        order: tuple[Status, ...] = ("impossible", "needs", "built", "found")
        letters = "".join(LETTER[kind] for kind in order if kind in kinds) or LETTER["open"]
        return letters.replace("X", "x") if later else letters


class MapColumn(Config):
    """A task at one length: its label, its configuration, and a name of a few letters."""

    label: str
    short: str
    task: dict[str, Any]


class MapRow(Config):
    """An architecture: its label and its configuration. Layers of None: at every depth."""

    label: str
    model: dict[str, Any]

    @property
    def name(self) -> str:
        """The architecture's name in the registry."""
        return str(self.model["name"])

    @property
    def layers(self) -> int | None:
        """Its depth, None for every depth."""
        return self.model.get("layers")

    @property
    def options(self) -> dict[str, Any]:
        """The rest of the configuration but for its width."""
        return {key: value for key, value in self.model.items() if key not in ("name", "width")}


class Map(Config):
    """Cells by row and column.

    shipped: the day on which the certificates that come with the library were last issued and verified
    """

    length: int
    precision: int
    number_format: str = Field(description="in which impossibilities are stated")
    rows: tuple[MapRow, ...]
    columns: tuple[MapColumn, ...]
    cells: tuple[tuple[MapCell, ...], ...]
    shipped: str

    def cell(self, row: str, column: str) -> MapCell:
        """The cell of a row and a column by their labels. Raises KeyError."""
        rows = [each.label for each in self.rows]
        columns = [each.label for each in self.columns]
        if row not in rows or column not in columns:
            raise KeyError((row, column))
        return self.cells[rows.index(row)][columns.index(column)]
