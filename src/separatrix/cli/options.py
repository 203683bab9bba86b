"""Options that belong to configurations: `--width 64 --alphabet 8` goes to whichever configuration has the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from separatrix.errors import InputError, nearest

FREE_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Context settings of commands that accept the fields of a task, model or training configuration as options."""


def assign(arguments: list[str], sections: Mapping[str, type[BaseModel]]) -> dict[str, dict[str, Any]]:
    """Sort `--field value` pairs into the sections whose configuration has that field.

    `--section.field value` names the section outright. The first section that has the field wins.
    Raises InputError, naming the nearest valid option, for fields that no section has.
    """
    assigned: dict[str, dict[str, Any]] = {section: {} for section in sections}
    for name, value in pairs(arguments):
        section, _, field = name.rpartition(".")
        wanted = [section] if section else list(sections)
        home = next((s for s in wanted if s in sections and field in _fields(sections[s])), None)
        if home is None:
            valid = [field for config in sections.values() for field in _fields(config)]
            guess = nearest(field.replace("_", "-"), [option.replace("_", "-") for option in valid])
            hint = f"did you mean '--{guess}'?" if guess else f"valid are --{', --'.join(valid)}".replace("_", "-")
            raise InputError(f"no option '--{name.replace('_', '-')}': {hint}")
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


def _fields(config: type[BaseModel]) -> list[str]:
    return [field for field in config.model_fields if field != "name"]
