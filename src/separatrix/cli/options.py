"""Options that belong to configurations: `--width 64 --alphabet 8` goes to whichever configuration has the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer
from pydantic import BaseModel

from separatrix.errors import InputError, nearest

FREE_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Context settings of commands that accept the fields of a task, model or training configuration as options."""

ELSEWHERE = {"device": "gpus", "lr": "learning_rate", "epochs": "steps", "examples": "count", "dim": "width"}
"""What other tools call an option, and what it is called here."""


def assign(context: typer.Context, sections: Mapping[str, type[BaseModel]]) -> dict[str, dict[str, Any]]:
    """Sort a command's further `--field value` pairs into the sections whose configuration has that field.

    `--section.field value` names the section outright. The first section that has the field wins.
    Raises InputError, naming the nearest valid option, for fields that no section has.
    """
    assigned: dict[str, dict[str, Any]] = {section: {} for section in sections}
    options = [parameter.opts[0] for parameter in context.command.params]
    own = [option.removeprefix("--") for option in options if option.startswith("--")]
    for name, value in pairs(context.args):
        section, _, field = name.rpartition(".")
        wanted = [section] if section else list(sections)
        home = next((s for s in wanted if s in sections and field in _fields(sections[s])), None)
        if home is None:
            fields = [field for config in sections.values() for field in _fields(config)]
            valid = [_dashed(option) for option in [*fields, *own]]
            known = _dashed(ELSEWHERE.get(field, ""))
            guess = known if known in valid else nearest(_dashed(field), valid)
            hint = f"did you mean '--{guess}'?" if guess else f"valid are --{', --'.join(valid)}"
            raise InputError(f"no option '--{_dashed(name)}': {hint}")
        assigned[home][field] = value
    return assigned


def pairs(arguments: list[str]) -> list[tuple[str, Any]]:
    """`--name value`, `--name=value` and bare `--flag` / `--no-flag` as (field name, value)."""
    found, waiting = [], list(arguments)
    while waiting:
        option = waiting.pop(0)
        if not option.startswith("--") or len(option) < 3:
            raise InputError(f"expected an option such as --width 64, got {option!r}")
        name, equals, text = option[2:].partition("=")
        name = name.replace("-", "_")
        if equals:
            found.append((name, parse(text)))
        elif waiting and not waiting[0].startswith("--"):
            found.append((name, parse(waiting.pop(0))))
        else:
            found.append((name.removeprefix("no_"), not name.startswith("no_")))
    return found


def parse(text: str) -> Any:
    """A number, true, false, null or JSON list where the text is one; the text itself otherwise."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None if text.lower() == "none" else text


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _fields(config: type[BaseModel]) -> list[str]:
    return [field for field in config.model_fields if field != "name"]
