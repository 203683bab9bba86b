"""Whose Python files may be run: those the user names, and none that a file names.

A task or a model may stand in a Python file (`path/to/file.py:name`). A name that is typed, or written in a program, is
run. A name that was read from a store, a card, a preset, a sweep or a model file is not, unless the user named the same
file, or passed `--trust`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from separatrix.errors import InputError

FILE = ".py:"
"""What the name of something in a Python file contains."""

_reading: ContextVar[str | None] = ContextVar("reading", default=None)
"""What is being read now, in words; None where the names are the user's own."""
_named: set[str] = set()
_typed = [False]
"""Whether, in the whole process, threads too, names count as read unless they stand on the command line."""
_everything = [False]


class Untrusted(InputError):
    """Something that was read names a Python file which the user did not name. Nothing of it was run."""


@contextmanager
def reading(what: object) -> Iterator[None]:
    """Inside, names come from a file, and Python files they name are not run unless the user has named them."""
    token = _reading.set(_reading.get() or str(what))
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def command_line(arguments: Sequence[str]) -> Iterator[None]:
    """Inside, the Python files that stand in the arguments may be run, and no others."""
    before, known = _typed[0], set(_named)
    _named.clear()
    _named.update(_place(file) for argument in arguments for file in _files(argument))
    _typed[0] = True
    try:
        yield
    finally:
        _typed[0] = before
        everything(False)
        _named.clear()
        _named.update(known)


def everything(trusted: bool = True) -> None:
    """Run whatever a file names from here on: `--trust`."""
    _everything[0] = trusted


def check(file: str, name: str) -> None:
    """Called before a Python file is run. Raises Untrusted when only a file names it."""
    place = _place(file)
    source = _reading.get()
    if (source is not None or _typed[0]) and not _everything[0] and place not in _named:
        by = "" if source is None else f", {source},"
        raise Untrusted(
            f"{name!r} is Python code that a file{by} names, and was not run: name {file} on the command line, or add "
            "--trust, to run it"
        )
    _named.add(place)


def names_code(name: object) -> bool:
    """Whether the name of a task or a model is that of something in a Python file."""
    return FILE in str(name)


def _files(argument: str) -> Iterator[str]:
    """The Python files that an argument may mean: as a whole, and each of what stands between commas and signs."""
    for text in (argument, *re.split(r"[,+=*\s\"'\[\]{}]", argument)):
        file, colon, _ = text.partition(FILE)
        if colon or text.endswith(".py"):
            yield file + ".py" if colon else text


def _place(file: str) -> str:
    return os.path.realpath(file)
