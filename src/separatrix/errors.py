"""One kind of error for bad input: a single line saying what was expected, what came and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 40
"""Valid names that a message lists."""


class InputError(ValueError):
    """Input that cannot be used. The message is one line, fit to be shown to a user as it is."""


def shortened(text: str, most: int = 60) -> str:
    """A user's text as a message can carry it.

    >>> from separatrix.errors import shortened
    >>> shortened("9" * 5000)
    '999999999999999999999999999999999999999999999999999999999999 … (5000 characters)'
    """
    return text if len(text) <= most else f"{text[:most]} … ({len(text)} characters)"


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like `name`, or None when nothing is close."""
    close = difflib.get_close_matches(name.lower().replace("_", "-"), list(valid), n=1, cutoff=0.5)
    return close[0] if close else None


def unknown(what: str, name: str, valid: Iterable[str]) -> InputError:
    """The error for a name that does not exist: names the nearest valid one and lists the rest."""
    names = sorted(valid)
    guess = nearest(name, names)
    hint = f": did you mean {guess!r}?" if guess else ""
    shown = names if len(names) <= MOST_NAMES else [*names[:MOST_NAMES], f"and {len(names) - MOST_NAMES} more"]
    return InputError(f"unknown {what} {shortened(name)!r}{hint} (valid: {', '.join(shown)})")
