"""Options that belong to configurations: `--width 64 --alphabet 8` goes to the one configuration that has the field."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from pydantic import BaseModel

from separatrix.errors import InputError, nearest
from separatrix.trust import everything

FREE_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Context settings of commands that accept the fields of a task, model or training configuration as options."""

Trust = Annotated[bool, typer.Option("--trust", help="Run Python files that only a store, a card or a file names.")]

ELSEWHERE = {"device": "gpus", "lr": "learning_rate", "epochs": "steps", "examples": "count", "dim": "width"}
"""What other tools call an option, and what it is called here."""


Fields = type[BaseModel] | Sequence[str]
"""The fields of a section: those of a configuration, or their names."""


def assign(context: typer.Context, sections: Mapping[str, Fields]) -> dict[str, dict[str, Any]]:
    """Sort a command's further `--field value` pairs into the sections whose configuration has that field.

    `--section.field value` names the section outright; the short form is for fields that only one section has. A
    command's own option of that name hides the field, which then needs the long form.
    Raises InputError, naming the nearest valid option, for fields that no section has, and for short forms that several
    have.
    """
    assigned: dict[str, dict[str, Any]] = {section: {} for section in sections}
    options = [parameter.opts[0] for parameter in context.command.params]
    own = [option.removeprefix("--") for option in options if option.startswith("--")]
    for name, value in pairs(context.args):
        section, _, field = name.rpartition(".")
        wanted = [section] if section else list(sections)
        homes = [s for s in wanted if s in sections and field in _fields(sections[s])]
        if len(homes) > 1:
            said = " or ".join(f"--{home}.{_dashed(field)}" for home in homes)
            raise InputError(f"--{_dashed(field)} is a field of the {' and of the '.join(homes)}: say {said}")
        if not homes:
            fields = [field for config in sections.values() for field in _fields(config)]
            valid = [_dashed(option) for option in [*fields, *own]]
            known = _dashed(ELSEWHERE.get(field, ""))
            guess = known if known in valid else nearest(_dashed(field), valid)
            hint = f"did you mean '--{guess}'?" if guess else f"valid are --{', --'.join(valid)}"
            raise InputError(f"no option '--{_dashed(name)}': {hint}")
        assigned[homes[0]][field] = value
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
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise InputError(f"expected a value, got lists nested too deeply: {text[:20]!r} …") from None
    except json.JSONDecodeError:
        return None if text.lower() == "none" else text
    except InputError:
        raise
    except ValueError:  # an integer of thousands of digits
        raise InputError(f"expected a number, got one of {len(text)} digits: {text[:20]} …") from None


def _no_number(text: str) -> Any:
    raise InputError(f"expected a finite number, got {text}")


def checked(command: Callable[..., None]) -> Callable[..., None]:
    """The same command; raises InputError for infinite numbers, and for URLs where a local path is meant."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        for name, value in options.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"--{_dashed(name)} must be a finite number, got {value}")
            if isinstance(value, Path) and re.match(r"\w{2,}:/", str(value)):
                raise InputError(f"{_dashed(name)} must be a path on this machine, got the URL {str(value)!r}")
        command(*arguments, **options)

    return run


def trusting(command: Callable[..., None]) -> Callable[..., None]:
    """The same command with the option `--trust`, and `checked`."""

    @wraps(command)
    def run(*arguments: Any, trust: bool, **options: Any) -> None:
        everything(trust)
        checked(command)(*arguments, **options)

    hints = get_type_hints(command, include_extras=True)
    own = [each.replace(annotation=hints[name]) for name, each in inspect.signature(command).parameters.items()]
    option = inspect.Parameter("trust", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Trust)
    run.__signature__ = inspect.Signature([*own, option])  # type: ignore[attr-defined]
    run.__annotations__ = {**hints, "trust": Trust}
    return run


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _fields(config: Fields) -> list[str]:
    named = list(dict.fromkeys(config)) if isinstance(config, Sequence) else list(config.model_fields)
    return [field for field in named if field != "name"]
