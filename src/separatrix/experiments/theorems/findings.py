"""What running the theorems found, statement by statement, and where a store keeps it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from separatrix.config import Config
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.seal import read_as

COVERED = (
    "Covered: index lookup, bounded Dyck, equality, disjointness, associative recall, nearest neighbour, sparse "
    "thresholds (majority, inner product, formulas), counters, groups and automata; lower bounds in bits at the small "
    "sizes shown, by enumeration, and proved for all sizes in each task's documentation; lower bounds on widths beside "
    "models so wide, for recurrent states of one bit a number and, of one-layer attention, for equality and index "
    "lookup. Not covered: what training finds, models that may err (but one construction), lower bounds on two layers "
    "or more, of which none is known, and widths of one layer for the other tasks: no one-layer model of these is "
    "built, so that only their bits are compared."
)
"""What the statements that are run are about, and what none of them is."""

FILE = "theorems.json"

Kind = Literal["lower bound", "tightness", "protocol", "ceiling", "upper bound"]


class Finding(Config):
    """One statement, what was run for it, and whether it held."""

    subject: str = Field(description="the task with its parameters, or the construction")
    statement: str
    source: str = Field("", description="where it is proved, beside here")
    kind: Kind
    ran: str = Field(description="what was computed, in words")
    measured: int | float = Field(description="the size that was found, in `unit`")
    bound: int | float | None = Field(description="the size that a formula gives, in `unit`; None where there is none")
    unit: str
    holds: bool
    arithmetic: str = Field("", description="the arithmetic that the statement speaks of, in words")
    known: str = Field(description="how far it is known: proved, certified in a number format, or observed")
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """In a word."""
        return "holds" if self.holds else "fails"


class Findings(Config):
    """Everything that one run of the theorems found, and what it ran on."""

    findings: list[Finding]
    environment: dict[str, Any]

    @property
    def failed(self) -> list[Finding]:
        """Those that do not hold."""
        return [each for each in self.findings if not each.holds]


def title(name: str, parameters: dict[str, Any]) -> str:
    """A task or construction with its parameters, in a line."""
    return ", ".join([name, *(f"{key} {value}" for key, value in parameters.items())])


def keep(store: Store, found: Findings) -> None:
    """Write findings into a store, in place of those it has."""
    store.write_record(FILE, found.model_dump(mode="json"))


def kept(store: Store) -> Findings | None:
    """A store's findings, if it has some; a notice says so when they cannot be read."""
    advice = "run `reproduce theorems` into it again"
    with store.leaving_out(FILE, advice):
        return None if (stored := store.read_record(FILE, advice)) is None else read_as(Findings, stored)
    return None
