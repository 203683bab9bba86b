"""The base of every configuration: frozen, fully validated, one-line errors that name the nearest valid key."""

from __future__ import annotations

import hashlib
import json
import tomllib
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from separatrix.errors import InputError, nearest

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """A frozen pydantic model whose constructor raises `InputError` (one line) instead of `ValidationError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _kind(error)(one_line(error, type(self))) from None

    def replace(self: C, **changes: Any) -> C:
        """A validated copy with some fields changed."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **changes})

    def content_hash(self) -> str:
        """Content hash: the first 16 hex digits of the SHA-256 of the canonical JSON."""
        return short_hash(canonical_json(self.model_dump(mode="json")))


def parse_toml(text: bytes | str, name: str) -> dict[str, Any]:
    """The table in a TOML file's content; `name` is what errors call it. Raises InputError, one line."""
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, no TOML, integers of thousands of digits
        raise InputError(f"{name} is not valid TOML: {' '.join(str(error)[:200].split())}") from None


def short_hash(text: str) -> str:
    """The first 16 hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kind(error: ValidationError) -> type[InputError]:
    """The kind of InputError that was raised inside, so that it can be caught outside as what it is."""
    causes = (problem.get("ctx", {}).get("error") for problem in error.errors())
    return next((type(cause) for cause in causes if isinstance(cause, InputError)), InputError)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def one_line(error: ValidationError, config: type[BaseModel]) -> str:
    """The first problem of a validation error as one line: field, what was expected, what came, what to do."""
    problem = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")  # a misspelt key is also missing
    path = ".".join(str(part) for part in problem["loc"])
    valid = list(config.model_fields)
    match problem["type"]:
        case "extra_forbidden":
            guess = nearest(path, valid) or nearest(path.replace("_", "-"), valid)
            hint = f"did you mean {guess!r}? " if guess else ""
            return f"{config.__name__}: unknown key {path!r}: {hint}(valid: {', '.join(valid)})"
        case "missing":
            return f"{config.__name__}: {path!r} is required and was not given"
        case "tuple_type" | "list_type":
            return f"{config.__name__}: {path}: input should be a list such as [1, 2], got {problem['input']!r}"
        case "value_error":
            cause = problem["ctx"]["error"]
            return f"{path}: {cause}" if path and path not in str(cause) else str(cause)
        case _:
            return (
                f"{config.__name__}: {path}: {problem['msg'][0].lower()}{problem['msg'][1:]}, got {problem['input']!r}"
            )
