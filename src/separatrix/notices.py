"""One-line notices: what was left out, set aside or waits, said once, without ending what goes on."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Notice(UserWarning):
    """Something the user should know. Its text is one line."""


def notice(text: str) -> None:
    """Say something once: a Python warning, or a line on stderr from the command line."""
    warnings.warn(" ".join(text.split()), Notice, stacklevel=3)


def print_notice(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A warning as one line on stderr, as the command line shows it."""
    print(f"separatrix: {' '.join(str(message).split())}", file=sys.stderr)


@contextmanager
def as_lines() -> Iterator[None]:
    """Inside, every notice is one line on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", Notice)
        warnings.showwarning = print_notice
        yield
