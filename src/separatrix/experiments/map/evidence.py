"""What is built: certificates of the registered constructions at the map's tasks, shipped with the day they were made.

Made anew by `make evidence`: every construction is built, saved, and verified from its file alone.
Constructions that the shipped file does not know, and tasks of other sizes, are issued on the spot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, get_args

from pydantic import Field

from separatrix import __version__, constructions
from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.map.cells import Fact, MapRow
from separatrix.tasks import Problem, create

FILE = "evidence.json"
FORMATS = ("fp32", "real")
"""Tried in this order: a certificate in a number format says more than one in real numbers."""


class Built(Config):
    """One construction at one task: its certificate, and how it was come by.

    verified: whether the checker has verified it from the file of its weights; otherwise the maker issued it just now
    made:     the day, UTC; None of what was issued just now
    """

    construction: str
    options: dict[str, Any] = Field({}, description="of the construction, such as the cell of its network")
    task: dict[str, Any]
    model: dict[str, Any]
    number_format: str
    scope: str
    claim: str
    argument: str
    margin: float
    source: str
    command: str
    verified: bool = False
    weights_sha256: str | None = None
    made: str | None = None
    version: str = __version__


class Evidence(Config):
    """The shipped file: what was built at which tasks, and what was tried there and is not built."""

    made: str
    version: str
    built: tuple[Built, ...] = Field(())
    not_built: dict[str, tuple[str, ...]] = Field({}, description="canonical task → constructions that do not bear it")


@cache
def shipped() -> Evidence:
    """What comes with the library."""
    return Evidence(**json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8")))


def key(task: Problem) -> str:
    """A task as the shipped file names it."""
    return json.dumps(task.model_dump(mode="json"), sort_keys=True)


def built(task: Problem) -> tuple[Built, ...]:
    """Every registered construction that does a task: shipped where it is known, issued now where it is not."""
    known = shipped()
    found: list[Built] = []
    for name, options in solving(task):
        wanted = (name, options, task.model_dump(mode="json"))
        stored = [each for each in known.built if (each.construction, each.options, each.task) == wanted]
        if stored:
            found += stored
        elif label(name, options) not in known.not_built.get(key(task), ()):
            found += filter(None, [_issued(name, json.dumps(options), key(task))])
    return tuple(found)


@lru_cache(maxsize=1024)
def _issued(name: str, options: str, task: str) -> Built | None:
    """What is issued on the spot, kept for the other rows of the map."""
    return issue(name, create(**json.loads(task)), **json.loads(options))


def solving(task: Problem) -> Iterator[tuple[str, dict[str, Any]]]:
    """The constructions whose task this is, by name, as each of the networks they can be."""
    told = task.model_dump(mode="json")
    for name in constructions.names():
        theorem = constructions.theorem(name)
        if theorem.task == task.name and all(told.get(field) == value for field, value in theorem.fixed.items()):
            cell = theorem.options.model_fields.get("cell")
            yield from (
                (name, {"cell": kind} if kind else {}) for kind in (get_args(cell.annotation) if cell else ("",))
            )


def label(name: str, options: dict[str, Any]) -> str:
    """A construction with its options, as on the command line."""
    return " ".join([name, *(f"--{field} {value}" for field, value in options.items())])


def written(value: Any) -> str | None:
    """A field as on the command line: lists of numbers as JSON; None for what is not written there."""
    if isinstance(value, list | tuple) and (text := json.dumps(value).replace(" ", "")).strip("[]0123456789,") == "":
        return f"'{text}'"
    return str(value) if isinstance(value, int | str) else None


def fields(name: str, task: Problem) -> dict[str, Any]:
    """What a construction is told of a task: every field that it does not fix itself."""
    fixed = constructions.theorem(name).fixed
    return {k: v for k, v in task.model_dump(mode="json").items() if k != "name" and k not in fixed}


def issue(name: str, task: Problem, **chosen: Any) -> Built | None:
    """A construction's certificate at a task, in the first format that bears it; None where none does."""
    told = fields(name, task)
    for number_format in FORMATS:
        try:
            made = constructions.create(name, **told, **chosen, format=number_format)
        except InputError:
            continue
        certificate, source = made.certificate, constructions.theorem(name).stated(chosen)[1]
        if made.task.model_dump(mode="json") != task.model_dump(mode="json"):
            return None
        said = {field.replace("_", "-"): text for field, v in {**told, **chosen}.items() if (text := written(v))}
        return Built(
            construction=name, options=chosen,
            task=task.model_dump(mode="json"), model=made.config.model_dump(mode="json"),
            number_format=certificate.number_format, scope=certificate.scope, claim=certificate.claim,
            argument=certificate.argument, margin=certificate.margin, source=source,
            command=f"separatrix construct {label(name, said)} --format {number_format} --certify",
        )  # fmt: skip
    return None


def facts(row: MapRow, task: Problem) -> Iterator[Fact]:
    """What is built in one cell."""
    for each in built(task):
        same = each.model["name"] == row.name and row.layers in (None, each.model.get("layers"))
        if same:
            how = "verified" if each.verified else "issued now, not yet verified"
            layers = each.model.get("layers", 1)
            words = (
                f"{each.construction}: width {each.model['width']:,}, {layers} layer{'' if layers == 1 else 's'}, in "
                f"{each.number_format}, for {each.scope} (certificate {how})"
            )
            yield Fact(kind="built", words=words, evidence=each.model_dump(exclude={"task", "version"}))
