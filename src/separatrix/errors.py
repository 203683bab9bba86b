"""One kind of error for bad input: a single line saying what was expected, what came and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used. The message is one line, fit to be shown to a user as it is."""


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like `name`, or None when nothing is close."""
    close = difflib.get_close_matches(name.lower().replace("_", "-"), list(valid), n=1, cutoff=0.5)
    return close[0] if close else None


def unknown(what: str, name: str, valid: Iterable[str]) -> InputError:
    """The error for a name that does not exist: names the nearest valid one and lists the rest."""
    names = sorted(valid)
    guess = nearest(name, names)
    hint = f": did you mean {guess!r}?" if guess else ""
    return InputError(f"unknown {what} {name!r}{hint} (valid: {', '.join(names)})")
