"""The theorems that were run as a section of the page: what each says, what was computed, and whether it held."""

from __future__ import annotations

from separatrix.experiments.theorems.findings import COVERED, Finding, Findings
from separatrix.report.html.labels import count
from separatrix.report.html.section import Column, Section, Table
from separatrix.words import plural

ID, NAME = "theorems", "Theorems"

_BUILT = (
    Column("Construction"),
    Column("Statement"),
    Column("What was run"),
    Column("Width built", "certified", numeric=True),
    Column("Width by formula", "proved", numeric=True),
    Column("Certified"),
    Column("Verdict"),
)
_BOUNDED = (
    Column("Task"),
    Column("Statement"),
    Column("What was run"),
    Column("Size found", "proved", numeric=True),
    Column("Size by formula", "proved", numeric=True),
    Column("Arithmetic"),
    Column("Verdict"),
)


def section(found: Findings) -> Section:
    """The section of a store's findings."""
    built = [each for each in found.findings if each.kind == "upper bound"]
    bounded = [each for each in found.findings if each.kind != "upper bound"]
    return Section(
        id=ID,
        title="The paper's theorems, and more, run and checked",
        kicker=NAME,
        about="Bounds are compared with an enumeration of every input of small sizes; automata and protocols that meet "
        "them are executed; constructions are built, their certificates checked again from the weights, and asked. "
        "The bounds hold for exact, deterministic models, each in the arithmetic named beside it. " + COVERED,
        measured=sentence(found) + f" Run in {sum(each.seconds for each in found.findings):.0f} s.",
        notes=[f"Does not hold: {each.subject}: {each.statement}" for each in found.failed],
        tables=[
            Table("Constructions: built, checked and asked", _BUILT, [_built(each) for each in built]),
            Table("Lower bounds, and what meets them", _BOUNDED, [_bounded(each) for each in bounded], folded=True),
        ],
        more=f"{plural(len(bounded), 'statement')} on lower bounds, and what meets them",
    )


def sentence(found: Findings) -> str:
    """How many statements were run, of which sort, and how many hold."""
    total, held = len(found.findings), len(found.findings) - len(found.failed)
    built = sum(each.kind == "upper bound" for each in found.findings)
    many = "All" if held == total else f"{held} of the"
    parts = f"{plural(built, 'construction')} with certificates, and {total - built} bounds, automata and protocols"
    return f"{many} {plural(total, 'statement')} that were run hold: {parts}."


def _built(each: Finding) -> list[str]:
    known = each.known.removeprefix("certified ")
    stated = f"{each.statement} ({each.source})" if each.source else each.statement
    return [each.subject, stated, each.ran, count(each.measured), _formula(each), known, each.verdict]


def _bounded(each: Finding) -> list[str]:
    size = f"{count(round(each.measured, 2))} {each.unit}"
    return [each.subject, each.statement, each.ran, size, _formula(each), each.arithmetic, each.verdict]


def _formula(each: Finding) -> str:
    return "–" if each.bound is None else count(round(each.bound, 2))
